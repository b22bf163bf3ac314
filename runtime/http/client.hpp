#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"
#include "runtime/http/message.hpp"
#include "runtime/http/tls.hpp"
#include "runtime/http/url.hpp"

namespace ei::http {
namespace asio = boost::asio;

struct ClientLimits {
  std::size_t max_body =
      64 * 1024 * 1024;                ///< of a whole answer read by send(): a list of 10,000 pods is ~50 MiB
  std::size_t max_header = 32 * 1024;  ///< of an answer's head
  milliseconds connect_timeout{5'000};  ///< resolve, connect and TLS together
  std::size_t max_idle = 8;             ///< connections kept for the next request
  milliseconds idle_timeout{30'000};    ///< shorter than servers' own (Go: none, nginx: 75 s, ours: 75 s)
  /// Which of the origin's addresses may be connected to; empty: all.
  std::function<Result<void>(asio::ip::address const&)> admit_address = {};
};

/// An answer whose body is read as it arrives (watches, downloads). Destroying it drops the connection,
/// unless the body was read to its end. Must not outlive its io_context.
class ResponseStream {
 public:
  virtual ~ResponseStream() = default;
  /// Status and headers; the body is empty.
  [[nodiscard]] virtual Response const& head() const = 0;
  /// Some more bytes (at most 64 KiB), or "" at the end. Errors: Timeout, Protocol (broken framing),
  /// Unavailable (connection lost before the end), Canceled. After an error or the end,
  /// every later call repeats it.
  virtual asio::awaitable<Result<std::string>> read(milliseconds timeout) = 0;
};

/// An HTTP/1.1 client of one origin with a pool of kept connections. Use from the executor's thread only.
/// Statuses are not errors here: a 404 is a Response. Redirects are not followed; see get_following.
class Client {
 public:
  /// `tls` is read only for https; none means the defaults (system store, verification on).
  Client(asio::any_io_executor executor, Url origin, std::optional<TlsClientOptions> tls = {},
         ClientLimits limits = {});
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  /// One exchange, everything within `timeout`. A kept connection that turns out dead is replaced once, and
  /// the request repeated, for GET, HEAD, PUT, DELETE and OPTIONS only: a POST may have been served before
  /// the connection died. (A kept connection that the server has closed by then is noticed beforehand,
  /// whatever the method.) Host and Content-Length are set here. Errors: Unavailable, Timeout, Protocol (also
  /// over max_body), Invalid (TLS material), Canceled.
  [[nodiscard]] asio::awaitable<Result<Response>> send(Request request, milliseconds timeout);

  /// Sends and waits for the head within `timeout`; the body is read from the stream, without limit.
  [[nodiscard]] asio::awaitable<Result<std::unique_ptr<ResponseStream>>> open(Request request,
                                                                              milliseconds timeout);

  [[nodiscard]] Url const& origin() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

/// How far a download may go. Both questions are asked anew at every redirect; an empty one admits all.
struct Follow {
  int max_redirects = 5;  ///< a store and its CDN take two
  std::function<Result<void>(Url const&)> admit_url = {};
  /// Asked with each address that the URL's host turned out to have, before it is connected to.
  std::function<Result<void>(Url const&, asio::ip::address const&)> admit_address = {};
};

/// A download: GET that follows 301, 302, 303, 307 and 308 answers, never from https to http; `headers` go to
/// the first origin only, but for Range. Other answers, errors included, are returned as they are. No proxy
/// is asked, whatever the environment says: it would resolve names where nobody can look at the addresses.
/// Errors: open()'s; Protocol (redirects); the questions' own.
[[nodiscard]] asio::awaitable<Result<std::unique_ptr<ResponseStream>>> get_following(
    asio::any_io_executor executor, Url url, Headers headers, std::optional<TlsClientOptions> tls,
    milliseconds timeout, Follow follow = {});

/// The ErrorKind that an HTTP status means to a caller who wanted 2xx (404 NotFound, 409 Conflict, 410 Gone,
/// 429 TooMany, 401, 403, 408/504 Timeout, other 4xx Invalid, 5xx Unavailable),
/// with Retry-After (seconds) read.
[[nodiscard]] Error error_from_response(Response const& response);

}  // namespace ei::http
