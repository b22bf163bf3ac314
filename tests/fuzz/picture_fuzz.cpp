// Pictures: what inspection lets through is decoded within its budget, and is as large as it said.
#include <ctime>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "dispatcher/contract/picture/inspect.hpp"
#include "inference/preprocess/transform.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ei;
using fuzz::require;

// A quarter of a megapixel instead of 16: a 64th of the work for each input, so a 64th of the time is its
// due; but no less than what a busy machine's clock ticks and a sanitizer's own work may take.
constexpr dispatcher::PictureLimits kLimits{64 * 1024, std::uint64_t{1} << 18U, 16'384};
constexpr double kDecodeSeconds = 1.0;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void check_size(std::string_view file, dispatcher::Picture const& picture) {
  cv::Mat const bytes(1, static_cast<int>(file.size()), CV_8UC1, const_cast<char*>(file.data()));
  auto const pixels = cv::imdecode(bytes, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  if (pixels.empty()) return;
  require(pixels.cols == static_cast<int>(picture.width) && pixels.rows == static_cast<int>(picture.height),
          "the decoder sees the size that inspection saw");
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  inference::use_one_decoder_thread();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const file = fuzz::view(data, size);
  auto const inspected = dispatcher::inspect_picture(file, kLimits);
  if (auto const* bad = std::get_if<dispatcher::BadPicture>(&inspected)) {
    require(!bad->detail.empty() && bad->detail.size() < 1024, "a refusal says why, in short");
    return 0;
  }
  std::vector<float> out;
  double const before = cpu_seconds();
  auto const decoded = inference::append_picture(file, out);
  require(cpu_seconds() - before <= kDecodeSeconds, "what inspection lets through is decoded in time");
  if (!decoded) {
    require(out.empty(), "nothing is left of a picture that cannot be decoded");
    require(decoded.error().http_status >= 400 && decoded.error().http_status < 500,
            "a refusal has its status");
    return 0;
  }
  require(out.size() == std::size_t{3} * inference::kCropSide * inference::kCropSide,
          "a picture is one tensor");
  check_size(file, std::get<dispatcher::Picture>(inspected));
  return 0;
}
