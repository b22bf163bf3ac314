#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <utility>
#include <vector>

#include "operator/backend/local/command.hpp"

namespace ei::backend::local {
namespace asio = boost::asio;

/// A socket that listens, and of which this process accepts nothing: no event loop hears of its connections.
class ListeningSocket {
 public:
  ListeningSocket(int descriptor, std::uint16_t port) : descriptor_(descriptor), port_(port) {}
  ~ListeningSocket();
  ListeningSocket(ListeningSocket&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), port_(other.port_) {}
  ListeningSocket& operator=(ListeningSocket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(port_, other.port_);
    return *this;
  }

  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  int descriptor_;
  std::uint16_t port_;
};

/// A dispatcher's listening sockets. They outlive its process, so a client that connects while one ends and
/// the next starts waits a moment instead of being refused. Closed with the last owner.
class Listeners {
 public:
  /// `http` is the port wanted for requests, and two more for those of gRPC; another is taken when somebody
  /// has it. 0: any. Requests and metrics are listened for on `address`, workers, which are all of this
  /// machine, on the loopback. Errors: Invalid (no IP address), Io.
  [[nodiscard]] static Result<Listeners> open(asio::any_io_executor executor, std::string const& address,
                                              std::uint16_t http);

  [[nodiscard]] Ports ports() const { return {http_.port(), metrics_.port(), link_.port(), grpc_.port()}; }
  /// In the order in which dispatcher_command() names them.
  [[nodiscard]] std::vector<int> descriptors() const;

 private:
  Listeners(ListeningSocket http, ListeningSocket metrics, ListeningSocket link, ListeningSocket grpc)
      : http_(std::move(http)),
        metrics_(std::move(metrics)),
        link_(std::move(link)),
        grpc_(std::move(grpc)) {}

  ListeningSocket http_;
  ListeningSocket metrics_;
  ListeningSocket link_;
  ListeningSocket grpc_;
};

}  // namespace ei::backend::local
