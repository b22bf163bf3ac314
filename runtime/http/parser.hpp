#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/core/result.hpp"
#include "runtime/http/message.hpp"

namespace ei::http {

/// Reads one request from bytes, without I/O. Feed it until header_done(), decide about the body, call
/// allow_body, feed on until done(). Bytes after the request are left alone: they are the next one's.
///
/// `max_header` bounds the bytes of request line, fields, trailers and the empty lines before all, and
/// kMaxFields the fields, however the bytes arrive. What two readers could understand in two ways is refused,
/// for that is how requests are smuggled past a proxy.
class RequestParser {
 public:
  explicit RequestParser(std::size_t max_header);
  ~RequestParser();
  RequestParser(RequestParser&&) noexcept;
  RequestParser& operator=(RequestParser&&) noexcept;

  /// Takes bytes from the front of `input` and says how many: all of them, up to the end of the header or of
  /// the request. On a fault http_status is the answer: 400, 413, 431, 501 or 505.
  [[nodiscard]] Result<std::size_t> feed(std::string_view input);

  /// False while nothing but empty lines has come, which are skipped (RFC 9112, section 2.2).
  [[nodiscard]] bool begun() const;
  [[nodiscard]] bool header_done() const;
  [[nodiscard]] bool done() const;

  // From header_done() on:
  [[nodiscard]] Request& request();
  [[nodiscard]] bool keep_alive() const;
  [[nodiscard]] bool http_1_0() const;
  /// True when a body is announced (Content-Length over 0, or chunked).
  [[nodiscard]] bool expects_body() const;
  [[nodiscard]] std::optional<std::uint64_t> content_length() const;
  /// Bytes of body taken at most from now on; 413 where Content-Length is over it already.
  [[nodiscard]] Result<void> allow_body(std::size_t max_body);
  /// Bytes of memory that the body takes once `more` of it have come: what is announced; of a body in chunks
  /// twice what is there, as it grows by doubling.
  [[nodiscard]] std::size_t body_memory(std::size_t more) const;
  /// Instead of feeding a body, its reader may append to body(), at most body_left() bytes, and tell how many
  /// with body_grew(). body_left() is 0 where the length is not announced.
  [[nodiscard]] std::size_t body_left() const;
  [[nodiscard]] std::string& body();
  void body_grew(std::size_t size);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Reads one answer from bytes, without I/O; 1xx answers but 101 are skipped. `max_header` and kMaxFields
/// bound all heads and the trailers together.
class ResponseParser {
 public:
  ResponseParser(std::size_t max_header, bool answers_head);
  ~ResponseParser();
  ResponseParser(ResponseParser&&) noexcept;
  ResponseParser& operator=(ResponseParser&&) noexcept;

  /// As RequestParser::feed, but reads on through the body. Errors: Protocol.
  [[nodiscard]] Result<std::size_t> feed(std::string_view input);
  /// The connection ended. Errors: Unavailable when that cuts the answer short.
  [[nodiscard]] Result<void> feed_end();

  [[nodiscard]] bool header_done() const;
  [[nodiscard]] bool done() const;
  [[nodiscard]] bool keep_alive() const;
  [[nodiscard]] Response const& response() const;
  /// The body bytes read since the last call.
  [[nodiscard]] std::string take_body();
  [[nodiscard]] std::size_t body_waiting() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ei::http
