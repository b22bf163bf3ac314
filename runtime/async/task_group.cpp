#include "runtime/async/task_group.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>

#include "runtime/async/clock.hpp"
#include "runtime/async/event.hpp"

namespace ei {
namespace {

struct Task {
  std::string name;
  std::function<asio::awaitable<void>()> run;
  asio::cancellation_signal cancel;
  bool canceled = false;
};

}  // namespace

struct TaskGroup::State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor ex, OnException handler)
      : executor(std::move(ex)), on_exception(std::move(handler)), changed(executor) {}

  void finish(std::shared_ptr<Task> const& task, std::exception_ptr exception);
  void cancel_all();

  asio::any_io_executor executor;
  OnException on_exception;
  Event changed;  // a task has ended
  std::list<std::shared_ptr<Task>> tasks;
  bool stopping = false;
};

void TaskGroup::State::finish(std::shared_ptr<Task> const& task, std::exception_ptr exception) {
  tasks.remove(task);
  changed.notify();
  if (!exception || task->canceled) return;
  std::string what = "an exception that is no std::exception";
  try {
    std::rethrow_exception(exception);
  } catch (std::exception const& caught) {
    what = caught.what();
  } catch (...) {
  }
  if (on_exception) on_exception(task->name, what);
}

void TaskGroup::State::cancel_all() {
  stopping = true;
  // A task may end, and leave the list, while it is being cancelled.
  auto const running = tasks;
  for (auto const& task : running) {
    task->canceled = true;
    task->cancel.emit(asio::cancellation_type::terminal);
  }
}

TaskGroup::TaskGroup(asio::any_io_executor executor, OnException on_exception)
    : state_(std::make_shared<State>(std::move(executor), std::move(on_exception))) {}

TaskGroup::~TaskGroup() {
  state_->on_exception = nullptr;
  state_->cancel_all();
}

void TaskGroup::spawn(std::string name, std::function<asio::awaitable<void>()> run) {
  if (state_->stopping) return;
  auto task = std::make_shared<Task>();
  task->name = std::move(name);
  task->run = std::move(run);
  state_->tasks.push_back(task);
  auto done = [state = state_, task](std::exception_ptr exception) { state->finish(task, exception); };
  asio::co_spawn(state_->executor, task->run(),
                 asio::bind_cancellation_slot(task->cancel.slot(), std::move(done)));
}

asio::awaitable<void> TaskGroup::stop() {
  auto const state = state_;
  state->cancel_all();
  (void)co_await until(state->changed, [&] { return state->tasks.empty(); });
}

asio::awaitable<bool> TaskGroup::wait(milliseconds timeout) {
  auto const state = state_;
  auto const deadline = steady_now() + timeout;
  co_return co_await until(
      state->changed, [&] { return state->tasks.empty(); }, deadline);
}

std::size_t TaskGroup::size() const {
  return state_->tasks.size();
}

asio::awaitable<void> sleep_for(std::chrono::nanoseconds duration) {
  auto const executor = co_await asio::this_coro::executor;
  Timer timer(executor, duration);
  co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> sleep_until(SteadyTime time) {
  auto const executor = co_await asio::this_coro::executor;
  Timer timer(executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace ei
