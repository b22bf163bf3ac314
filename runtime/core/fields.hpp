// Structs as JSON objects, by one list of their members for both directions. A struct that is read or written
// has beside it:
//
//     template <class Fields>
//     void list_members(Fields& fields, Settings& settings) {
//       fields("paused", settings.paused);
//       fields("interval_ms", settings.interval);
//     }
//
// FieldReader fills such a struct from JSON and collects every fault with its path, its value and what is
// allowed. FieldWriter makes the object. Members are booleans, numbers, text, milliseconds (whole ones),
// instants of the steady clock (nanoseconds), optionals (null), vectors, and structs that have a list of
// their own. Pure.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"

namespace ei {

class FieldReader {
 public:
  /// All of these must outlive the reader. `path` is the object's own, empty for the document. A value that
  /// is no object is a fault, and read as an empty object.
  FieldReader(boost::json::value const& value, std::string path, std::vector<std::string>& faults);

  template <class T>
  void operator()(std::string_view name, T& into) {
    if (auto const* const value = wanted(name)) read(*value, path_of(name), into);
  }
  /// A member that may be absent: `into` stays as it is then. For what an earlier release did not write.
  template <class T>
  void maybe(std::string_view name, T& into) {
    if (auto const* const value = find(name)) read(*value, path_of(name), into);
  }
  /// The same of an optional that is written only where it has a value.
  template <class T>
  void if_any(std::string_view name, std::optional<T>& into) {
    maybe(name, into);
  }
  /// A number that may be none: null is NaN.
  void measured(std::string_view name, double& into);
  /// One of a few values, by the words that name(Enum) gives.
  template <class Enum>
  void word(std::string_view member, Enum& into, std::initializer_list<Enum> all) {
    std::string text;
    auto const* const value = wanted(member);
    if (value == nullptr) return;
    std::string allowed;
    for (Enum const each : all) {
      if (value->is_string() && name(each) == std::string_view(value->get_string())) {
        into = each;
        return;
      }
      allowed += (allowed.empty() ? "" : ", ") + std::string(name(each));
    }
    fault(path_of(member), *value, allowed);
  }
  template <class Enum>
  void maybe_word(std::string_view member, Enum& into, std::initializer_list<Enum> all) {
    if (find(member) != nullptr) word(member, into, all);
  }

 private:
  [[nodiscard]] boost::json::value const* find(std::string_view name) const;
  /// A member that must be there; the fault is noted where it is not.
  [[nodiscard]] boost::json::value const* wanted(std::string_view name);
  [[nodiscard]] std::string path_of(std::string_view name) const;
  void fault(std::string const& path, boost::json::value const& value, std::string_view allowed);

  void read(boost::json::value const& value, std::string const& path, bool& into);
  void read(boost::json::value const& value, std::string const& path, double& into);
  void read(boost::json::value const& value, std::string const& path, std::string& into);
  void read(boost::json::value const& value, std::string const& path, std::chrono::milliseconds& into);
  void read(boost::json::value const& value, std::string const& path, SteadyTime& into);

  template <class T>
  void read(boost::json::value const& value, std::string const& path, T& into) {
    if constexpr (std::is_integral_v<T>) {
      boost::system::error_code failed;
      T const number = value.to_number<T>(failed);
      if (!failed) into = number;
      if (failed) {
        fault(path, value,
              "a whole number from " + std::to_string(std::numeric_limits<T>::min()) + " to " +
                  std::to_string(std::numeric_limits<T>::max()));
      }
    } else {
      FieldReader members(value, path, *faults_);
      list_members(members, into);
    }
  }
  template <class T>
  void read(boost::json::value const& value, std::string const& path, std::optional<T>& into) {
    into.reset();
    if (!value.is_null()) read(value, path, into.emplace());
  }
  template <class T>
  void read(boost::json::value const& value, std::string const& path, std::vector<T>& into) {
    into.clear();
    if (!value.is_array()) return fault(path, value, "a list");
    for (auto const& each : value.get_array()) {
      auto const index = std::to_string(into.size());
      read(each, path + "[" + index + "]", into.emplace_back());
    }
  }

  boost::json::object const* object_;
  std::string path_;
  std::vector<std::string>* faults_;
};

class FieldWriter {
 public:
  template <class T>
  void operator()(std::string_view name, T const& value) {
    object_[name] = written(value);
  }
  template <class T>
  void maybe(std::string_view name, T const& value) {
    (*this)(name, value);
  }
  template <class T>
  void if_any(std::string_view name, std::optional<T> const& value) {
    if (value) (*this)(name, *value);
  }
  void measured(std::string_view name, double value);
  template <class Enum>
  void word(std::string_view member, Enum value, std::initializer_list<Enum> /*all*/ = {}) {
    object_[member].emplace_string() = name(value);
  }
  template <class Enum>
  void maybe_word(std::string_view member, Enum value, std::initializer_list<Enum> all) {
    word(member, value, all);
  }

  [[nodiscard]] boost::json::object take() { return std::move(object_); }

 private:
  [[nodiscard]] static boost::json::value written(std::chrono::milliseconds value);
  [[nodiscard]] static boost::json::value written(SteadyTime value);
  [[nodiscard]] static boost::json::value written(double value);

  template <class T>
  [[nodiscard]] static boost::json::value written(T const& value) {
    if constexpr (std::is_arithmetic_v<T> || std::is_convertible_v<T, std::string_view>) {
      return boost::json::value(value);
    } else {
      FieldWriter members;
      // One list serves both directions, so it takes its struct as the reader needs it.
      list_members(members, const_cast<T&>(value));
      return members.take();
    }
  }
  template <class T>
  [[nodiscard]] static boost::json::value written(std::optional<T> const& value) {
    return value ? written(*value) : boost::json::value(nullptr);
  }
  template <class T>
  [[nodiscard]] static boost::json::value written(std::vector<T> const& values) {
    boost::json::array out;
    for (auto const& each : values) out.push_back(written(each));
    return out;
  }

  boost::json::object object_;
};

/// The struct as an object.
template <class T>
[[nodiscard]] boost::json::object write_fields(T const& value) {
  FieldWriter members;
  list_members(members, const_cast<T&>(value));
  return members.take();
}

/// Reads a whole struct; other members of the object are ignored. Errors: Invalid, with every fault.
template <class T>
[[nodiscard]] Result<T> read_fields(boost::json::value const& value) {
  T out;
  std::vector<std::string> faults;
  FieldReader members(value, "", faults);
  list_members(members, out);
  if (faults.empty()) return out;
  std::string all;
  for (auto const& each : faults) all += (all.empty() ? "" : "; ") + each;
  return make_error(ErrorKind::Invalid, std::move(all));
}

}  // namespace ei
