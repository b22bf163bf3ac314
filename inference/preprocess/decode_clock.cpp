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
    : wall_start_(std::chrono::steady_clock::now()),
      start_(processor_time()),
      limit_(kPerWholePicture *
             static_cast<std::int64_t>((pixels + dispatcher::kWholePixels - 1) / dispatcher::kWholePixels)) {}

bool DecodeClock::over() const {
  // A thread computes no longer than time passes. The wall clock takes no system call, and most decodings end
  // within the limit by it.
  if (std::chrono::steady_clock::now() - wall_start_ <= limit_) return false;
  return processor_time() - start_ > limit_;
}

Error DecodeClock::error() const {
  auto const limit = std::chrono::duration_cast<std::chrono::milliseconds>(limit_);
  return picture_error(413, "the picture takes more than " + std::to_string(limit.count()) +
                                " ms of processor time to decode; allowed: at most that");
}

}  // namespace ei::inference
