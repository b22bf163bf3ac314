#include "inference/service/compute.hpp"

#include <unistd.h>

#include <atomic>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "runtime/log/log.hpp"

namespace ei::inference {
namespace {

struct Work {
  std::function<void()> run;
  std::function<void()> done;  ///< posts back to the executor
  std::atomic<bool> taken_back = false;
  Result<void> result;
};

/// Whoever waited for it has been told already; what is left of a drain's time on a cluster.
constexpr std::chrono::seconds kStopTimeout{5};

void perform(Work& work) {
  if (work.taken_back) {
    work.result = make_error(ErrorKind::Canceled, "the request was cancelled before it was computed");
    return;
  }
  try {
    work.run();
  } catch (std::exception const& error) {
    work.result = make_error(ErrorKind::Io, std::string("the computation failed: ") + error.what());
  }
}

}  // namespace

struct ComputeThread::State {
  explicit State(asio::any_io_executor ex, std::size_t most) : executor(std::move(ex)), capacity(most) {}

  void loop() {
    for (;;) {
      std::shared_ptr<Work> next;
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [this] { return stopping || !waiting.empty(); });
        if (stopping) {
          stopped = true;
          changed.notify_all();
          return;
        }
        next = std::move(waiting.front());
        waiting.pop_front();
      }
      perform(*next);
      next->done();
    }
  }

  asio::any_io_executor executor;
  std::size_t capacity;
  std::size_t open = 0;  ///< waiting or running; the executor's thread only
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::shared_ptr<Work>> waiting;
  bool stopping = false;
  bool stopped = false;
  std::thread thread;
};

ComputeThread::ComputeThread(asio::any_io_executor executor, std::size_t capacity)
    : state_(std::make_shared<State>(std::move(executor), capacity)) {
  state_->thread = std::thread([state = state_.get()] { state->loop(); });
}

ComputeThread::~ComputeThread() {
  {
    std::unique_lock lock(state_->mutex);
    state_->stopping = true;
    state_->changed.notify_all();
    if (!state_->changed.wait_for(lock, kStopTimeout, [this] { return state_->stopped; })) {
      log::error("compute_stuck", {{"detail", "the work in progress does not end"}});
      ::_exit(kStuckExit);
    }
  }
  state_->thread.join();
}

asio::awaitable<Result<void>> ComputeThread::run(std::function<void()> given, Admit admit) {
  auto const state = state_;
  if (admit == Admit::WhileRoom && state->open >= state->capacity) {
    co_return make_error(ErrorKind::TooMany, std::to_string(state->capacity) + " pictures wait already");
  }
  auto const work = std::make_shared<Work>();
  work->run = std::move(given);
  auto initiate = [state, work](auto handler) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) slot.assign([work](asio::cancellation_type) { work->taken_back = true; });
    auto const shared = std::make_shared<decltype(handler)>(std::move(handler));
    auto const guard = std::make_shared<asio::executor_work_guard<asio::any_io_executor>>(state->executor);
    work->done = [state, slot, shared, guard] {
      asio::post(state->executor, [slot, shared, guard]() mutable {
        slot.clear();
        std::move (*shared)();
      });
    };
    {
      std::lock_guard const lock(state->mutex);
      state->waiting.push_back(work);
    }
    state->changed.notify_one();
  };
  ++state->open;
  co_await asio::async_initiate<asio::use_awaitable_t<> const, void()>(std::move(initiate),
                                                                       asio::use_awaitable);
  --state->open;
  co_return std::move(work->result);
}

}  // namespace ei::inference
