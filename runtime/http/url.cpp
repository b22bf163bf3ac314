#include "runtime/http/url.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "runtime/core/redact.hpp"
#include "runtime/http/text.hpp"

namespace ei::http {
namespace {

std::optional<std::uint16_t> default_port(std::string_view scheme) {
  if (scheme == "http" || scheme == "ws") return std::uint16_t{80};
  if (scheme == "https" || scheme == "wss") return std::uint16_t{443};
  return {};
}

Error invalid(std::string_view why, std::string_view text) {
  return make_error(ErrorKind::Invalid,
                    std::string(why) + ", got \"" + display_url(text).substr(0, 200) + "\"");
}

// host, host:port, [v6] or [v6]:port into `url`; false when malformed.
bool read_authority(std::string_view authority, Url& url) {
  std::string_view port;
  if (authority.starts_with('[')) {
    auto const close = authority.find(']');
    if (close == std::string_view::npos) return false;
    url.host = authority.substr(1, close - 1);
    // Brackets are for IPv6 alone; without a colon the host would be written without them.
    if (url.host.find(':') == std::string::npos) return false;
    port = authority.substr(close + 1);
  } else {
    auto const colon = authority.find(':');
    url.host = authority.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view{} : authority.substr(colon);
  }
  if (url.host.empty() || url.host.find_first_of("[]") != std::string::npos) return false;
  if (port.empty() || port == ":") return port.empty();
  if (port.front() != ':') return false;
  port.remove_prefix(1);
  auto const read = std::from_chars(port.data(), port.data() + port.size(), url.port);
  return read.ec == std::errc() && read.ptr == port.data() + port.size() && url.port != 0;
}

}  // namespace

std::string Url::authority() const {
  std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (default_port(scheme) != port) out += ":" + std::to_string(port);
  return out;
}

std::string Url::to_string() const {
  return scheme + "://" + authority() + target;
}

Result<Url> parse_url(std::string_view text) {
  bool const printable = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (!printable) return make_error(ErrorKind::Invalid, "a URL without blanks or control characters");
  auto const colon = text.find("://");
  if (colon == std::string_view::npos) return invalid("a URL such as http://host:8001/path", text);
  Url url;
  url.scheme = text.substr(0, colon);
  std::transform(url.scheme.begin(), url.scheme.end(), url.scheme.begin(), lower);
  auto const port = default_port(url.scheme);
  if (!port) return invalid("a URL of http, https, ws or wss", text);
  url.port = *port;
  auto rest = text.substr(colon + 3);
  rest = rest.substr(0, rest.find('#'));
  auto const end = std::min(rest.find_first_of("/?"), rest.size());
  auto const authority = rest.substr(0, end);
  if (authority.find('@') != std::string_view::npos)
    return make_error(ErrorKind::Invalid, "a URL without user info");
  if (!read_authority(authority, url)) return invalid("a URL with a host and a port from 1 to 65535", text);
  rest.remove_prefix(end);
  url.target = rest.starts_with('/') ? std::string(rest) : "/" + std::string(rest);
  return url;
}

Result<Url> resolve_url(Url const& base, std::string_view reference) {
  if (reference.find("://") != std::string_view::npos) return parse_url(reference);
  if (reference.starts_with("//")) return parse_url(base.scheme + ":" + std::string(reference));
  std::string target;
  if (reference.starts_with('/')) {
    target = reference;
  } else {
    auto const path = base.target.substr(0, base.target.find('?'));
    target = path.substr(0, path.rfind('/') + 1) + std::string(reference);
  }
  Url whole = base;
  whole.target.clear();
  return parse_url(whole.to_string() + target);
}

}  // namespace ei::http
