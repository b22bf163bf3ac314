#include "operator/api/names.hpp"

#include <algorithm>

#include "operator/api/limits.hpp"

namespace ei::api {
namespace {

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_alnum(char c) {
  return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z');
}

}  // namespace

bool is_dns_label(std::string_view text, bool digit_first) {
  if (text.empty() || !(is_lower(text.front()) || (digit_first && is_digit(text.front())))) return false;
  if (text.back() == '-') return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
}

bool is_dns_subdomain(std::string_view text) {
  if (text.size() > kMaxSecretNameLength) return false;
  for (;;) {
    auto const dot = text.find('.');
    if (!is_dns_label(text.substr(0, dot), true)) return false;
    if (dot == text.npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_model_name(std::string_view text) {
  if (text.empty() || text.size() > kMaxModelNameLength) return false;
  if (!is_alnum(text.front()) || !is_alnum(text.back())) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > ' ' && c != 0x7f; });
}

std::string_view model_uri_fault(std::string_view uri) {
  auto const colon = uri.find("://");
  auto const scheme = colon == uri.npos ? std::string_view{} : uri.substr(0, colon);
  auto const rest = colon == uri.npos ? std::string_view{} : uri.substr(colon + 3);
  if (!is_printable(uri)) return "a URI without blanks";
  if (scheme == "https") return rest.empty() || rest.front() == '/' ? "https://host/path" : "";
  if (scheme == "file") return rest.size() < 2 || rest.front() != '/' ? "file:///absolute/path" : "";
  if (scheme == "builtin") return rest.empty() ? "builtin://name" : "";
  if (scheme == "pvc") {
    auto const slash = rest.find('/');
    bool const whole =
        slash != rest.npos && slash + 1 < rest.size() && is_dns_label(rest.substr(0, slash), true);
    return whole ? "" : "pvc://claim/path";
  }
  return "a URI that starts with https://, file://, pvc:// or builtin://";
}

}  // namespace ei::api
