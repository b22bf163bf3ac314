#include "bench/policy/play.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <optional>
#include <thread>

namespace ei::bench {
namespace {

constexpr std::chrono::seconds kRedraw{1};
constexpr std::chrono::seconds kSaying{5};  // the grid takes minutes, and its lines go to a log

/// Cells that are played, counted by their threads and told by the one that waits for them.
class Progress {
 public:
  explicit Progress(std::size_t cells) : cells_(cells) {}

  void played() {
    std::lock_guard const lock(mutex_);
    ++played_;
    changed_.notify_one();
  }

  void failed(Error const& error) {
    std::lock_guard const lock(mutex_);
    if (!failure_) failure_ = error;
    changed_.notify_one();
  }

  /// The first failure, as soon as there is one.
  std::optional<Error> tell_until_all_are_played() {
    bool const terminal = isatty(STDERR_FILENO) == 1;
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, terminal ? kRedraw : kSaying,
                              [&] { return played_ == cells_ || failure_; })) {
      std::fprintf(stderr, terminal ? "\r\033[Kplayed %zu of %zu cells" : "played %zu of %zu cells\n",
                   played_, cells_);
    }
    if (terminal) std::fputs("\r\033[K", stderr);
    return failure_;
  }

 private:
  std::size_t cells_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t played_ = 0;
  std::optional<Error> failure_;
};

}  // namespace

Result<std::vector<Cell>> play_all(std::vector<Match> const& matches, std::span<Player const> players,
                                   Rules const& rules, unsigned jobs) {
  std::vector<std::pair<Match const*, Player const*>> pairs;
  for (Match const& match : matches) {
    for (Player const& player : players) {
      bool const plans = player.contestant == Contestant::Planner;
      if (plans && (match.has_faults() || !can_plan(match, rules))) continue;
      pairs.emplace_back(&match, &player);
    }
  }
  std::vector<Cell> cells(pairs.size());
  std::atomic<std::size_t> next{0};
  Progress progress(pairs.size());
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1U, jobs); ++i) {
    threads.emplace_back([&] {
      for (std::size_t at = next++; at < pairs.size(); at = next++) {
        auto cell = play(*pairs[at].first, *pairs[at].second, rules);
        if (!cell) return progress.failed(cell.error());
        cells[at] = *std::move(cell);
        progress.played();
      }
    });
  }
  auto const failure = progress.tell_until_all_are_played();
  if (failure) next = pairs.size();
  for (std::thread& thread : threads) thread.join();
  if (failure) return *failure;
  return cells;
}

}  // namespace ei::bench
