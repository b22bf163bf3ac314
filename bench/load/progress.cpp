#include "bench/load/progress.hpp"

#include <algorithm>
#include <cstdio>
#include <string>

#include "runtime/async/event.hpp"

namespace ei::bench {
namespace {

constexpr milliseconds kRedraw{250};
constexpr std::size_t kBarWidth = 30;

struct ClearLine {
  ~ClearLine() { std::fputs("\r\033[K", stderr); }
};

void draw(Load const& load, Schedule const& schedule, Report const& report) {
  double const length = std::chrono::duration<double>(schedule.back()).count();
  double const now = std::chrono::duration<double>(load.elapsed()).count();
  double const share = length > 0 ? std::clamp(now / length, 0.0, 1.0) : 1.0;
  auto const filled = static_cast<std::size_t>(share * static_cast<double>(kBarWidth));
  std::string const bar = std::string(filled, '#') + std::string(kBarWidth - filled, '.');
  auto const p99 = static_cast<double>(report.latency().percentile(0.99).count()) / 1000;
  std::fprintf(stderr, "\r\033[K[%s] %3.0f/%.0f s  sent %zu/%zu  open %zu  errors %llu  p99 %.0f ms",
               bar.c_str(), now, length, load.offered(), schedule.size(), load.open(),
               static_cast<unsigned long long>(report.errors()), p99);
  std::fflush(stderr);
}

}  // namespace

asio::awaitable<void> show_progress(Load const& load, Schedule const& schedule, Report const& report) {
  ClearLine const clear;
  for (;;) {
    co_await sleep_for(kRedraw);
    draw(load, schedule, report);
  }
}

asio::awaitable<void> never() {
  Event never_set(co_await asio::this_coro::executor);
  (void)co_await never_set.wait();
}

}  // namespace ei::bench
