#include "dispatcher/live/live_exchange.hpp"

#include <boost/system/system_error.hpp>

namespace ei::dispatcher {
namespace {

Time now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

LiveExchange::LiveExchange(asio::any_io_executor executor, ExchangeOptions options)
    : executor_(executor),
      exchange_(std::move(options)),
      wake_(executor),
      idle_(executor),
      arrived_(executor) {}

asio::awaitable<Result<std::vector<Answer>>> LiveExchange::ask(std::vector<Work> pictures, bool probabilities,
                                                               SteadyTime deadline, std::size_t top,
                                                               RequestTag tag) {
  Event done(executor_);
  auto submission = std::make_shared<Submission>();
  submission->pictures = std::move(pictures);
  submission->probabilities = probabilities;
  submission->top = top;
  submission->deadline = deadline;
  submission->tag = std::move(tag);
  submission->on_done = [&done] { done.set(); };

  // However this coroutine ends, nothing of it stays behind.
  struct Leave {
    LiveExchange& live;
    std::shared_ptr<Submission> submission;
    ~Leave() {
      submission->on_done = nullptr;
      if (submission->outcome) return;
      live.exchange_.cancel(submission, now());
      live.rearm();
    }
  };

  Time const arrived = now();
  auto const accepted = exchange_.submit(submission, arrived);
  arrived_.notify();
  if (!accepted) co_return accepted.error();
  Leave const leave{*this, submission};
  rearm();
  try {
    if (!submission->outcome) (void)co_await done.wait();
  } catch (boost::system::system_error const&) {  // cancelled
  }
  if (submission->outcome) {
    if (on_answered_ && *submission->outcome) on_answered_(submission->tag, arrived, **submission->outcome);
    co_return std::move(*submission->outcome);
  }
  co_return make_error(ErrorKind::Canceled, "the client left");
}

Result<WorkerId> LiveExchange::attach(link::Hello hello, WorkerPort port) {
  auto out = exchange_.attach(std::move(hello), std::move(port), now());
  readiness_changed();
  return out;
}

Result<void> LiveExchange::ready(WorkerId worker) {
  std::size_t const before = exchange_.workers();
  auto out = exchange_.ready(worker, now());
  rearm();
  if (exchange_.workers() != before) readiness_changed();
  return out;
}

Result<void> LiveExchange::result(WorkerId worker, link::JobResult result) {
  auto out = exchange_.result(worker, std::move(result), now());
  rearm();
  return out;
}

void LiveExchange::standby(WorkerId worker) {
  exchange_.standby(worker, now());
  readiness_changed();
}

void LiveExchange::bye(WorkerId worker) {
  exchange_.bye(worker);
}

Result<void> LiveExchange::overrun(WorkerId worker, std::uint64_t job) {
  auto out = exchange_.overrun(worker, job, now());
  rearm();
  return out;
}

void LiveExchange::detach(WorkerId worker, Ended how) {
  exchange_.detach(worker, now(), how);
  rearm();
  readiness_changed();
}

asio::awaitable<bool> LiveExchange::wait_arrivals(std::uint64_t known, milliseconds longest) {
  struct Watching {
    LiveExchange& live;
    explicit Watching(LiveExchange& of) : live(of) {
      ++live.watchers_;
      live.unserved_ = live.exchange_.drops().no_worker;
      live.readiness_changed();
    }
    ~Watching() {
      --live.watchers_;
      live.watched_ = now();
    }
  };
  Watching const watching(*this);
  Time const deadline = now() + longest;
  co_return co_await until(
      arrived_, [&] { return exchange_.queue().counters().arrivals != known || exchange_.open() > 0; },
      deadline);
}

bool LiveExchange::sleeps() const {
  if (exchange_.drops().no_worker != unserved_) return false;
  return watchers_ > 0 || (watched_ && now() - *watched_ < kWakes);
}

void LiveExchange::leave() {
  leaving_ = true;
  readiness_changed();
}

void LiveExchange::drain() {
  exchange_.drain();
  readiness_changed();
}

void LiveExchange::abort() {
  exchange_.abort();
  rearm();
}

void LiveExchange::readiness_changed() const {
  if (on_readiness_) on_readiness_();
}

asio::awaitable<bool> LiveExchange::wait_idle(milliseconds timeout) {
  Time const deadline = now() + timeout;
  co_return co_await until(
      idle_, [this] { return exchange_.open() == 0; }, deadline);
}

// Sees to it that tick() runs when it next has something to do,
// and that wait_idle() learns of the end.
void LiveExchange::rearm() {
  if (exchange_.open() == 0) idle_.notify();
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
