#include "inference/service/link_session.hpp"

#include <algorithm>

#include "runtime/log/failed_task.hpp"
#include "runtime/log/log.hpp"

namespace ei::inference {
namespace {

namespace link = dispatcher::link;

/// A job that was sent before the goodbye arrived is on its way for one round trip at most;
/// it is still answered.
constexpr milliseconds kGoodbyeGrace{200};

bool has_no_error(link::JobResult const& result) {
  for (auto const& item : result.items) {
    if (auto const* const error = std::get_if<link::ItemError>(&item);
        error != nullptr && error->status >= 500) {
      return false;
    }
  }
  return true;
}

}  // namespace

LinkSession::LinkSession(asio::any_io_executor executor, Worker& worker, Metrics& metrics,
                         std::unique_ptr<http::WebSocket> socket)
    : worker_(worker),
      metrics_(metrics),
      socket_(std::move(socket)),
      answered_(executor),
      tasks_(std::move(executor), log::failed_task) {}

asio::awaitable<Result<void>> LinkSession::say(link::FromWorker message) {
  http::WebSocket::Message frame{true, link::encode(message)};
  co_return co_await socket_->send(std::move(frame));
}

asio::awaitable<Error> LinkSession::serve(link::Hello hello) {
  auto const self = shared_from_this();
  std::size_t const slots = hello.slots;
  standby_ = hello.standby;
  link::FromWorker greeting = std::move(hello);
  if (auto const said = co_await say(std::move(greeting)); !said) co_return said.error();
  if (auto const asked = co_await ask(); !asked) co_return asked.error();
  Error why;
  for (;;) {
    auto frame = co_await socket_->receive();
    if (!frame) {
      why = frame.error();
      break;
    }
    auto message = link::decode_from_dispatcher(frame->data);
    if (!message) {
      why = message.error();
      co_await socket_->close(why.message);
      break;
    }
    // A cancel is advisory, and the job it names has mostly begun: its result is dropped by the dispatcher.
    auto* const job = std::get_if<link::Job>(&*message);
    if (job == nullptr) continue;
    if (jobs_.size() == slots) {
      why = make_error(ErrorKind::Protocol, "worker link: a job came without a ready before it");
      co_await socket_->close(why.message);
      break;
    }
    auto held = std::make_shared<link::Job const>(std::move(*job));
    jobs_.push_back(held);
    asked_ = false;
    tasks_.spawn("job", [self, held] { return self->answer(held); });
  }
  // What is being computed is finished for nobody: the dispatcher has given it to another worker already.
  co_await tasks_.stop();
  if (draining_) why = make_error(ErrorKind::Canceled, "the worker leaves");
  co_return why;
}

asio::awaitable<void> LinkSession::answer(std::shared_ptr<link::Job const> job) {
  auto const start = std::chrono::steady_clock::now();
  // The dispatcher was asked for this one: a crowd of direct requests must not turn it away.
  auto result = co_await worker_.answer(job, Admit::Always);
  link::JobResult answer;
  if (result) {
    answer = std::move(*result);
  } else {
    answer.id = job->id;
    std::size_t count = 0;
    for (auto const& item : job->items) count += item.count;
    answer.items.assign(count, link::ItemError{503, result.error().message});
  }
  if (job->probabilities && answer.probabilities.empty()) {
    answer.probabilities.resize(answer.items.size() * worker_.classes());
  }
  metrics_.job_completed(has_no_error(answer), std::chrono::steady_clock::now() - start);
  link::FromWorker message = std::move(answer);
  auto const said = co_await say(std::move(message));
  std::erase(jobs_, job);
  answered_.notify();
  if (!said) co_return;  // receive() fails as well, which ends the session
  if (draining_) {
    if (jobs_.empty()) co_await say_goodbye();
    co_return;
  }
  static_cast<void>(co_await ask());
}

/// One job at a time.
asio::awaitable<Result<void>> LinkSession::ask() {
  if (draining_ || standby_ || asked_ || !jobs_.empty()) co_return Result<void>();
  asked_ = true;
  link::FromWorker ready = link::Ready{};
  co_return co_await say(std::move(ready));
}

void LinkSession::set_standby(bool standby) {
  if (standby_ == standby) return;
  standby_ = standby;
  if (draining_) return;
  if (standby) asked_ = false;
  tasks_.spawn("standby", [self = shared_from_this(), standby]() -> asio::awaitable<void> {
    link::FromWorker message = link::Standby{};
    static_cast<void>(standby ? co_await self->say(std::move(message)) : co_await self->ask());
  });
}

void LinkSession::drain() {
  if (draining_) return;
  draining_ = true;
  if (jobs_.empty()) tasks_.spawn("goodbye", [self = shared_from_this()] { return self->say_goodbye(); });
}

void LinkSession::overrun(std::shared_ptr<link::Job const> const& job) {
  draining_ = true;
  goodbye_said_ = true;
  link::FromWorker message = link::Bye{};
  if (std::find(jobs_.begin(), jobs_.end(), job) != jobs_.end()) message = link::Overrun{job->id};
  tasks_.spawn("overrun", [self = shared_from_this(), message]() -> asio::awaitable<void> {
    static_cast<void>(co_await self->say(message));
  });
}

asio::awaitable<void> LinkSession::say_goodbye() {
  if (goodbye_said_) co_return;
  goodbye_said_ = true;
  link::FromWorker bye = link::Bye{};
  if (auto const said = co_await say(std::move(bye)); !said) co_return;
  co_await sleep_for(kGoodbyeGrace);
  (void)co_await until(answered_, [this] { return jobs_.empty(); });
  co_await socket_->close("the worker leaves");
}

}  // namespace ei::inference
