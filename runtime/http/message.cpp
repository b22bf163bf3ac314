#include "runtime/http/message.hpp"

#include <algorithm>
#include <array>

#include "runtime/core/encoding.hpp"
#include "runtime/core/json.hpp"
#include "runtime/http/text.hpp"

namespace ei::http {

std::optional<std::string_view> Headers::get(std::string_view name) const {
  for (Field const& field : fields_) {
    if (same_without_case(field.first, name)) return field.second;
  }
  return {};
}

void Headers::set(std::string name, std::string value) {
  remove(name);
  add(std::move(name), std::move(value));
}

void Headers::add(std::string name, std::string value) {
  fields_.emplace_back(std::move(name), std::move(value));
}

void Headers::remove(std::string_view name) {
  std::erase_if(fields_, [name](Field const& field) { return same_without_case(field.first, name); });
}

Response json(int status, boost::json::value const& value) {
  Response response;
  response.status = status;
  response.headers.set("Content-Type", "application/json");
  response.body = to_json_text(value);
  return response;
}

Response text(int status, std::string body) {
  Response response;
  response.status = status;
  response.headers.set("Content-Type", "text/plain; charset=utf-8");
  response.body = std::move(body);
  return response;
}

Response problem(int status, std::string title, std::string detail) {
  boost::json::object body;
  body["type"] = "about:blank";
  body["title"] = std::move(title);
  body["status"] = status;
  // A detail may quote what a client sent, and JSON must be UTF-8.
  body["detail"] = to_utf8(detail);
  body["error"] = body["detail"];
  Response response = json(status, body);
  response.headers.set("Content-Type", "application/problem+json");
  return response;
}

std::string_view reason_phrase(int status) {
  struct Reason {
    int status;
    std::string_view phrase;
  };
  // RFC 9110, section 15, and RFC 6585.
  static constexpr std::array kReasons{
      Reason{100, "Continue"},
      Reason{101, "Switching Protocols"},
      Reason{200, "OK"},
      Reason{201, "Created"},
      Reason{202, "Accepted"},
      Reason{204, "No Content"},
      Reason{206, "Partial Content"},
      Reason{301, "Moved Permanently"},
      Reason{302, "Found"},
      Reason{303, "See Other"},
      Reason{304, "Not Modified"},
      Reason{307, "Temporary Redirect"},
      Reason{308, "Permanent Redirect"},
      Reason{400, "Bad Request"},
      Reason{401, "Unauthorized"},
      Reason{403, "Forbidden"},
      Reason{404, "Not Found"},
      Reason{405, "Method Not Allowed"},
      Reason{406, "Not Acceptable"},
      Reason{408, "Request Timeout"},
      Reason{409, "Conflict"},
      Reason{410, "Gone"},
      Reason{411, "Length Required"},
      Reason{412, "Precondition Failed"},
      Reason{413, "Content Too Large"},
      Reason{415, "Unsupported Media Type"},
      Reason{416, "Range Not Satisfiable"},
      Reason{417, "Expectation Failed"},
      Reason{422, "Unprocessable Content"},
      Reason{426, "Upgrade Required"},
      Reason{429, "Too Many Requests"},
      Reason{431, "Request Header Fields Too Large"},
      Reason{500, "Internal Server Error"},
      Reason{501, "Not Implemented"},
      Reason{502, "Bad Gateway"},
      Reason{503, "Service Unavailable"},
      Reason{504, "Gateway Timeout"},
      Reason{505, "HTTP Version Not Supported"},
  };
  for (Reason const& reason : kReasons) {
    if (reason.status == status) return reason.phrase;
  }
  return "Unknown Status";
}

std::vector<std::pair<std::string, std::optional<std::string>>> query_pairs(std::string_view query) {
  std::vector<std::pair<std::string, std::optional<std::string>>> out;
  while (!query.empty()) {
    auto const end = query.find('&');
    auto const pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
    auto const equals = pair.find('=');
    std::string value(equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1));
    std::replace(value.begin(), value.end(), '+', ' ');
    auto decoded = percent_decode(value);
    if (pair.empty()) continue;
    out.emplace_back(pair.substr(0, equals), decoded ? std::optional(std::move(*decoded)) : std::nullopt);
  }
  return out;
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
  auto const pairs = query_pairs(query);
  auto const found =
      std::find_if(pairs.begin(), pairs.end(), [&](auto const& each) { return each.first == name; });
  return found == pairs.end() ? std::nullopt : found->second;
}

std::string media_type(std::string_view content_type) {
  std::string type(trim(content_type.substr(0, content_type.find(';'))));
  std::transform(type.begin(), type.end(), type.begin(), lower);
  return type;
}

namespace {

// The value at the front of `rest`, quoted or not, taken off it.
std::string take_parameter_value(std::string_view& rest) {
  std::string value;
  if (!rest.starts_with('"')) {
    auto const end = std::min(rest.find(';'), rest.size());
    value = trim(rest.substr(0, end));
    rest.remove_prefix(end);
    return value;
  }
  rest.remove_prefix(1);
  while (!rest.empty() && rest.front() != '"') {
    if (rest.front() == '\\' && rest.size() > 1) rest.remove_prefix(1);
    value += rest.front();
    rest.remove_prefix(1);
  }
  rest.remove_prefix(std::min(rest.find(';'), rest.size()));
  return value;
}

}  // namespace

std::optional<std::string> header_parameter(std::string_view value, std::string_view name) {
  auto rest = value.substr(std::min(value.find(';'), value.size()));
  while (rest.starts_with(';')) {
    rest.remove_prefix(1);
    auto const equals = rest.find_first_of("=;");
    if (equals == std::string_view::npos) return {};
    auto const key = trim(rest.substr(0, equals));
    bool const has_value = rest[equals] == '=';
    rest.remove_prefix(equals);
    if (!has_value) continue;
    rest.remove_prefix(1);
    std::string found = take_parameter_value(rest);
    if (same_without_case(key, name)) return found;
  }
  return {};
}

}  // namespace ei::http
