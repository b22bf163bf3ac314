#include "dispatcher/service/service.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "runtime/async/task_group.hpp"

namespace ei::dispatcher {
namespace {

Time now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

Service::Service(asio::any_io_executor executor, ExchangeOptions options)
    : executor_(executor), exchange_(std::move(options)), wake_(executor) {}

asio::awaitable<Result<std::vector<Answer>>> Service::ask(std::vector<Work> pictures, bool probabilities,
                                                          SteadyTime deadline, std::size_t top) {
  asio::steady_timer done(executor_, Time::max());
  auto submission = std::make_shared<Submission>();
  submission->pictures = std::move(pictures);
  submission->probabilities = probabilities;
  submission->top = top;
  submission->deadline = deadline;
  submission->on_done = [&done] { done.cancel(); };

  // However this coroutine ends, nothing of it stays behind.
  struct Leave {
    Service& service;
    std::shared_ptr<Submission> submission;
    ~Leave() {
      submission->on_done = nullptr;
      if (submission->outcome) return;
      service.exchange_.cancel(submission, now());
      service.rearm();
    }
  };

  auto const accepted = exchange_.submit(submission, now());
  if (!accepted) co_return accepted.error();
  Leave const leave{*this, submission};
  rearm();
  if (!submission->outcome) co_await done.async_wait(asio::as_tuple(asio::use_awaitable));
  if (submission->outcome) co_return std::move(*submission->outcome);
  co_return make_error(ErrorKind::Canceled, "the client left");
}

Result<WorkerId> Service::attach(link::Hello hello, WorkerPort port) {
  auto out = exchange_.attach(std::move(hello), std::move(port), now());
  readiness_changed();
  return out;
}

Result<void> Service::ready(WorkerId worker) {
  auto out = exchange_.ready(worker, now());
  rearm();
  return out;
}

Result<void> Service::result(WorkerId worker, link::JobResult result) {
  auto out = exchange_.result(worker, std::move(result), now());
  rearm();
  return out;
}

void Service::bye(WorkerId worker) {
  exchange_.bye(worker);
}

Result<void> Service::overrun(WorkerId worker, std::uint64_t job) {
  auto out = exchange_.overrun(worker, job, now());
  rearm();
  return out;
}

void Service::detach(WorkerId worker, Ended how) {
  exchange_.detach(worker, now(), how);
  rearm();
  readiness_changed();
}

void Service::leave() {
  leaving_ = true;
  readiness_changed();
}

void Service::drain() {
  exchange_.drain();
  readiness_changed();
}

void Service::readiness_changed() const {
  if (on_readiness_) on_readiness_();
}

asio::awaitable<bool> Service::wait_idle(milliseconds timeout) {
  // Once per process life: asking every few milliseconds is simpler than a signal, and nobody notices.
  constexpr milliseconds kPeriod{5};
  Time const until = now() + timeout;
  while (exchange_.open() > 0) {
    if (now() >= until) co_return false;
    co_await sleep_for(kPeriod);
  }
  co_return true;
}

// Sees to it that tick() runs when it next has something to do.
void Service::rearm() {
  Time const next = exchange_.next_tick();
  // A timer that fires early only ticks once more; that is cheaper than setting it anew for every request.
  if (next >= armed_) return;
  armed_ = next;
  wake_.expires_at(next);
  wake_.async_wait([this](boost::system::error_code cancelled) {
    if (cancelled) return;
    armed_ = Time::max();
    exchange_.tick(now());
    rearm();
  });
}

}  // namespace ei::dispatcher
