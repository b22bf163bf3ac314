#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "inference/service/worker.hpp"
#include "runtime/async/event.hpp"
#include "runtime/async/task_group.hpp"
#include "runtime/http/websocket.hpp"

namespace ei::inference {

/// One worker link from hello to goodbye. One executor thread.
class LinkSession : public std::enable_shared_from_this<LinkSession> {
 public:
  LinkSession(asio::any_io_executor executor, Worker& worker, Metrics& metrics,
              std::unique_ptr<http::WebSocket> socket);

  /// Serves until the link ends; returns why. After drain() that is ErrorKind::Canceled.
  [[nodiscard]] asio::awaitable<Error> serve(dispatcher::link::Hello hello);

  /// Asks for no job, or does so again. What it holds it answers.
  void set_standby(bool standby);

  /// Asks for no more jobs; the link is closed once the job it holds is answered.
  void drain();

  /// The worker ends because of this job: the dispatcher that it came from hears so, any other that the
  /// worker leaves, so that it does not hold this against what it has sent.
  void overrun(std::shared_ptr<dispatcher::link::Job const> const& job);

 private:
  [[nodiscard]] asio::awaitable<Result<void>> say(dispatcher::link::FromWorker message);
  [[nodiscard]] asio::awaitable<void> answer(std::shared_ptr<dispatcher::link::Job const> job);
  [[nodiscard]] asio::awaitable<Result<void>> ask();
  [[nodiscard]] asio::awaitable<void> say_goodbye();

  Worker& worker_;
  Metrics& metrics_;
  std::shared_ptr<http::WebSocket> socket_;
  Event answered_;  ///< a job is
  TaskGroup tasks_;
  std::vector<std::shared_ptr<dispatcher::link::Job const>> jobs_;  ///< received and not yet answered
  bool standby_ = false;
  bool asked_ = false;  ///< for a job that has not come
  bool draining_ = false;
  bool goodbye_said_ = false;
};

}  // namespace ei::inference
