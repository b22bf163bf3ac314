#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "inference/service/worker.hpp"

namespace ei::inference {

/// A dispatcher as a flag names it: every address that the name resolves to is one dispatcher.
struct DispatcherName {
  std::string host;
  std::uint16_t port = 8002;
};

/// `host`, `host:port`, `[v6]:port`. Errors: Invalid.
[[nodiscard]] Result<DispatcherName> parse_dispatcher(std::string_view text);

struct LinkOptions {
  std::vector<DispatcherName> dispatchers;
  std::string worker_name;
  std::string model_name;
  /// The token to show, read afresh for every link; empty: none is shown.
  std::filesystem::path token_file;
  /// One to show to a dispatcher that refuses the other, where the file exists; empty: none.
  std::filesystem::path former_token_file;
  /// The authorities (PEM) by which a dispatcher's certificate is verified, under the name that the flag has
  /// for it; read afresh for every link. Empty: the link is plain.
  std::filesystem::path dispatcher_ca = {};
};

/// Keeps one worker link to every dispatcher: resolves the names again every few seconds, reconnects after a
/// jittered back-off, asks for one job at a time on each link and answers it. One executor thread.
class Links {
 public:
  /// Precondition: `worker` is loaded and outlives this.
  Links(asio::any_io_executor executor, Worker& worker, Metrics& metrics, LinkOptions options);
  ~Links();

  void start();

  /// Worker::standby() is another than it was.
  void standby_changed();

  /// Asks for no more jobs, answers those it holds, says goodbye, and returns when the last link is closed,
  /// or after `timeout`; true when nothing was cut off.
  [[nodiscard]] asio::awaitable<bool> drain(milliseconds timeout);

  /// Tells every dispatcher that the worker ends because of this job.
  void overrun(std::shared_ptr<dispatcher::link::Job const> const& job);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ei::inference
