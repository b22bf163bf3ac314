#include "runtime/http/parser.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "runtime/http/chunked.hpp"
#include "runtime/http/head.hpp"
#include "runtime/http/text.hpp"

namespace ei::http {
namespace {

constexpr std::uint64_t kUnbounded = std::numeric_limits<std::uint64_t>::max();

// How the end of a body is told, and what of it has come.
struct Body {
  enum class Framing { Length, Chunked, UntilClose };

  Result<std::size_t> feed(std::string_view input, HeadBudget& budget);
  [[nodiscard]] bool done() const {
    if (framing == Framing::Chunked) return chunks.done();
    return framing == Framing::Length && left == 0;
  }

  explicit Body(Folding folding) : chunks(folding) {}

  Framing framing = Framing::Length;
  std::uint64_t left = 0;  // of the announced length
  std::uint64_t room = 0;  // bytes that may still be taken
  ChunkedReader chunks;
  std::string bytes;
};

Result<std::size_t> Body::feed(std::string_view input, HeadBudget& budget) {
  if (framing == Framing::Chunked) return chunks.feed(input, bytes, room, budget);
  if (framing == Framing::Length && left > room) return http_fault(413, "the body is too large");
  auto const most = framing == Framing::Length ? left : room;
  auto const size = static_cast<std::size_t>(std::min<std::uint64_t>(most, input.size()));
  bytes.append(input.substr(0, size));
  if (framing == Framing::Length) left -= size;
  room -= size;
  return size;
}

// All values of a field that may come in several: `a, b` (RFC 9110, section 5.3).
std::string joined(Headers const& headers, std::string_view name) {
  std::string all;
  for (auto const& [key, value] : headers) {
    if (same_without_case(key, name)) all += (all.empty() ? "" : ", ") + value;
  }
  return all;
}

std::size_t count(Headers const& headers, std::string_view name) {
  return static_cast<std::size_t>(std::count_if(headers.begin(), headers.end(), [name](auto const& field) {
    return same_without_case(field.first, name);
  }));
}

// RFC 9110, section 8.6: digits, once. A number over 64 bits is a length too, and over every limit.
Result<std::optional<std::uint64_t>> content_length_of(Headers const& headers) {
  auto const value = headers.get("Content-Length");
  if (!value) return std::optional<std::uint64_t>{};
  std::uint64_t length = 0;
  bool const digits = !value->empty() && value->find_first_not_of("0123456789") == std::string_view::npos;
  if (!digits || count(headers, "Content-Length") > 1)
    return http_fault(400, "malformed HTTP: the Content-Length is not one number");
  auto const read = std::from_chars(value->data(), value->data() + value->size(), length);
  return std::optional<std::uint64_t>(read.ec == std::errc() ? length : kUnbounded);
}

bool wants_keep_alive(Headers const& headers, int version) {
  auto const connection = joined(headers, "Connection");
  return version == 10 ? has_token(connection, "keep-alive") : !has_token(connection, "close");
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// HTTP/1.1 → 11; 0 for what is none.
int version_of(std::string_view text) {
  bool const fits = text.size() == 8 && text.starts_with("HTTP/") && is_digit(text[5]) && text[6] == '.' &&
                    is_digit(text[7]);
  return fits ? (text[5] - '0') * 10 + (text[7] - '0') : 0;
}

// http://host/path → /path: the absolute form that proxies are sent (RFC 9112, section 3.2.2).
std::string_view origin_form(std::string_view target) {
  auto const scheme = target.find("://");
  if (target.starts_with('/') || scheme == std::string_view::npos) return target;
  auto const path = target.find_first_of("/?", scheme + 3);
  return path == std::string_view::npos ? std::string_view("/") : target.substr(path);
}

// A start line and the fields after it.
struct Head {
  explicit Head(Folding folding) : fields(folding) {}

  Result<std::size_t> feed(std::string_view input, HeadBudget& budget) {
    if (!start.complete()) return start.feed(input, budget.bytes);
    return fields.feed(input, budget);
  }
  [[nodiscard]] bool done() const { return fields.done(); }

  LineReader start;
  FieldReader fields;
};

}  // namespace

struct RequestParser::Impl {
  explicit Impl(std::size_t max_header) { budget.bytes = max_header; }

  Result<std::size_t> feed_head(std::string_view input);
  Result<void> take_line();
  Result<void> take_fields();
  // May be called again: the body is moved once.
  void end_body() {
    if (request.body.empty()) request.body = std::move(body.bytes);
  }

