#pragma once

#include "operator/backend/kube/client/access.hpp"
#include "runtime/core/units.hpp"
#include "runtime/http/message.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace ei::kube {

/// An API server that answers by a script, down to the bytes and pauses on the wire: what a real one does
/// only on its worst days. Listens on a free port of 127.0.0.1, without TLS.
class FakeApi {
 public:
  struct Part {
    std::string bytes;
    milliseconds pause{};  ///< before the bytes
  };
  struct Reply {
    std::vector<Part> parts;
    bool close = false;  ///< after the last part, without another word
  };
  using Script = std::function<Reply(http::Request const& request)>;

  FakeApi(boost::asio::io_context& io, Script script);
  ~FakeApi();

  Access access() const;
  /// "GET /path?query", in the order they came.
  std::vector<std::string> const& seen() const { return seen_; }
  std::vector<http::Request> const& requests() const { return requests_; }
  int count(std::string_view part) const;

  /// A whole answer.
  static Reply answer(int status, std::string body, std::string headers = {});
  /// A metav1.Status.
  static Reply failure(int status, std::string reason, std::string headers = {});
  /// The head of a stream; chunk() makes its parts and the last chunk.
  static Part stream_head();
  static Part chunk(std::string bytes, milliseconds pause = {});
  static Part last_chunk() { return {"0\r\n\r\n", {}}; }

 private:
  struct State;
  boost::asio::awaitable<void> accept();
  std::shared_ptr<State> state_;
  Script script_;
  std::vector<std::string> seen_;
  std::vector<http::Request> requests_;
};

/// Runs `work` on a fresh io_context of the test until it ends, or fails the test after ten seconds.
void run_until_done(boost::asio::io_context& io, std::function<boost::asio::awaitable<void>()> work);

}  // namespace ei::kube
