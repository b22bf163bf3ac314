#include "inference/preprocess/decode_clock.hpp"

#include <ctime>

#include "dispatcher/contract/picture/inspect.hpp"
#include "inference/preprocess/decode.hpp"

namespace ei::inference {
namespace {

constexpr std::chrono::seconds kPerWholePicture{1};

std::chrono::nanoseconds processor_time() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

DecodeClock::DecodeClock(std::uint64_t pixels)
    : start_(processor_time()),
      limit_(kPerWholePicture *
             static_cast<std::int64_t>((pixels + dispatcher::kWholePixels - 1) / dispatcher::kWholePixels)) {}

bool DecodeClock::over() const {
  return processor_time() - start_ > limit_;
}

Error DecodeClock::error() const {
  auto const limit = std::chrono::duration_cast<std::chrono::milliseconds>(limit_);
  return picture_error(413, "the picture takes more than " + std::to_string(limit.count()) +
                                " ms of processor time to decode; allowed: at most that");
}

}  // namespace ei::inference
