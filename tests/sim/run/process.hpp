#pragma once

#include "operator/kubernetes.hpp"
#include "runtime/async/clock.hpp"
#include "runtime/metrics/registry.hpp"
#include "tests/sim/run/network.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <memory>
#include <optional>
#include <string>

namespace ei::sim {

/// One operator process: the production operator whole, on an io_context and a clock of its own.
class Process {
 public:
  /// `ask` stands for the way to the dispatchers' metrics; `listener` hears of decisions.
  Process(Network& network, std::shared_ptr<Peer> peer, KubernetesOptions options, scrape::Ask ask,
          reconcile::Listener listener, SteadyTime now, WallTime wall);
  ~Process();
  Process(Process const&) = delete;
  Process& operator=(Process const&) = delete;

  /// Runs all that is due.
  void poll(SteadyTime now, WallTime wall);
  /// When there will be something to run without news from outside.
  std::optional<SteadyTime> next() const { return frozen_until_ ? frozen_until_ : clock_.next_expiry; }
  /// Whether there is something to run now.
  bool ready() const { return ready_ && !frozen_until_; }
  void wake() { ready_ = true; }

  /// SIGTERM, or the end of what a crash has left.
  void stop();
  /// Stands still until then, as a process that is paused or starved of its core.
  void freeze(SteadyTime until) { frozen_until_ = until; }
  /// Its wall clock is set forward or back.
  void shift_wall(std::chrono::milliseconds by) { wall_shift_ += by; }

  /// Dies at its `calls`-th request from now on, before it goes out or right after; 0: not at all.
  void crash_after(std::uint64_t calls, bool served);

  bool ended() const { return ended_; }
  Peer const& peer() const { return *peer_; }

  /// Handlers that ran in one poll; more than this many are a loop that no time passes in.
  static constexpr int kMaxHandlers = 200'000;

 private:
  VirtualClock clock_;
  std::chrono::milliseconds wall_shift_{0};
  std::shared_ptr<Peer> peer_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{context_.get_executor()};
  metrics::Registry registry_;
  std::optional<reconcile::OperatorMetrics> metrics_;
  std::optional<KubernetesOperator> operator_;
  std::optional<SteadyTime> frozen_until_;
  bool ready_ = true;
  bool stopping_ = false;
  bool ended_ = false;
};

}  // namespace ei::sim
