#include "tests/sim/run/process.hpp"

#include <boost/asio/co_spawn.hpp>

#include <stdexcept>
#include <utility>

namespace ei::sim {

namespace asio = boost::asio;

Process::Process(Network& network, std::shared_ptr<Peer> peer, KubernetesOptions options, scrape::Ask ask,
                 reconcile::Listener listener, SteadyTime now, WallTime wall)
    : clock_{now, wall, now}, peer_(std::move(peer)) {
  use_clock(&clock_);
  peer_->wake = [this] { ready_ = true; };
  options.access.server = "http://sim";
  options.dial = network.dial(peer_);
  options.reconcile.ask = std::move(ask);
  metrics_.emplace(registry_);
  operator_.emplace(context_.get_executor(), std::move(options), *metrics_, std::move(listener));
  asio::co_spawn(context_, operator_->run(), [this](std::exception_ptr failed, Result<void> const&) {
    if (failed) std::rethrow_exception(failed);
    ended_ = true;
  });
  use_clock(nullptr);
}

Process::~Process() {
  peer_->wake = [] {};
  peer_->dead = true;
  stop();
  // Its coroutines must have ended before what they stand on goes.
  for (auto now = clock_.steady; !ended_ && clock_.next_expiry; now = clock_.next_expiry.value_or(now)) {
    frozen_until_.reset();
    poll(now, clock_.wall);
  }
  use_clock(&clock_);
  operator_.reset();
  context_.poll();
  use_clock(nullptr);
}

void Process::poll(SteadyTime now, WallTime wall) {
  if (frozen_until_ && now < *frozen_until_) return;
  frozen_until_.reset();
  clock_.steady = now;
  clock_.wall = wall + wall_shift_;
  if (peer_->dead) stop();
  use_clock(&clock_);
  int handlers = 0;
  do {
    ready_ = false;
    clock_.next_expiry.reset();
    int ran = 0;
    // One by one: handlers that always leave another one would keep poll() for ever.
    while (context_.poll_one() > 0) {
      if (++ran + handlers > kMaxHandlers)
        throw std::runtime_error("hot loop: no time passes in " + peer_->identity);
    }
    handlers += ran;
    if (ran == 0) break;
  } while (true);
  use_clock(nullptr);
}

void Process::stop() {
  if (std::exchange(stopping_, true)) return;
  use_clock(&clock_);
  operator_->stop();
  use_clock(nullptr);
  ready_ = true;
}

void Process::crash_after(std::uint64_t calls, bool served) {
  peer_->crash_at = calls == 0 ? 0 : peer_->calls + calls;
  peer_->crash_served = served;
}

}  // namespace ei::sim
