#include "operator/api/names.hpp"

#include <algorithm>
#include <string>

#include "operator/api/limits.hpp"

namespace ei::api {
namespace {

constexpr std::string_view kNoSecretShown =
    "without user info, signature or token, which whoever reads pods would see: put what follows '?' into a "
    "Secret and name it in uriQuerySecret or labelsQuerySecret";

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

// As Amazon, Google, Azure, CloudFront, GitLab and others call what opens a URL.
bool names_secret(std::string_view parameter) {
  auto const name = lower(parameter);
  for (std::string_view const part : {"signature", "token", "secret", "passw", "credential"}) {
    if (name.find(part) != name.npos) return true;
  }
  for (std::string_view const whole :
       {"sig", "auth", "authorization", "key", "apikey", "api_key", "api-key"}) {
    if (name == whole) return true;
  }
  return false;
}

}  // namespace

bool is_alnum(char c) {
  return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z');
}

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

bool shows_secret(std::string_view url) {
  if (!url.starts_with("https://")) return false;
  auto const host = url.substr(8, url.substr(8).find_first_of("/?#"));
  if (host.find('@') != host.npos) return true;
  auto const mark = url.find('?');
  for (auto rest = mark == url.npos ? std::string_view{} : url.substr(mark + 1); !rest.empty();) {
    auto const parameter = rest.substr(0, rest.find('&'));
    auto const equals = parameter.find('=');
    if (equals != parameter.npos && names_secret(parameter.substr(0, equals))) return true;
    rest.remove_prefix(std::min(parameter.size() + 1, rest.size()));
  }
  return false;
}

std::string_view model_uri_fault(std::string_view uri) {
  auto const colon = uri.find("://");
  auto const scheme = colon == uri.npos ? std::string_view{} : uri.substr(0, colon);
  auto const rest = colon == uri.npos ? std::string_view{} : uri.substr(colon + 3);
  if (!is_printable(uri)) return "a URI without blanks";
  if (shows_secret(uri)) return kNoSecretShown;
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
