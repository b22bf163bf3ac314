#include "runtime/http/websocket_layer.hpp"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <memory>

namespace ei::http {

bool WebSocketLayer::passes(FewBuffers<asio::mutable_buffer> const& read, std::size_t size) {
  for (asio::mutable_buffer const& piece : read) {
    auto const part = std::min(size, piece.size());
    if (part > 0 && !gate_(std::string_view(static_cast<char const*>(piece.data()), part))) return false;
    size -= part;
  }
  return true;
}

void WebSocketLayer::start_read(FewBuffers<asio::mutable_buffer> const& into,
                                asio::any_completion_handler<Transferred> handler) {
  auto const read = [&](auto&& last) {
    std::visit([&](auto& stream) { stream.async_read_some(into, std::forward<decltype(last)>(last)); },
               stream_);
  };
  if (!gate_) {
    read(std::move(handler));
    return;
  }
  auto const slot = asio::get_associated_cancellation_slot(handler);
  // Shared, as Asio 1.26 may copy what it binds, and the copy of a hidden handler never ends.
  auto const original = std::make_shared<asio::any_completion_handler<Transferred>>(std::move(handler));
  auto looked = [this, into, original](boost::system::error_code code, std::size_t size) {
    if (!code && !passes(into, size)) code = asio::error::message_size;
    std::move (*original)(code, size);
  };
  read(asio::bind_cancellation_slot(slot, asio::bind_executor(get_executor(), std::move(looked))));
}

void WebSocketLayer::start_write(FewBuffers<asio::const_buffer> const& from,
                                 asio::any_completion_handler<Transferred> handler) {
  std::visit([&](auto& stream) { stream.async_write_some(from, std::move(handler)); }, stream_);
}

void WebSocketLayer::start_teardown(boost::beast::role_type role,
                                    asio::any_completion_handler<Ended> handler) {
  using boost::beast::websocket::async_teardown;
  // Beast posts here, which the hidden handler's own executor cannot (Asio 1.26). Both are this stream's.
  auto bound = asio::bind_executor(get_executor(), std::move(handler));
  std::visit([&](auto& stream) { async_teardown(role, stream, std::move(bound)); }, stream_);
}

}  // namespace ei::http
