#include "inference/preprocess/transform.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>

namespace ei::inference {
namespace {

/// ImageNet's statistics in RGB order, from torchvision.transforms._presets.ImageClassification.
constexpr std::array<float, 3> kMean = {0.485F, 0.456F, 0.406F};
constexpr std::array<float, 3> kDeviation = {0.229F, 0.224F, 0.225F};

/// The normalised value of each 8-bit sample of a channel, with ToTensor's and Normalize's own float32
/// operations.
std::array<float, 256> make_table(std::size_t channel) {
  std::array<float, 256> table{};
  for (std::size_t value = 0; value < table.size(); ++value) {
    float const scaled = static_cast<float>(value) / 255.0F;
    table[value] = (scaled - kMean[channel]) / kDeviation[channel];
  }
  return table;
}

std::array<std::array<float, 256>, 3> const& tables() {
  static std::array<std::array<float, 256>, 3> const kTables = {make_table(0), make_table(1), make_table(2)};
  return kTables;
}

/// OpenCV knows a dozen formats more, some with decoders of doubtful health; they are not asked.
bool is_jpeg_or_png(std::string_view file) {
  return file.starts_with("\xFF\xD8\xFF") || file.starts_with("\x89PNG\r\n\x1A\n");
}

Error unreadable(std::string what) {
  Error error = make_error(ErrorKind::Invalid, std::move(what));
  error.http_status = 400;
  return error;
}

Result<cv::Mat> decode(std::string_view file) {
  if (!is_jpeg_or_png(file)) return unreadable("the data is neither a JPEG nor a PNG picture");
  try {
    auto* const data =
        const_cast<char*>(file.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast): only read
    cv::Mat const bytes(1, static_cast<int>(file.size()), CV_8UC1, data);
    cv::Mat picture = cv::imdecode(bytes, cv::IMREAD_COLOR);  // BGR, 8 bits, EXIF orientation applied
    if (picture.empty() || picture.type() != CV_8UC3) return unreadable("the picture cannot be decoded");
    return picture;
  } catch (cv::Exception const& error) {
    return unreadable("the picture cannot be decoded: " + error.err);
  } catch (std::bad_alloc const&) {
    return unreadable("the picture does not fit into memory");
  }
}

int round_half_even(double value) {
  return static_cast<int>(std::nearbyint(value));
}

}  // namespace

Geometry evaluation_geometry(int width, int height) {
  Geometry geometry;
  auto const scaled = [](int size, int longer,
                         int shorter) {  // int(size * long / short): a float division, cut
    return static_cast<int>(static_cast<double>(std::int64_t{size} * longer) / shorter);
  };
  bool const tall = height >= width;
  geometry.width = tall ? kResizeSide : scaled(kResizeSide, width, height);
  geometry.height = tall ? scaled(kResizeSide, height, width) : kResizeSide;
  geometry.crop = {round_half_even((geometry.width - kCropSide) / 2.0),
                   round_half_even((geometry.height - kCropSide) / 2.0), kCropSide, kCropSide};
  return geometry;
}

void append_pixels(PixelView bgr, std::vector<float>& out) {
  auto const geometry = evaluation_geometry(bgr.width, bgr.height);
  auto const cropped = resize_bilinear(bgr, geometry.width, geometry.height, geometry.crop);
  auto const start = out.size();
  constexpr std::size_t kPlane = std::size_t{kCropSide} * kCropSide;
  out.resize(start + 3 * kPlane);
  float* const red = out.data() + start;
  auto const& table = tables();
  for (std::size_t i = 0; i < kPlane; ++i) {
    red[i] = table[0][cropped.samples[3 * i + 2]];
    red[kPlane + i] = table[1][cropped.samples[3 * i + 1]];
    red[2 * kPlane + i] = table[2][cropped.samples[3 * i]];
  }
}

Result<void> append_picture(std::string_view file, std::vector<float>& out) {
  auto const picture = decode(file);
  if (!picture) return picture.error();
  append_pixels({picture->data, picture->cols, picture->rows, static_cast<std::ptrdiff_t>(picture->step[0])},
                out);
  return {};
}

void use_one_decoder_thread() {
  cv::setNumThreads(1);
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
}

}  // namespace ei::inference
