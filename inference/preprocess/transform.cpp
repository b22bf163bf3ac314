#include "inference/preprocess/transform.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>

#include "inference/preprocess/decode.hpp"
#include "inference/preprocess/orientation.hpp"
#include "inference/preprocess/upright.hpp"

namespace ei::inference {
namespace {

/// ImageNet's statistics in RGB order, from torchvision.transforms._presets.ImageClassification.
constexpr std::array<float, 3> kMean = {0.485F, 0.456F, 0.406F};
constexpr std::array<float, 3> kDeviation = {0.229F, 0.224F, 0.225F};

/// The normalised value of each 8-bit sample of a channel, with ToTensor's and
/// Normalize's own float32 operations.
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

/// The dispatcher has checked its owner's limits; here only the program's own hold.
dispatcher::PictureLimits program_limits() {
  dispatcher::PictureLimits limits;
  limits.max_bytes = std::numeric_limits<std::size_t>::max();
  limits.max_pixels = std::numeric_limits<std::uint64_t>::max();
  return limits;
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

namespace {

/// BGR samples → three planes of normalised values, appended.
void append_planes(Pixels const& cropped, std::vector<float>& out) {
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

Result<Pixels> cropped_picture(std::string_view file, dispatcher::Picture const& picture) {
  bool const jpeg = picture.type == dispatcher::PictureType::Jpeg;
  int const orientation = orientation_of(picture);
  int const reduction = jpeg ? jpeg_reduction(picture.width, picture.height) : 1;
  int width = static_cast<int>(picture.width);
  int height = static_cast<int>(picture.height);
  Upright::Size const stored{(width + reduction - 1) / reduction, (height + reduction - 1) / reduction};
  Resampler::Source source{stored.width, stored.height, static_cast<double>(width) / reduction,
                           static_cast<double>(height) / reduction};
  if (lies_on_its_side(orientation)) {
    std::swap(width, height);
    source = {source.height, source.width, source.extent_down, source.extent_across};
  }
  auto const geometry = evaluation_geometry(width, height);
  Resampler resampler(source, geometry.width, geometry.height, geometry.crop);
  Upright upright(stored, orientation, [&](int y, std::uint8_t const* row) { resampler.add(y, row); });
  auto const take = [&](int y, std::uint8_t const* row) { upright.add(y, row); };
  auto const decoded = jpeg ? decode_jpeg(file, picture, reduction, take) : decode_png(picture, take);
  if (!decoded) return decoded.error();
  upright.finish();
  return resampler.finish();
}

}  // namespace

Error picture_error(int status, std::string detail) {
  Error error = make_error(ErrorKind::Invalid, std::move(detail));
  error.http_status = status;
  return error;
}

void append_pixels(PixelView bgr, std::vector<float>& out) {
  auto const geometry = evaluation_geometry(bgr.width, bgr.height);
  append_planes(resize_bilinear(bgr, geometry.width, geometry.height, geometry.crop), out);
}

Result<void> append_picture(std::string_view file, std::vector<float>& out) {
  auto const found = dispatcher::inspect_picture(file, program_limits());
  if (auto const* const bad = std::get_if<dispatcher::BadPicture>(&found))
    return picture_error(bad->fault == dispatcher::PictureFault::TooLarge ? 413 : 400, bad->detail);
  try {
    auto const cropped = cropped_picture(file, std::get<dispatcher::Picture>(found));
    if (!cropped) return cropped.error();
    append_planes(*cropped, out);
    return {};
  } catch (std::bad_alloc const&) {
    return picture_error(503, "the worker has no memory for the picture");
  } catch (cv::Exception const& error) {  // of the allocation of a cv::Mat
    return picture_error(503, "the worker has no memory for the picture: " + error.err);
  }
}

void use_one_decoder_thread() {
  cv::setNumThreads(1);
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
}

}  // namespace ei::inference
