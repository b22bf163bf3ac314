#include "operator/backend/kube/selector.hpp"

#include <algorithm>
#include <set>

namespace ei::kube {
namespace {

std::string_view trim(std::string_view text) {
  auto const first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Cuts at the commas that are not inside parentheses.
std::vector<std::string_view> split_requirements(std::string_view text) {
  std::vector<std::string_view> parts;
  std::size_t start = 0;
  int depth = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    bool const end = i == text.size();
    if (!end && text[i] == '(') ++depth;
    if (!end && text[i] == ')') --depth;
    if (end || (text[i] == ',' && depth == 0)) {
      parts.push_back(trim(text.substr(start, i - start)));
      start = i + 1;
    }
  }
  return parts;
}

bool is_key(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '/';
  });
}

Error unreadable(std::string_view part) {
  return make_error(ErrorKind::Invalid, "label selector: cannot read \"" + std::string(part) + "\"");
}

Result<Selector::Requirement> parse_set(std::string_view part, std::size_t open) {
  if (part.back() != ')') return unreadable(part);
  auto const head = trim(part.substr(0, open));
  auto const space = head.find_last_of(" \t");
  if (space == std::string_view::npos) return unreadable(part);
  auto const word = head.substr(space + 1);
  Selector::Requirement requirement{std::string(trim(head.substr(0, space))), Selector::Operator::In, {}};
  if (word == "notin") {
    requirement.op = Selector::Operator::NotIn;
  } else if (word != "in") {
    return unreadable(part);
  }
  for (auto const value : split_requirements(part.substr(open + 1, part.size() - open - 2))) {
    requirement.values.emplace_back(value);
  }
  if (!is_key(requirement.key)) return unreadable(part);
  return requirement;
}

Result<Selector::Requirement> parse_requirement(std::string_view part) {
  if (auto const open = part.find('('); open != std::string_view::npos) return parse_set(part, open);
  Selector::Requirement requirement;
  if (auto const equals = part.find('='); equals != std::string_view::npos) {
    bool const negative = equals > 0 && part[equals - 1] == '!';
    bool const doubled = equals + 1 < part.size() && part[equals + 1] == '=';
    requirement.key = trim(part.substr(0, equals - (negative ? 1 : 0)));
    requirement.op = negative ? Selector::Operator::NotIn : Selector::Operator::In;
    requirement.values.emplace_back(trim(part.substr(equals + (doubled && !negative ? 2 : 1))));
  } else if (!part.empty() && part.front() == '!') {
    requirement = {std::string(trim(part.substr(1))), Selector::Operator::Absent, {}};
  } else {
    requirement.key = part;
  }
  if (!is_key(requirement.key)) return unreadable(part);
  return requirement;
}

}  // namespace

std::string_view intern(std::string_view text) {
  static std::set<std::string, std::less<>> known;
  auto found = known.find(text);
  if (found == known.end()) found = known.emplace(text).first;
  return *found;
}

std::string const* find_label(Labels const& labels, std::string_view key) {
  auto const at =
      std::lower_bound(labels.begin(), labels.end(), key,
                       [](auto const& label, std::string_view wanted) { return label.first < wanted; });
  return at != labels.end() && at->first == key ? &at->second : nullptr;
}

Result<Selector> Selector::parse(std::string_view text) {
  Selector selector;
  if (trim(text).empty()) return selector;
  for (auto const part : split_requirements(text)) {
    auto requirement = parse_requirement(part);
    if (!requirement) return requirement.error();
    selector.requirements_.push_back(std::move(*requirement));
  }
  return selector;
}

bool Selector::matches(Labels const& labels) const {
  return std::all_of(requirements_.begin(), requirements_.end(), [&](Requirement const& requirement) {
    auto const* value = find_label(labels, requirement.key);
    auto const listed = [&] {
      return std::find(requirement.values.begin(), requirement.values.end(), *value) !=
             requirement.values.end();
    };
    switch (requirement.op) {
      case Operator::In:
        return value != nullptr && listed();
      case Operator::NotIn:
        return value == nullptr || !listed();
      case Operator::Exists:
        return value != nullptr;
      case Operator::Absent:
        return value == nullptr;
    }
    return false;
  });
}

}  // namespace ei::kube
