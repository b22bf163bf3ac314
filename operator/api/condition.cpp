#include "operator/api/condition.hpp"

#include <algorithm>
#include <chrono>

namespace ei::api {
namespace {

auto find(auto& conditions, std::string_view type) {
  return std::find_if(conditions.begin(), conditions.end(),
                      [&](auto const& each) { return each.type == type; });
}

}  // namespace

std::string_view to_string(ConditionStatus status) {
  switch (status) {
    case ConditionStatus::False:
      return "False";
    case ConditionStatus::True:
      return "True";
    case ConditionStatus::Unknown:
      return "Unknown";
  }
  return "Unknown";
}

void set_condition(std::vector<Condition>& conditions, Condition next, WallTime now) {
  auto const old = find(conditions, next.type);
  bool const same = old != conditions.end() && old->status == next.status;
  next.last_transition = same ? old->last_transition : std::chrono::floor<std::chrono::seconds>(now);
  if (old == conditions.end()) {
    conditions.push_back(std::move(next));
  } else {
    *old = std::move(next);
  }
}

Condition const* find_condition(std::vector<Condition> const& conditions, std::string_view type) {
  auto const found = find(conditions, type);
  return found == conditions.end() ? nullptr : &*found;
}

}  // namespace ei::api
