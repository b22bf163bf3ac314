#include <algorithm>

#include "operator/api/allowed.hpp"

// Image references, as the distribution project's grammar has them:
// [HOST[:PORT]/]COMPONENT[/COMPONENT…][:TAG][@ALGORITHM:HEX].
namespace ei::api {
namespace {

constexpr auto kNone = std::string_view::npos;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_lower(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z');
}
bool is_word(char c) {
  return is_lower(c) || (c >= 'A' && c <= 'Z');
}
template <class Test>
bool all(std::string_view text, Test test) {
  return std::all_of(text.begin(), text.end(), test);
}

bool is_tag(std::string_view text) {
  if (text.empty() || text.size() > 128 || text.front() == '.' || text.front() == '-') return false;
  return all(text, [](char c) { return is_word(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_digest(std::string_view text) {
  constexpr std::string_view kAlgorithm = "sha256:";
  return text.starts_with(kAlgorithm) && text.size() == kAlgorithm.size() + 64 &&
         all(text.substr(kAlgorithm.size()), [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

/// One part of a repository's path: letters and digits with single separators between them.
bool is_component(std::string_view text) {
  if (text.empty() || !is_lower(text.front()) || !is_lower(text.back())) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_lower(text[i])) continue;
    auto run = i;
    while (run < text.size() && text[run] == text[i]) ++run;
    auto const length = run - i;
    bool const fine = (text[i] == '.' && length == 1) || (text[i] == '_' && length <= 2) || text[i] == '-';
    if (!fine || !is_lower(text[run])) return false;
    i = run;
  }
  return true;
}

/// Whether the part before the first slash is a registry and no repository's component.
bool is_registry(std::string_view text) {
  return text.find_first_of(".:") != kNone || text == "localhost" || (!text.empty() && text.front() == '[');
}

bool is_registry_name(std::string_view text) {
  auto const close = text.starts_with('[') ? text.find(']') : 0;
  if (close == kNone) return false;
  auto const colon = text.find(':', close);
  auto const host = text.substr(0, colon);
  auto const port = colon == kNone ? std::string_view("0") : text.substr(colon + 1);
  return !host.empty() && !port.empty() && all(port, is_digit) && all(host, [](char c) {
    return is_word(c) || c == '.' || c == '-' || c == '[' || c == ']' || c == ':';
  });
}

bool is_tail(std::string_view text) {
  if (text.empty()) return true;
  if (text.front() == '@') return is_digest(text.substr(1));
  if (text.front() != ':') return false;
  auto const at = text.find('@');
  return is_tag(text.substr(1, at == kNone ? kNone : at - 1)) &&
         (at == kNone || is_digest(text.substr(at + 1)));
}

struct Reference {
  std::string_view name;  ///< registry and repository
  std::string_view tail;  ///< `:tag`, `@digest`, both or nothing
};

Reference split(std::string_view image) {
  auto const slash = image.rfind('/', image.find('@'));
  auto const end = std::min(image.find_first_of(":@", slash == kNone ? 0 : slash), image.size());
  return {image.substr(0, end), image.substr(end)};
}

bool is_reference(std::string_view image) {
  auto const [name, tail] = split(image);
  if (!is_tail(tail)) return false;
  auto rest = name;
  if (auto const slash = name.find('/'); slash != kNone && is_registry(name.substr(0, slash))) {
    if (!is_registry_name(name.substr(0, slash))) return false;
    rest = name.substr(slash + 1);
  }
  while (true) {
    auto const slash = rest.find('/');
    if (!is_component(rest.substr(0, slash))) return false;
    if (slash == kNone) return true;
    rest.remove_prefix(slash + 1);
  }
}

}  // namespace

bool image_matches(std::string_view prefix, std::string_view image) {
  if (prefix == "*") return true;
  // What a runtime would read in another way than these lines do is under no prefix.
  if (!is_reference(image)) return false;
  bool const folder = prefix.ends_with('/');
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  if (prefix.empty() || !image.starts_with(prefix)) return false;
  auto const rest = image.substr(prefix.size());
  if (rest.empty()) return !folder;
  bool const whole_registry = prefix.find('/') == kNone && is_registry(prefix);
  bool const one_image = !whole_registry && !split(prefix).tail.empty();
  if (one_image) return false;
  if (rest.front() == '/') return true;
  return !folder && !whole_registry && is_tail(rest);
}

}  // namespace ei::api
