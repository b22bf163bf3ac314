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

}  // namespace ei::api
