#include "dispatcher/contract/form/multipart.hpp"

#include <algorithm>

#include "runtime/http/message.hpp"
#include "runtime/http/text.hpp"

namespace ei::dispatcher {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

Error bad(std::string message) {
  return make_error(ErrorKind::Invalid, "multipart/form-data: " + std::move(message));
}

// A delimiter line: where its line begins (the CRLF before it belongs to it), where the next line begins, and
// whether it is the last ("--boundary--").
struct Delimiter {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool last = false;
};

// The first delimiter at or after `from`; "--boundary" followed by anything else is data.
std::optional<Delimiter> find_delimiter(std::string_view body, std::string_view dashes, std::size_t from) {
  std::size_t at = from;
  for (;;) {
    at = body.find(dashes, at);
    if (at == std::string_view::npos) return std::nullopt;
    bool const at_line = at == 0 || (at >= from + 2 && body.substr(at - 2, 2) == kLineEnd);
    std::size_t end = at + dashes.size();
    if (at_line && body.substr(end, 2) == "--") return Delimiter{at == 0 ? 0 : at - 2, end + 2, true};
    while (end < body.size() && (body[end] == ' ' || body[end] == '\t')) ++end;
    if (at_line && body.substr(end, 2) == kLineEnd) return Delimiter{at == 0 ? 0 : at - 2, end + 2, false};
    at += 2;  // the dashes themselves cannot begin a delimiter again before this
  }
}

Result<Part> read_headers(std::string_view headers, std::string_view where) {
  Part part;
  bool named = false;
  while (!headers.empty()) {
    auto const line_end = headers.find(kLineEnd);
    std::string_view const line = headers.substr(0, line_end);
    headers.remove_prefix(line_end == std::string_view::npos ? headers.size() : line_end + 2);
    // Without this a quoted CR LF could stand in a part's name.
    if (std::any_of(line.begin(), line.end(), http::is_control))
      return bad(std::string(where) + " has a control character in its headers");
    auto const colon = line.find(':');
    if (colon == std::string_view::npos)
      return bad(std::string(where) + " has a header line without a colon");
    std::string_view const name = http::trim(line.substr(0, colon));
    std::string_view const value = http::trim(line.substr(colon + 1));
    if (http::same_without_case(name, "Content-Type")) part.content_type = http::media_type(value);
    if (http::same_without_case(name, "Content-Disposition")) {
      auto const field = http::header_parameter(value, "name");
      if (http::media_type(value) != "form-data" || !field) {
        return bad(std::string(where) + "'s Content-Disposition is no form-data with a name");
      }
      part.name = *field;
      part.filename = http::header_parameter(value, "filename");
      named = true;
    }
  }
  if (!named) return bad(std::string(where) + " has no Content-Disposition");
  return part;
}

}  // namespace

Result<std::vector<Part>> parse_multipart(std::string_view body, std::string_view boundary) {
  if (boundary.empty() || boundary.size() > kMaxBoundaryBytes) {
    return bad("the boundary has " + std::to_string(boundary.size()) + " characters; allowed: 1 to " +
               std::to_string(kMaxBoundaryBytes));
  }
  std::string const dashes = "--" + std::string(boundary);
  auto delimiter = find_delimiter(body, dashes, 0);
  if (!delimiter) return bad("no line of the body is the boundary");
  std::vector<Part> parts;
  while (!delimiter->last) {
    std::string const where = "part " + std::to_string(parts.size() + 1);
    if (parts.size() == kMaxParts) return bad("more than " + std::to_string(kMaxParts) + " parts");
    // Its headers end with an empty line, which is the first line where it has none.
    std::string_view const rest = body.substr(delimiter->end);
    bool const no_headers = rest.starts_with(kLineEnd);
    auto const blank = no_headers ? 0 : rest.substr(0, kMaxPartHeaderBytes).find("\r\n\r\n");
    if (blank == std::string_view::npos) {
      return bad(where + "'s headers do not end within " + std::to_string(kMaxPartHeaderBytes) + " bytes");
    }
    auto part = read_headers(rest.substr(0, blank), where);
    if (!part) return part.error();
    // The empty line's own CRLF may be the one before the next delimiter, in a part without data.
    std::size_t const data = delimiter->end + blank + (no_headers ? 2 : 4);
    auto const next = find_delimiter(body, dashes, data - 2);
    if (!next) return bad(where + " is not closed by the boundary");
    part->data = body.substr(data, next->begin > data ? next->begin - data : 0);
    parts.push_back(std::move(*part));
    delimiter = next;
  }
  return parts;
}

}  // namespace ei::dispatcher
