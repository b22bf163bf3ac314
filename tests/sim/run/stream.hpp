#pragma once

#include "tests/sim/run/network.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <optional>
#include <string>

namespace ei::sim {

/// A watch on its way to a process: whole, in pieces, late, or half-open.
class Network::Stream : public std::enable_shared_from_this<Network::Stream> {
 public:
  Stream(Network& network, std::shared_ptr<Peer> peer, boost::asio::any_io_executor executor,
         http::Response head, std::optional<Watch> watch);

  boost::asio::awaitable<Result<std::string>> read(milliseconds timeout);
  http::Response const& head() const { return head_; }
  void changed(Kind const& kind);

 private:
  Result<std::string> deliver();
  void note_seen();
  bool broken() const { return epoch_ != network_.epoch() || failed_; }

  Network& network_;
  std::shared_ptr<Peer> peer_;
  Timer news_;  ///< cancelled when there may be something to read
  http::Response head_;
  std::optional<Watch> watch_;  ///< none: the body of a refusal is all
  std::string pending_;         ///< taken from the watch, and not read yet
  std::uint64_t brings_ = 0;    ///< the version that the client knows once it has read `pending_`
  SteadyTime not_before_{};     ///< when `pending_` arrives
  std::uint64_t epoch_;
  bool stalled_ = false;
  bool failed_ = false;
  bool body_read_ = false;
};

/// The stream that a watch was answered with; a refusal is one too.
std::unique_ptr<http::ResponseStream> open_stream(Network& network, std::shared_ptr<Peer> peer,
                                                  boost::asio::any_io_executor executor,
                                                  http::Request const& request, http::Response answer);

}  // namespace ei::sim
