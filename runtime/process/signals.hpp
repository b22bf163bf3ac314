#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>

namespace ei::process {
namespace asio = boost::asio;

/// SIGTERM and SIGINT as something to await. Also ignores SIGPIPE: a closed socket is an error value here.
class Signals {
 public:
  explicit Signals(asio::any_io_executor executor);
  ~Signals();

  /// The number of the next SIGTERM or SIGINT; 0 when cancelled.
  [[nodiscard]] asio::awaitable<int> next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ei::process
