#include "runtime/http/parser.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <limits>

#include "runtime/http/text.hpp"

namespace ei::http {
namespace {

namespace beast_http = boost::beast::http;
using beast_http::error;
using boost::beast::error_code;
using View = boost::beast::string_view;

// Longest run of bytes without progress inside a body (a chunk's size line with its extensions, or one
// trailer).
constexpr std::size_t kMaxChunkLine = 4096;
// Reserved ahead of a body's arrival; a client that only announces many bytes costs no more.
constexpr std::size_t kFirstReserve = 256 * 1024;

std::string to_std(View view) {
  return {view.data(), view.size()};
}

// What both directions share: fields of the header kept, those of trailers dropped, the body appended under a
// cap.
template <bool is_request>
class Parser : public beast_http::basic_parser<is_request> {
 public:
  explicit Parser(std::size_t max_header) {
    // Beast's limit counts the line and the fields; its check of bodies comes too early for a limit per
    // route.
    this->header_limit(static_cast<std::uint32_t>(max_header));
    this->body_limit(boost::none);
  }

  Headers headers;
  std::string body;
  std::size_t max_body = 0;
  std::size_t body_seen = 0;
  std::string method;
  std::string target;
  int status = 0;
  int version = 11;

 private:
  void on_request_impl(beast_http::verb, View method_text, View target_text, int parsed_version,
                       error_code&) override {
    method = to_std(method_text);
    target = to_std(target_text);
    version = parsed_version;
  }
  void on_response_impl(int parsed_status, View, int parsed_version, error_code&) override {
    status = parsed_status;
    version = parsed_version;
  }
  void on_field_impl(beast_http::field, View name, View value, error_code&) override {
    if (!this->is_header_done()) headers.add(to_std(name), to_std(value));
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const& length, error_code&) override {
    if (is_request && length) body.reserve(std::min<std::size_t>(*length, kFirstReserve));
  }
  std::size_t append(View bytes, error_code& code) {
    if (bytes.size() > max_body - body_seen) {
      code = error::body_limit;
      return 0;
    }
    body_seen += bytes.size();
    body.append(bytes.data(), bytes.size());
    return bytes.size();
  }
  std::size_t on_body_impl(View bytes, error_code& code) override { return append(bytes, code); }
  void on_chunk_header_impl(std::uint64_t size, View, error_code& code) override {
    if (size > max_body - body_seen) code = error::body_limit;
  }
  std::size_t on_chunk_body_impl(std::uint64_t, View bytes, error_code& code) override {
    return append(bytes, code);
  }
  void on_finish_impl(error_code&) override {}
};

Error fault(int status, std::string detail) {
  Error out = make_error(ErrorKind::Protocol, std::move(detail));
  out.http_status = status;
  return out;
}

Error fault_of(error_code const& code) {
  if (code == error::header_limit) return fault(431, "the request line and header fields are too large");
  if (code == error::body_limit) return fault(413, "the body is too large");
  if (code == error::bad_version) return fault(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  return fault(400, "malformed HTTP: " + code.message());
}

// http://host/path → /path: the absolute form that proxies are sent (RFC 9112, section 3.2.2).
std::string_view origin_form(std::string_view target) {
  auto const scheme = target.find("://");
  if (target.starts_with('/') || scheme == std::string_view::npos) return target;
  auto const path = target.find_first_of("/?", scheme + 3);
  return path == std::string_view::npos ? std::string_view("/") : target.substr(path);
}

}  // namespace

struct RequestParser::Impl {
  explicit Impl(std::size_t max_header) : parser(max_header) {}

  Result<void> check_header();

