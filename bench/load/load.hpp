#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <deque>
#include <functional>
#include <vector>

#include "bench/load/pictures.hpp"
#include "bench/load/report.hpp"
#include "bench/load/schedule.hpp"
#include "runtime/async/task_group.hpp"
#include "runtime/http/client.hpp"

namespace ei::bench {

struct LoadOptions {
  http::Url url;
  milliseconds timeout{30'000};   ///< of each request, from its intended time
  std::size_t connections = 256;  ///< at once; requests beyond wait for one, which their latency includes
  http::TlsClientOptions tls = {};
};

/// Sends pictures in turn, each at its time of the schedule whether the earlier ones are answered or not
/// (open loop), and ends at the latest `timeout` after the last. Use from the executor's thread only.
class Load {
 public:
  using OnFinished = std::function<void(Finished const&)>;

  /// `schedule` and `pictures` must outlive the load; there must be a picture.
  Load(asio::any_io_executor executor, LoadOptions options, Schedule const& schedule,
       std::vector<Picture> const& pictures, OnFinished on_finished);

  /// Runs to the end; when cancelled, what has not ended is not reported.
  [[nodiscard]] asio::awaitable<void> run();

  [[nodiscard]] std::chrono::nanoseconds elapsed() const;
  [[nodiscard]] std::size_t offered() const { return offered_; }  ///< requests whose time has come
  [[nodiscard]] std::size_t open() const { return active_ + waiting_.size(); }

 private:
  void offer(std::size_t number);
  asio::awaitable<void> lane(std::size_t number);
  asio::awaitable<void> one(std::size_t number);
  void note_answer(Finished& finished, http::Response const& response) const;

  LoadOptions options_;
  Schedule const& schedule_;
  std::vector<Picture> const& pictures_;
  OnFinished on_finished_;
  http::Client client_;
  SteadyTime start_{};
  std::size_t offered_ = 0;
  std::size_t active_ = 0;           ///< requests that have a connection
  std::deque<std::size_t> waiting_;  ///< requests that wait for one, in their order
  TaskGroup tasks_;
};

/// The best class of a /predict answer (`top[0].label`), or "".
[[nodiscard]] std::string label_of_answer(std::string_view body);

}  // namespace ei::bench
