#pragma once

#include <boost/json/value.hpp>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/core/request_tag.hpp"

namespace ei::http {

/// HTTP header fields in the order they came; names compare without case.
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;

  Headers() = default;
  Headers(std::initializer_list<Field> fields) : fields_(fields) {}

  /// The first value of `name`. The view lives until the next change.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const;
  /// Replaces every field called `name` by this one.
  void set(std::string name, std::string value);
  /// Appends; equal names may repeat.
  void add(std::string name, std::string value);
  void remove(std::string_view name);

  [[nodiscard]] auto begin() const { return fields_.begin(); }
  [[nodiscard]] auto end() const { return fields_.end(); }
  [[nodiscard]] std::size_t size() const { return fields_.size(); }
  [[nodiscard]] bool empty() const { return fields_.empty(); }

  bool operator==(Headers const&) const = default;

 private:
  std::vector<Field> fields_;
};

/// One request, on either side. The server fills everything; the client reads method,
/// target, headers and body.
struct Request {
  std::string method = "GET";
  std::string target = "/";  ///< path and query as on the wire
  std::string path;          ///< target up to `?`, still percent-encoded
  std::string query;         ///< target after `?`, without it
  Headers headers;
  std::string body;
  std::string peer;                           ///< the client's address and port
  std::map<std::string, std::string> params;  ///< path parameters of the route, percent-decoded
  RequestTag tag = {};                        ///< see ServerOptions::request_ids
  /// What the body holds of the server's budget for bodies: given back with the last copy of the request, so
  /// drop the request where the body is not needed any more.
  std::shared_ptr<void const> body_claim = {};
};

struct Response {
  int status = 200;
  Headers headers;  ///< the server sets Connection, Content-Length and Date; `Connection: close` here closes
                    ///< after it
  std::string body;
};

[[nodiscard]] Response json(int status, boost::json::value const& value);
[[nodiscard]] Response text(int status, std::string body);

/// RFC 9457: `application/problem+json` with type about:blank. `title` names the kind, `detail` this
/// occurrence, and so does the member `error`, which clients of the Open Inference Protocol read: to them the
/// server's own 404 or 413 is an answer like the handler's.
[[nodiscard]] Response problem(int status, std::string title, std::string detail);

/// The standard reason phrase of a status, `"Unknown Status"` for one without.
[[nodiscard]] std::string_view reason_phrase(int status);

/// A query string (`a=1&b=x%20y`) as names and decoded values (`+` is a blank); no value where its
/// percent-encoding is broken.
[[nodiscard]] std::vector<std::pair<std::string, std::optional<std::string>>> query_pairs(
    std::string_view query);

/// The first value of `name` in a query string (`a=1&b=x%20y`), decoded (`+` is a blank);
/// none when absent or broken.
[[nodiscard]] std::optional<std::string> query_value(std::string_view query, std::string_view name);

/// The media type of a Content-Type value, lower-case, without parameters: `image/jpeg`.
[[nodiscard]] std::string media_type(std::string_view content_type);

/// A parameter of a header value, unquoted:
/// `header_parameter("multipart/form-data; boundary=x", "boundary")`.
[[nodiscard]] std::optional<std::string> header_parameter(std::string_view value, std::string_view name);

}  // namespace ei::http
