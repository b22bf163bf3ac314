#pragma once

#include "runtime/core/json.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <string>
#include <string_view>

namespace ei::sim {

/// find_member() of an object: that one takes a value, and would be given a copy that is gone at once.
inline boost::json::value const* member_of(boost::json::object const& object, std::string_view path) {
  auto const dot = path.find('.');
  auto const* first = object.if_contains(path.substr(0, dot));
  if (first == nullptr || dot == std::string_view::npos) return first;
  return find_member(*first, path.substr(dot + 1));
}

/// The text at `path`, or an empty one.
inline std::string text_of(boost::json::object const& object, std::string_view path) {
  auto const* value = member_of(object, path);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

inline std::int64_t number_of(boost::json::object const& object, std::string_view path,
                              std::int64_t otherwise = 0) {
  auto const* value = member_of(object, path);
  return value != nullptr && value->is_int64() ? value->get_int64() : otherwise;
}

}  // namespace ei::sim