  Parser<true> parser;
  Request request;
};

// What Beast lets through and a server must not.
Result<void> RequestParser::Impl::check_header() {
  if (parser.version != 10 && parser.version != 11) return fault_of(error::bad_version);
  std::size_t hosts = 0;
  std::size_t encodings = 0;
  for (auto const& [name, value] : parser.headers) {
    if (same_without_case(name, "Host")) ++hosts;
    if (same_without_case(name, "Transfer-Encoding")) ++encodings;
  }
  // RFC 9112, section 3.2: 400 without exactly one Host.
  if (hosts > 1 || (hosts == 0 && parser.version == 11))
    return fault(400, "exactly one Host field is needed");
  // Section 6.1: a coding that is not known is a 501; more than "chunked" is not.
  if (encodings > 0) {
    auto const coding = trim(*parser.headers.get("Transfer-Encoding"));
    if (encodings > 1 || !same_without_case(coding, "chunked") || parser.version == 10) {
      return fault(501, "the only transfer coding known here is chunked");
    }
  }
  request.method = std::move(parser.method);
  request.target = std::move(parser.target);
  request.headers = std::move(parser.headers);
  auto const form = origin_form(request.target);
  auto const question = form.find('?');
  request.path = form.substr(0, question);
  if (question != std::string_view::npos) request.query = form.substr(question + 1);
  return boost::system::in_place_value;
}

RequestParser::RequestParser(std::size_t max_header) : impl_(std::make_unique<Impl>(max_header)) {}
RequestParser::~RequestParser() = default;
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;

Result<std::size_t> RequestParser::feed(std::string_view input) {
  auto& parser = impl_->parser;
  bool const in_body = parser.is_header_done();
  error_code code;
  std::size_t const used = parser.put(boost::asio::const_buffer(input.data(), input.size()), code);
  if (code == error::need_more) {
    code = {};
    if (in_body && used == 0 && input.size() > kMaxChunkLine)
      return fault(400, "a chunk's header is too long");
  }
  if (code) return fault_of(code);
  if (!in_body && parser.is_header_done()) {
    if (auto checked = impl_->check_header(); !checked) return checked.error();
  }
  if (parser.is_done()) impl_->request.body = std::move(parser.body);
  return used;
}

bool RequestParser::header_done() const {
  return impl_->parser.is_header_done();
}
bool RequestParser::done() const {
  return impl_->parser.is_done();
}
Request& RequestParser::request() {
  return impl_->request;
}
bool RequestParser::keep_alive() const {
  return impl_->parser.keep_alive();
}
bool RequestParser::http_1_0() const {
  return impl_->parser.version == 10;
}

bool RequestParser::expects_body() const {
  return impl_->parser.chunked() || content_length().value_or(0) > 0;
}

std::optional<std::uint64_t> RequestParser::content_length() const {
  auto const length = impl_->parser.content_length();
  if (!length) return {};
  return *length;
}

Result<void> RequestParser::allow_body(std::size_t max_body) {
  if (content_length().value_or(0) > max_body) {
    return fault(413, "the body has " + std::to_string(*content_length()) + " bytes, at most " +
                          std::to_string(max_body) + " are taken");
  }
  impl_->parser.max_body = max_body;
  impl_->parser.eager(true);
  return boost::system::in_place_value;
}

struct ResponseParser::Impl {
  Impl(std::size_t header_limit, bool head) : max_header(header_limit), answers_head(head) { restart(); }

  void restart() {
    parser.emplace(max_header);
    parser->max_body = std::numeric_limits<std::size_t>::max();
    parser->eager(true);
    parser->skip(answers_head);
    header_taken = false;
  }
  void take_header() {
    if (header_taken || !parser->is_header_done()) return;
    header_taken = true;
    response.status = parser->status;
    response.headers = std::move(parser->headers);
  }
  [[nodiscard]] bool interim() const {
    return parser->is_done() && parser->status >= 100 && parser->status < 200 && parser->status != 101;
  }

  std::size_t max_header;
  bool answers_head;
  std::optional<Parser<false>> parser;
  bool header_taken = false;
  Response response;
};

ResponseParser::ResponseParser(std::size_t max_header, bool answers_head)
    : impl_(std::make_unique<Impl>(max_header, answers_head)) {}
ResponseParser::~ResponseParser() = default;
ResponseParser::ResponseParser(ResponseParser&&) noexcept = default;
ResponseParser& ResponseParser::operator=(ResponseParser&&) noexcept = default;

Result<std::size_t> ResponseParser::feed(std::string_view input) {
  auto& parser = *impl_->parser;
  bool const in_body = parser.is_header_done();
  error_code code;
  std::size_t const used = parser.put(boost::asio::const_buffer(input.data(), input.size()), code);
  if (code == error::need_more) {
    code = {};
    if (in_body && used == 0 && input.size() > kMaxChunkLine) {
      return make_error(ErrorKind::Protocol, "malformed answer: a chunk's header is too long");
    }
  }
  if (code) return make_error(ErrorKind::Protocol, "malformed answer: " + code.message());
  if (impl_->interim()) {
    impl_->restart();
  } else {
    impl_->take_header();
  }
  return used;
}

Result<void> ResponseParser::feed_end() {
  auto& parser = *impl_->parser;
  if (parser.is_done()) return boost::system::in_place_value;
  error_code code;
  // Beast asserts that something was read before the end.
  if (parser.got_some()) parser.put_eof(code);
  if (!parser.got_some() || code) {
    return make_error(ErrorKind::Unavailable, "the connection was closed before the answer's end");
  }
  impl_->take_header();
  return boost::system::in_place_value;
}

bool ResponseParser::header_done() const {
  return impl_->header_taken;
}
bool ResponseParser::done() const {
  return impl_->header_taken && impl_->parser->is_done();
}
bool ResponseParser::keep_alive() const {
  return impl_->parser->keep_alive() && !impl_->parser->need_eof();
}
Response const& ResponseParser::response() const {
  return impl_->response;
}
std::string ResponseParser::take_body() {
  return std::exchange(impl_->parser->body, {});
}
std::size_t ResponseParser::body_waiting() const {
  return impl_->parser->body.size();
}

}  // namespace ei::http
