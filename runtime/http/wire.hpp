#pragma once

#include <optional>
#include <string>

#include "runtime/http/message.hpp"

namespace ei::http {

/// How an answer's body is framed on the wire.
enum class Framing { Length, Chunked, UntilClose };

struct ResponseHeadOptions {
  Framing framing = Framing::Length;
  bool keep_alive = true;
  std::size_t body_size = 0;  ///< for Content-Length
  std::string date;           ///< the Date field's value; empty: none
};

/// Status line and fields of an answer, up to and with the blank line. Connection, Content-Length and
/// Transfer-Encoding are decided here, whatever the headers say; control characters in fields become blanks,
/// so that no value can start a new line. Pure.
[[nodiscard]] std::string response_head(Response const& response, ResponseHeadOptions const& options);

/// Request line and fields, up to and with the blank line. Host and, where there is a body or the method
/// expects one, Content-Length are set here. Pure.
[[nodiscard]] std::string request_head(Request const& request, std::string const& host);

/// One chunk of the chunked coding: its size line; the bytes and `\r\n` follow.
[[nodiscard]] std::string chunk_size_line(std::size_t size);

/// RFC 9110's IMF-fixdate of a moment in seconds since 1970: `Sun, 06 Nov 1994 08:49:37 GMT`.
[[nodiscard]] std::string format_http_date(long long unix_seconds);

/// True for statuses that never carry a body (1xx, 204, 304).
[[nodiscard]] bool is_bodiless(int status);

}  // namespace ei::http
