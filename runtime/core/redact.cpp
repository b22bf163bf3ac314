#include "runtime/core/redact.hpp"

#include <algorithm>

namespace ei {
namespace {

constexpr std::string_view kHidden = "[redacted]";
constexpr auto kNone = std::string_view::npos;

bool is_scheme_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '-' ||
         c == '.';
}

/// How long the user info at the beginning of `rest` is, with its `@`; 0 when there is none.
std::size_t user_info_length(std::string_view rest) {
  auto const authority = rest.substr(0, rest.find_first_of("/\\"));
  if (auto const at = authority.rfind('@'); at != kNone) return at + 1;
  // A password with a slash in it looks like a host whose port is no number.
  auto const colon = authority.rfind(':');
  if (colon == kNone || authority.starts_with('[')) return 0;
  auto const port = authority.substr(colon + 1);
  bool const number = std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  auto const at = rest.rfind('@');
  return number || at == kNone ? 0 : at + 1;
}

}  // namespace

std::string display_url(std::string_view url) {
  if (url.starts_with("builtin://")) return std::string(url);
  auto const mark = url.find("://");
  auto const begin = mark == kNone ? (url.starts_with("//") ? 2 : 0) : mark + 3;
  auto const end = std::min(url.find_first_of("?#", begin), url.size());
  auto const rest = url.substr(begin, end - begin);
  std::string shown(url.substr(0, begin));
  auto const hidden = begin == 0 ? 0 : user_info_length(rest);
  if (hidden > 0) shown += std::string(kHidden) + "@";
  shown += rest.substr(hidden);
  if (end + 1 < url.size()) shown += url[end] + std::string(kHidden);
  return shown;
}

std::string redact_urls(std::string_view text) {
  std::string shown;
  while (true) {
    auto const mark = text.find("://");
    if (mark == kNone) return shown += text;
    auto begin = mark;
    while (begin > 0 && is_scheme_character(text[begin - 1])) --begin;
    auto const end = std::min(text.find_first_of(" \t\r\n\"<>", mark), text.size());
    shown += text.substr(0, begin);
    shown += display_url(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
}

}  // namespace ei
