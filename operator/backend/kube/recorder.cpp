#include "operator/backend/kube/recorder.hpp"

#include "runtime/async/clock.hpp"
#include "runtime/async/deadline.hpp"
#include "runtime/log/log.hpp"

#include <iterator>
#include <utility>
#include <vector>

namespace ei::kube {
namespace {

namespace asio = boost::asio;

// How often series are looked through for counts not yet written.
constexpr std::chrono::seconds kFlushPeriod{5};

// While the API server is away events pile up; beyond this the oldest are the least missed.
constexpr std::size_t kMaxWaiting = 1000;

// An API server that is restarted is back by then. One event that never goes through (a failing admission
// webhook) is not tried for ever.
constexpr std::chrono::seconds kPatience{60};

/// Canceled: the next leader has other news, but this process may still have time to write it.
bool passes_by_itself(ErrorKind kind) {
  return kind == ErrorKind::Canceled || kind == ErrorKind::Unavailable || kind == ErrorKind::Timeout ||
         kind == ErrorKind::TooMany || kind == ErrorKind::Io;
}

}  // namespace

Recorder::Recorder(asio::any_io_executor executor, Client& client, std::string instance)
    : client_(client),
      series_(std::string(kEventController), std::move(instance)),
      wake_(std::move(executor)) {}

void Recorder::record(Occurrence const& occurrence) {
  auto next = series_.record(occurrence, steady_now(), wall_now());
  if (!next) return;
  push(std::move(*next));
  wake_.notify();
}

void Recorder::push(EventWrite next) {
  if (waiting_.size() >= kMaxWaiting) waiting_.pop_front();
  waiting_.push_back(std::move(next));
}

asio::awaitable<void> Recorder::run() {
  while (true) {
    // Where it is not to be had now: again with the next flush.
    (void)co_await write_all();
    (void)co_await wake_.wait(steady_now() + kFlushPeriod);
    for (auto& next : series_.flush(steady_now())) push(std::move(next));
  }
}

asio::awaitable<void> Recorder::drain(milliseconds timeout) {
  auto work = write_all();
  auto const drained = co_await within(timeout, "writing the last events", std::move(work));
  if (!drained) log::info("events_dropped", {{"count", waiting_.size()}});
}

asio::awaitable<Result<void>> Recorder::write_all() {
  // Tried again with the next flush, before what is recorded until then.
  std::vector<EventWrite> again;
  bool reachable = true;
  while (reachable && !waiting_.empty()) {
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    auto const failed = co_await write(next);
    if (!failed) continue;
    reachable = *failed == ErrorKind::TooMany || *failed == ErrorKind::Unavailable;
    if (!next.first_failed) next.first_failed = steady_now();
    if (steady_now() - *next.first_failed < kPatience) again.push_back(std::move(next));
  }
  if (again.empty()) co_return Result<void>{};
  waiting_.insert(waiting_.begin(), std::move_iterator(again.begin()), std::move_iterator(again.end()));
  co_return make_error(ErrorKind::Unavailable, "not all events could be written");
}

asio::awaitable<std::optional<ErrorKind>> Recorder::write(EventWrite const& next) {
  auto const what = next.create ? "create" : "patch";
  auto body = next.body;
  Client::Value written = make_error(ErrorKind::Canceled, "not sent");
  if (next.create) {
    written = co_await client_.create(kEvents, next.key.namespace_name, std::move(body));
  } else {
    written = co_await client_.merge_patch(kEvents, next.key, std::move(body));
  }
  if (written) co_return std::nullopt;
  auto const kind = written.error().kind;
  log::debug("event_not_written",
             {{"namespace", next.key.namespace_name}, {"what", what}, {"error", written.error().message}});
  // A namespace that is going away takes no events, and an old event is gone after an
  // hour: neither is worth a retry.
  co_return passes_by_itself(kind) ? std::optional(kind) : std::nullopt;
}

}  // namespace ei::kube
