#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "operator/api/allowed.hpp"

// How refusals are worded; for allowed.cpp and allowed_pods.cpp.
namespace ei::api {

/// Who can mend it, and with what: the operator's flag and the chart's value.
[[nodiscard]] std::string administrator(std::string_view flag, std::string_view value);

/// As JSON.
[[nodiscard]] std::string in_quotes(std::string_view text);

[[nodiscard]] FieldError forbidden(std::string field, std::string_view value, std::string const& why);

template <class List>
[[nodiscard]] std::string listed(List const& words) {
  std::string text;
  for (auto const& word : words) text += (text.empty() ? "" : ", ") + std::string(word);
  return text;
}

/// What a spec says of the pods under `field` and may not.
void refuse_pods(std::string const& field, Pods const& pods, Allowed const& allowed,
                 std::vector<FieldError>& errors);
void refuse_secret(std::string const& name, Allowed const& allowed, std::vector<FieldError>& errors);

}  // namespace ei::api
