#include "runtime/core/origin.hpp"

#include <algorithm>

namespace ei {
namespace {

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_scheme(std::string_view text) {
  return !text.empty() && is_lower(text.front()) && std::all_of(text.begin(), text.end(), [](char c) {
    return is_lower(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
}

bool is_host(std::string_view text) {
  if (text.starts_with('[')) {
    return text.size() > 2 && text.ends_with(']') &&
           std::all_of(text.begin() + 1, text.end() - 1,
                       [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || c == ':' || c == '.'; });
  }
  auto const inner = [](char c) { return is_lower(c) || is_digit(c) || c == '.' || c == '-' || c == '_'; };
  auto const edge = [](char c) { return is_lower(c) || is_digit(c); };
  return !text.empty() && edge(text.front()) && edge(text.back()) &&
         std::all_of(text.begin(), text.end(), inner);
}

bool is_port(std::string_view text, std::string_view scheme) {
  if (text.empty() || text.size() > 5 || text.front() == '0' ||
      !std::all_of(text.begin(), text.end(), is_digit))
    return false;
  int port = 0;
  for (char const c : text) port = port * 10 + (c - '0');
  return port <= 65'535 && !(scheme == "http" && port == 80) && !(scheme == "https" && port == 443);
}

}  // namespace

bool is_web_origin(std::string_view text) {
  auto const end = text.find("://");
  if (text.size() > kMaxOriginLength || end == std::string_view::npos) return false;
  auto const scheme = text.substr(0, end);
  auto host = text.substr(end + 3);
  // The colons of an IPv6 address stand within its brackets.
  auto const colon = host.find(':', host.starts_with('[') ? std::min(host.find(']'), host.size()) : 0);
  if (colon != std::string_view::npos) {
    if (!is_port(host.substr(colon + 1), scheme)) return false;
    host = host.substr(0, colon);
  }
  return is_scheme(scheme) && is_host(host);
}

}  // namespace ei