  HeadBudget budget;
  Head head{Folding::Refuse};
  Body body{Folding::Refuse};
  int version = 0;
  bool keep_alive = false;
  std::optional<std::uint64_t> length;
  Request request;
};

Result<std::size_t> RequestParser::Impl::feed_head(std::string_view input) {
  std::size_t used = 0;
  while (used < input.size() && !head.done()) {
    bool const in_line = !head.start.complete();
    auto const taken = head.feed(input.substr(used), budget);
    if (!taken) return taken.error();
    used += *taken;
    if (!in_line || !head.start.complete()) continue;
    if (head.start.line().empty()) {
      head.start.restart();
    } else if (auto read = take_line(); !read) {
      return read.error();
    }
  }
  if (head.done()) {
    if (auto read = take_fields(); !read) return read.error();
  }
  return used;
}

// `METHOD target HTTP/1.1`, with one blank between each.
Result<void> RequestParser::Impl::take_line() {
  auto const line = head.start.line();
  auto const first = line.find(' ');
  auto const last = line.rfind(' ');
  Error const malformed = http_fault(400, "malformed HTTP: no request line");
  if (first == std::string_view::npos || first == last) return malformed;
  auto const method = line.substr(0, first);
  auto const target = line.substr(first + 1, last - first - 1);
  version = version_of(line.substr(last + 1));
  if (!is_token(method) || target.empty() || target.find_first_of(" \t") != std::string_view::npos ||
      version == 0)
    return malformed;
  if (version != 10 && version != 11) return http_fault(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  request.method = method;
  request.target = target;
  auto const form = origin_form(request.target);
  auto const question = form.find('?');
  request.path = form.substr(0, question);
  if (question != std::string_view::npos) request.query = form.substr(question + 1);
  return boost::system::in_place_value;
}

Result<void> RequestParser::Impl::take_fields() {
  request.headers = head.fields.take();
  auto const& headers = request.headers;
  // RFC 9112, section 3.2: 400 without exactly one Host.
  auto const hosts = count(headers, "Host");
  if (hosts > 1 || (hosts == 0 && version == 11)) return http_fault(400, "exactly one Host field is needed");
  auto const announced = content_length_of(headers);
  if (!announced) return announced.error();
  length = *announced;
  auto const codings = count(headers, "Transfer-Encoding");
  if (codings > 0 && length)
    return http_fault(400, "malformed HTTP: a Content-Length and a Transfer-Encoding");
  if (codings > 0) {
    // Section 6.1: a coding that is not known is a 501; more than "chunked" is not.
    bool const chunked = same_without_case(*headers.get("Transfer-Encoding"), "chunked");
    if (codings > 1 || !chunked || version == 10)
      return http_fault(501, "the only transfer coding known here is chunked");
    body.framing = Body::Framing::Chunked;
  }
  body.left = length.value_or(0);
  keep_alive = wants_keep_alive(headers, version);
  return boost::system::in_place_value;
}

RequestParser::RequestParser(std::size_t max_header) : impl_(std::make_unique<Impl>(max_header)) {}
RequestParser::~RequestParser() = default;
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;

Result<std::size_t> RequestParser::feed(std::string_view input) {
  if (!header_done()) return impl_->feed_head(input);
  auto const used = impl_->body.feed(input, impl_->budget);
  if (used && done()) impl_->end_body();
  return used;
}

bool RequestParser::begun() const {
  return impl_->head.start.complete() || !impl_->head.start.empty();
}
bool RequestParser::header_done() const {
  return impl_->head.done();
}
bool RequestParser::done() const {
  return header_done() && impl_->body.done();
}
Request& RequestParser::request() {
  return impl_->request;
}
bool RequestParser::keep_alive() const {
  return impl_->keep_alive;
}
bool RequestParser::http_1_0() const {
  return impl_->version == 10;
}

bool RequestParser::expects_body() const {
  return impl_->body.framing == Body::Framing::Chunked || content_length().value_or(0) > 0;
}

std::optional<std::uint64_t> RequestParser::content_length() const {
  return impl_->length;
}

Result<void> RequestParser::allow_body(std::size_t max_body) {
  auto& body = impl_->body;
  if (content_length().value_or(0) > max_body) {
    return http_fault(413, "the body has " + std::to_string(*content_length()) + " bytes, at most " +
                               std::to_string(max_body) + " are taken");
  }
  body.room = max_body;
  // Pages that are never written to cost nothing, and growing step by step would hold the bytes twice.
  body.bytes.reserve(body.left);
  return boost::system::in_place_value;
}

std::size_t RequestParser::body_memory(std::size_t more) const {
  if (impl_->length) return *impl_->length;
  return expects_body() ? 2 * (impl_->body.bytes.size() + more) : 0;
}

std::size_t RequestParser::body_left() const {
  // At most the room, as allow_body() has refused more.
  return impl_->body.framing == Body::Framing::Length ? static_cast<std::size_t>(impl_->body.left) : 0;
}

std::string& RequestParser::body() {
  return impl_->body.bytes;
}

void RequestParser::body_grew(std::size_t size) {
  auto& body = impl_->body;
  body.left -= size;
  body.room -= size;
  if (done()) impl_->end_body();
}

struct ResponseParser::Impl {
  Impl(std::size_t max_header, bool head_only) : answers_head(head_only) { budget.bytes = max_header; }

  Result<std::size_t> feed(std::string_view input);
  Result<void> take_line();
  Result<void> take_head();
  [[nodiscard]] bool done() const { return head_taken && body.done(); }

  HeadBudget budget;
  bool answers_head;
  Head head{Folding::Join};
  Body body{Folding::Join};
  int version = 0;
  bool head_taken = false;  // of the answer itself, not of an interim one
  bool keep_alive = false;
  Response response;
};

// `HTTP/1.1 200 OK`; the reason may be missing, and its blank with it.
Result<void> ResponseParser::Impl::take_line() {
  auto const line = head.start.line();
  version = version_of(line.substr(0, 8));
  bool const fits = line.size() >= 12 && line[8] == ' ' && line[9] >= '1' && line[9] <= '9' &&
                    is_digit(line[10]) && is_digit(line[11]) && (line.size() == 12 || line[12] == ' ');
  if (!fits || (version != 10 && version != 11)) return http_fault(400, "malformed HTTP: no status line");
  response.status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  return boost::system::in_place_value;
}

// RFC 9112, section 6.3.
Result<void> ResponseParser::Impl::take_head() {
  auto headers = head.fields.take();
  int const status = response.status;
  if (status < 200 && status != 101) {
    head = Head(Folding::Join);
    return boost::system::in_place_value;
  }
  response.headers = std::move(headers);
  head_taken = true;
  keep_alive = wants_keep_alive(response.headers, version);
  body.room = kUnbounded;
  if (answers_head || status == 101 || status == 204 || status == 304) return boost::system::in_place_value;
  auto const length = content_length_of(response.headers);
  if (!length) return length.error();
  if (response.headers.get("Transfer-Encoding")) {
    bool const chunked = same_without_case(joined(response.headers, "Transfer-Encoding"), "chunked");
    if (!chunked || *length) return http_fault(400, "malformed HTTP: another Transfer-Encoding than chunked");
    body.framing = Body::Framing::Chunked;
  } else if (*length) {
    body.left = **length;
  } else {
    body.framing = Body::Framing::UntilClose;
    keep_alive = false;
  }
  return boost::system::in_place_value;
}

Result<std::size_t> ResponseParser::Impl::feed(std::string_view input) {
  std::size_t used = 0;
  while (used < input.size() && !done()) {
    auto const rest = input.substr(used);
    bool const in_line = !head.start.complete();
    auto const taken = head_taken ? body.feed(rest, budget) : head.feed(rest, budget);
    if (!taken) return taken.error();
    used += *taken;
    if (head_taken) continue;
    Result<void> read(boost::system::in_place_value);
    if (in_line && head.start.complete()) read = take_line();
    if (head.done()) read = take_head();
    if (!read) return read.error();
  }
  return used;
}

ResponseParser::ResponseParser(std::size_t max_header, bool answers_head)
    : impl_(std::make_unique<Impl>(max_header, answers_head)) {}
ResponseParser::~ResponseParser() = default;
ResponseParser::ResponseParser(ResponseParser&&) noexcept = default;
ResponseParser& ResponseParser::operator=(ResponseParser&&) noexcept = default;

Result<std::size_t> ResponseParser::feed(std::string_view input) {
  auto const used = impl_->feed(input);
  if (!used) return make_error(ErrorKind::Protocol, "the answer cannot be read: " + used.error().message);
  return used;
}

Result<void> ResponseParser::feed_end() {
  if (done()) return boost::system::in_place_value;
  if (!impl_->head_taken || impl_->body.framing != Body::Framing::UntilClose)
    return make_error(ErrorKind::Unavailable, "the connection was closed before the answer's end");
  impl_->body.framing = Body::Framing::Length;  // what has come is all
  return boost::system::in_place_value;
}

bool ResponseParser::header_done() const {
  return impl_->head_taken;
}
bool ResponseParser::done() const {
  return impl_->done();
}
bool ResponseParser::keep_alive() const {
  return impl_->keep_alive;
}
Response const& ResponseParser::response() const {
  return impl_->response;
}
std::string ResponseParser::take_body() {
  return std::exchange(impl_->body.bytes, {});
}
std::size_t ResponseParser::body_waiting() const {
  return impl_->body.bytes.size();
}

}  // namespace ei::http
