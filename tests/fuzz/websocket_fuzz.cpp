// What a peer sends over a WebSocket, frame by frame, to the side that accepted it.
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>

#include "runtime/http/websocket_frames.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ei;
using fuzz::require;
namespace asio = boost::asio;

constexpr std::size_t kMaxMessage = 512;  // so that small inputs reach it

struct Outcome {
  std::vector<http::WebSocket::Message> messages;
  std::optional<ErrorKind> ended;  ///< none: it waits for more
  bool operator==(Outcome const& other) const {
    auto const same = [](auto const& a, auto const& b) { return a.binary == b.binary && a.data == b.data; };
    return ended == other.ended &&
           std::equal(messages.begin(), messages.end(), other.messages.begin(), other.messages.end(), same);
  }
};

http::Request upgrade_request() {
  http::Request request;
  request.headers = {{"Host", "h"},
                     {"Upgrade", "websocket"},
                     {"Connection", "Upgrade"},
                     {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                     {"Sec-WebSocket-Version", "13"}};
  return request;
}

asio::awaitable<void> receive(http::WebSocketFrames& frames, Outcome& outcome) {
  http::Request request = upgrade_request();
  auto const accepted = co_await frames.accept(std::move(request));
  require(bool(accepted), "a good upgrade is accepted");
  for (;;) {
    auto message = co_await frames.read();
    if (!message) {
      outcome.ended = message.error().kind;
      co_return;
    }
    require(message->data.size() <= kMaxMessage, "a message is not over the limit");
    outcome.messages.push_back(std::move(*message));
  }
}

void run_ready(asio::io_context& context) {
  while (context.poll() > 0) context.restart();
  context.restart();
}

Outcome read_pieces(fuzz::Pieces const& pieces) {
  int sockets[2];
  // Asio does not mind that it is no TCP connection, and no port is used up.
  require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets) == 0, "a socket pair");
  Outcome outcome;
  {
    asio::io_context context;
    http::tcp::socket socket(context);
    socket.assign(http::tcp::v4(), sockets[0]);
    http::WebSocketLimits limits;
    limits.max_message = kMaxMessage;
    http::WebSocketFrames frames(http::AnyStream(std::move(socket)), limits);
    asio::co_spawn(context, receive(frames, outcome), asio::detached);
    run_ready(context);
    for (auto const piece : pieces) {
      // What does not fit, or comes after the end, is not sent; both ways of cutting fit the socket's buffer.
      static_cast<void>(send(sockets[1], piece.data(), piece.size(), MSG_NOSIGNAL));
      run_ready(context);
    }
    shutdown(sockets[1], SHUT_WR);
    run_ready(context);
    frames.drop();
    run_ready(context);
  }
  close(sockets[1]);
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  fuzz::same_however_cut(fuzz::view(data, size), read_pieces);
  return 0;
}
