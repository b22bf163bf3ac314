#include "bench/load/load.hpp"

#include <boost/asio/this_coro.hpp>
#include <string>
#include <utility>

#include "runtime/core/json.hpp"
#include "runtime/log/log.hpp"

namespace ei::bench {
namespace {

// A prediction is some hundred bytes; a problem's detail may be longer.
constexpr std::size_t kMaxAnswerBytes = 1024 * 1024;
// What an ended request's coroutine may still need to unwind.
constexpr milliseconds kUnwind{2'000};

http::ClientLimits limits_of(LoadOptions const& options) {
  http::ClientLimits limits;
  limits.max_body = kMaxAnswerBytes;
  limits.max_idle = options.connections;
  return limits;
}

}  // namespace

std::string label_of_answer(std::string_view body) {
  auto const answer = parse_json(body);
  if (!answer) return {};
  auto const* top = find_member(*answer, "top");
  if (top == nullptr || !top->is_array() || top->get_array().empty()) return {};
  return std::string(string_or(top->get_array().front(), "label"));
}

Load::Load(asio::any_io_executor executor, LoadOptions options, Schedule const& schedule,
           std::vector<Picture> const& pictures, OnFinished on_finished)
    : options_(std::move(options)),
      schedule_(schedule),
      pictures_(pictures),
      on_finished_(std::move(on_finished)),
      client_(executor, options_.url, options_.tls, limits_of(options_)),
      tasks_(executor, [](std::string const& name, std::string const& what) {
        log::error("load_task_failed", {{"task", name}, {"error", what}});
      }) {}

std::chrono::nanoseconds Load::elapsed() const {
  return std::chrono::steady_clock::now() - start_;
}

asio::awaitable<void> Load::run() {
  start_ = std::chrono::steady_clock::now();
  for (std::size_t number = 0; number < schedule_.size(); ++number) {
    co_await sleep_until(start_ + schedule_[number]);
    offer(number);
  }
  auto const left = std::chrono::ceil<milliseconds>(schedule_.back() + options_.timeout - elapsed());
  (void)co_await tasks_.wait(left + kUnwind);
}

void Load::offer(std::size_t number) {
  ++offered_;
  if (active_ == options_.connections) {
    waiting_.push_back(number);
    return;
  }
  ++active_;
  tasks_.spawn("request", [this, number] { return lane(number); });
}

// One connection's worth of requests: its own, then the request that waits longest.
asio::awaitable<void> Load::lane(std::size_t number) {
  for (;;) {
    co_await one(number);
    if (waiting_.empty()) break;
    number = waiting_.front();
    waiting_.pop_front();
  }
  --active_;
}

asio::awaitable<void> Load::one(std::size_t number) {
  Finished finished;
  finished.number = number;
  finished.picture = number % pictures_.size();
  finished.intended = schedule_[number];
  auto const left = std::chrono::floor<milliseconds>(finished.intended + options_.timeout - elapsed());
  if (left < milliseconds(1)) {
    finished.fault = kTimedOut;
  } else {
    Picture const& picture = pictures_[finished.picture];
    http::Request request;
    request.method = "POST";
    request.target = options_.url.target;
    request.headers.set("Content-Type", picture.type);
    request.body = picture.bytes;
    finished.sent = elapsed();
    auto const response = co_await client_.send(std::move(request), left);
    if (response) {
      note_answer(finished, *response);
    } else {
      finished.fault = to_string(response.error().kind);
    }
  }
  finished.ended = elapsed();
  on_finished_(finished);
}

void Load::note_answer(Finished& finished, http::Response const& response) const {
  finished.status = response.status;
  if (response.status < 200 || response.status > 299) {
    finished.fault = "http_" + std::to_string(response.status);
    return;
  }
  finished.label = label_of_answer(response.body);
  std::string const& expected = pictures_[finished.picture].label;
  if (!expected.empty()) finished.right = finished.label == expected;
}

}  // namespace ei::bench
