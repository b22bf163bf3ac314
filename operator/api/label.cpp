#include "operator/api/label.hpp"

#include <algorithm>

#include "operator/api/names.hpp"

namespace ei::api {
namespace {

// k8s.io/apimachinery/pkg/util/validation: qualifiedNameMaxLength, DNS1123SubdomainMaxLength.
constexpr std::size_t kMaxPart = 63;
constexpr std::size_t kMaxPrefix = 253;

bool is_lower_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_name_part(std::string_view text) {
  if (text.empty() || text.size() > kMaxPart || !is_alnum(text.front()) || !is_alnum(text.back()))
    return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

/// Parts between dots, each of lower-case letters, digits and `-`, with a letter or digit at both ends.
bool is_dns_name(std::string_view text) {
  if (text.size() > kMaxPrefix) return false;
  while (true) {
    auto const dot = text.find('.');
    auto const part = text.substr(0, dot);
    if (part.empty() || !is_lower_alnum(part.front()) || !is_lower_alnum(part.back())) return false;
    if (!std::all_of(part.begin(), part.end(), [](char c) { return is_lower_alnum(c) || c == '-'; }))
      return false;
    if (dot == text.npos) return true;
    text.remove_prefix(dot + 1);
  }
}

}  // namespace

bool is_label_name(std::string_view text) {
  auto const slash = text.find('/');
  if (slash == text.npos) return is_name_part(text);
  return is_dns_name(text.substr(0, slash)) && is_name_part(text.substr(slash + 1));
}

bool is_label_value(std::string_view text) {
  return text.empty() || is_name_part(text);
}

bool is_reserved_label(std::string_view name) {
  return name == "pod-template-hash" || name.starts_with("elasticinference.dev/") ||
         name.starts_with("app.kubernetes.io/");
}

bool is_reserved_annotation(std::string_view name) {
  auto const domain = name.substr(0, name.find('/'));
  return domain == "elasticinference.dev" || domain == "kubernetes.io" ||
         domain.ends_with(".alpha.kubernetes.io") || domain.ends_with(".beta.kubernetes.io");
}

bool is_env_name(std::string_view text) {
  // A shell's and C's names; longer ones nobody reads.
  constexpr std::size_t kLongest = 128;
  if (text.empty() || text.size() > kLongest || (text.front() >= '0' && text.front() <= '9')) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '_'; });
}

bool is_reserved_env(std::string_view name) {
  return name == "POD_NAME" || name == "GCONV_PATH" || name == "GLIBC_TUNABLES" ||
         name.starts_with("KUBERNETES_") || name.starts_with("LD_") || name.starts_with("OPENSSL_");
}

}  // namespace ei::api
