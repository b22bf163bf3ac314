#include "runtime/trace/settings.hpp"

#include <algorithm>
#include <array>

#include "runtime/core/encoding.hpp"
#include "runtime/http/head.hpp"
#include "runtime/http/text.hpp"

namespace ei::trace {
namespace {

// What the exporter and its client set, and what would change how the request is framed.
constexpr std::array<std::string_view, 6> kOwn = {"content-type", "content-length",    "content-encoding",
                                                  "host",         "transfer-encoding", "connection"};

// RFC 9110, section 5.5, of ASCII alone.
bool is_header_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '\t' || (c >= ' ' && c <= '~'); });
}

Error bad_pair(std::size_t number, std::string_view fault) {
  return make_error(ErrorKind::Invalid,
                    "its part " + std::to_string(number) + ' ' + std::string(fault) +
                        "; allowed: NAME=VALUE,NAME=VALUE with values percent-encoded, such as a=b%20c");
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

template <class Check>  // std::string_view(name, value): the fault, or ""
Result<Pairs> parse_pairs(std::string_view text, Check fault_of) {
  Pairs out;
  for (std::size_t number = 1; !text.empty(); ++number) {
    auto const part = http::trim(text.substr(0, text.find(',')));
    text.remove_prefix(std::min(text.size(), text.find(',') == text.npos ? text.size() : text.find(',') + 1));
    if (part.empty()) continue;
    auto const equals = part.find('=');
    if (equals == part.npos) return bad_pair(number, "has no '='");
    auto value = percent_decode(http::trim(part.substr(equals + 1)));
    if (!value) return bad_pair(number, "is not percent-encoded");
    std::string name(http::trim(part.substr(0, equals)));
    if (std::string_view const fault = fault_of(name, *value); !fault.empty()) return bad_pair(number, fault);
    out.emplace_back(std::move(name), std::move(*value));
  }
  return out;
}

}  // namespace

Result<http::Url> traces_url(std::string_view endpoint) {
  while (endpoint.ends_with('/')) endpoint.remove_suffix(1);
  auto url = http::parse_url(endpoint);
  bool const fine =
      url && (url->scheme == "http" || url->scheme == "https") && url->target.find('?') == std::string::npos;
  if (!fine) {
    return make_error(ErrorKind::Invalid, "is '" + std::string(endpoint) +
                                              "'; allowed: http://HOST[:PORT][/PATH] or https://, where a "
                                              "collector takes OTLP/HTTP, mostly port 4318");
  }
  if (url->target == "/") url->target.clear();
  url->target += "/v1/traces";
  return url;
}

Result<http::Headers> parse_headers(std::string_view text) {
  auto const pairs = parse_pairs(text, [](std::string const& name, std::string const& value) {
    if (!http::is_token(name)) return std::string_view("has a name that no header can have");
    auto const is_named = [&](std::string_view own) { return http::same_without_case(own, name); };
    if (std::any_of(kOwn.begin(), kOwn.end(), is_named))
      return std::string_view("names a header that is set here already");
    return std::string_view(is_header_value(value) ? "" : "has a value that no header can have");
  });
  if (!pairs) return pairs.error();
  http::Headers out;
  for (auto const& [name, value] : *pairs) out.add(name, value);
  return out;
}

Result<Attributes> parse_attributes(std::string_view text) {
  auto pairs = parse_pairs(text, [](std::string const& name, std::string const& value) {
    if (name.empty()) return std::string_view("has no name");
    return std::string_view(is_utf8(name) && is_utf8(value) ? "" : "is no UTF-8");
  });
  if (!pairs) return pairs.error();
  return Attributes(std::make_move_iterator(pairs->begin()), std::make_move_iterator(pairs->end()));
}

}  // namespace ei::trace
