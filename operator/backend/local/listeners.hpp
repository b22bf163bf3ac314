#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <vector>

#include "operator/backend/local/command.hpp"

namespace ei::backend::local {
namespace asio = boost::asio;

/// A dispatcher's listening sockets. They outlive its process, so a client that connects while one ends and
/// the next starts waits a moment instead of being refused. Closed with the last owner.
class Listeners {
 public:
  /// `http` is the port wanted for requests; another is taken when somebody has it. 0: any. Errors: Invalid
  /// (no IP address), Io.
  [[nodiscard]] static Result<Listeners> open(asio::any_io_executor executor, std::string const& address,
                                              std::uint16_t http);

  [[nodiscard]] Ports const& ports() const { return ports_; }
  /// In the order in which dispatcher_command() names them.
  [[nodiscard]] std::vector<int> descriptors();

 private:
  using Acceptor = asio::ip::tcp::acceptor;
  Listeners(Acceptor http, Acceptor metrics, Acceptor link);

  Acceptor http_;
  Acceptor metrics_;
  Acceptor link_;
  Ports ports_;
};

}  // namespace ei::backend::local
