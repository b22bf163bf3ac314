#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "inference/preprocess/resample.hpp"
#include "runtime/core/result.hpp"

namespace ei::inference {

/// What torchvision's evaluation transform of ResNet18 does (ResNet18_Weights.IMAGENET1K_V1.transforms()).
inline constexpr int kResizeSide = 256;
inline constexpr int kCropSide = 224;

/// Where the crop lies in the resized picture.
struct Geometry {
  int width = 0;  ///< of the resized picture
  int height = 0;
  Box crop;
};

/// torchvision's sizes: the short side becomes 256, the long one is cut down to whole pixels; the crop's
/// corner is rounded half to even, as Python rounds. Preconditions: width, height ≥ 1.
[[nodiscard]] Geometry evaluation_geometry(int width, int height);

/// A whole JPEG or PNG file → float32 [3, 224, 224] RGB, ImageNet-normalised, appended to `out`
/// (kPictureElements values). As torchvision on `ImageOps.exif_transpose(Image.open(f)).convert("RGB")`: EXIF
/// orientation is applied, grey is spread, alpha is dropped, CMYK is taken as Adobe writes it (inverted),
/// palettes are looked up. Two differences: a 16-bit grey PNG is scaled to 8 bits, where Pillow clips it to
/// white; a JPEG whose short side has 1,500 pixels or more is decoded at reduced size (jpeg_reduction), which
/// changes photographs by up to 1 grey level on average and 5 at most, text, noise and fine lines by 2 and
/// 10, drawn shapes by 2 and 25, and no top probability by more than 0.011. Bytes and pixels are the caller's
/// to limit, before; the work is bounded by dispatcher::PictureBudget. Errors: Invalid with http_status 400,
/// 413 over a budget, 503 without memory; `out` is unchanged then.
[[nodiscard]] Result<void> append_picture(std::string_view file, std::vector<float>& out);

/// The same from decoded samples in BGR order.
void append_pixels(PixelView bgr, std::vector<float>& out);

/// Makes OpenCV use the calling thread alone and be silent. Call once, before append_picture.
void use_one_decoder_thread();

}  // namespace ei::inference
