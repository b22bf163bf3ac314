// Decoders that do no more work, and take no more memory, than the picture's header announces.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "dispatcher/contract/picture/inspect.hpp"
#include "runtime/core/result.hpp"

namespace ei::inference {

/// Takes row `y` of a picture: BGR, 8 bits, as many pixels as it was said to be wide.
/// Rows come once each, in any order.
using RowSink = std::function<void(int y, std::uint8_t const* bgr)>;

/// By how much a JPEG's sides are divided when it is decoded: by the most of 1, 2 and 4 that leaves a short
/// side of 750 pixels, three times that to which it is then scaled; by 2, 4 or 8 where less does not come to
/// dispatcher::kWholePixels.
[[nodiscard]] int jpeg_reduction(std::uint32_t width, std::uint32_t height);

/// Decodes with libjpeg-turbo as OpenCV and Pillow set it up (accurate integer IDCT, smooth upsampling);
/// CMYK becomes RGB as OpenCV computes it. Sides are those of `picture` divided by `reduction`, rounded up.
/// Memory: a few rows; for a picture in several scans all its coefficients, at most
/// dispatcher::PictureBudget::kCoefficientBytes. Errors: Invalid with http_status 400 and libjpeg's own
/// words, or 413 when decoding takes longer than decode_limit(). Precondition: `picture` is what
/// inspect_picture found in `file`.
[[nodiscard]] Result<void> decode_jpeg(std::string_view file, dispatcher::Picture const& picture,
                                       int reduction, RowSink const& sink);

/// Decodes the chunks that make a PNG, and no others; inflates no byte more than its header says. Alpha is
/// dropped, 16 bits are cut to 8, as OpenCV does. Memory: two rows; the whole picture when it is interlaced.
/// Errors: as decode_jpeg.
[[nodiscard]] Result<void> decode_png(dispatcher::Picture const& picture, RowSink const& sink);

/// A client's error about the picture.
[[nodiscard]] Error picture_error(int status, std::string detail);

}  // namespace ei::inference
