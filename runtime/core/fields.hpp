// Structs as JSON objects, by one list of their members for both directions. A struct that is read or written
// has beside it:
//
//     template <class Fields>
//     void list_members(Fields& fields, Settings& settings) {
//       fields("paused", settings.paused);
//       fields.within("replicas", settings.replicas, 0, 1000);
//     }
//
// FieldReader fills such a struct from JSON and collects the faults, each with its path, its value and what
// is allowed. FieldWriter makes the object. Members are booleans, numbers, text, milliseconds (whole ones),
// instants of the steady clock (nanoseconds), optionals (null), vectors, maps of text, and structs that have
// a list of their own; a wall clock's instants and readable durations have methods of their own. Pure.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"

namespace ei {

/// Where a value stands in its document. It is made into text only for a fault, so that reading what is right
/// costs no paths.
struct FieldPlace {
  FieldPlace const* outer = nullptr;  ///< null for the document
  std::string_view name;              ///< of a member, or of the document; without data for an element
  std::size_t index = 0;              ///< of an element
};

class FieldReader {
 public:
  /// All of these must outlive the reader. Without `faults` it is lenient: what is missing or wrong keeps its
  /// value, and elements and optionals that are wrong are left out. A value that is no object is a fault, and
  /// read as an empty object.
  FieldReader(boost::json::value const& value, FieldPlace const& place, std::vector<std::string>* faults);

  template <class T>
  void operator()(std::string_view name, T& into) {
    if (auto const* const value = wanted(name)) note(read(*value, at(name), into));
  }
  /// A number in [least, most].
  template <class T>
  void within(std::string_view name, T& into, std::type_identity_t<T> least, std::type_identity_t<T> most) {
    if (auto const* const value = wanted(name)) note(read_within(*value, at(name), into, least, most));
  }
  /// Text of at most so many bytes.
  void text(std::string_view name, std::string& into, std::size_t most_bytes);
  /// A list of so many elements.
  template <class T>
  void list(std::string_view name, std::vector<T>& into, std::size_t least, std::size_t most) {
    auto const* const value = wanted(name);
    if (value == nullptr) return;
    if (value->is_array() && (value->get_array().size() < least || value->get_array().size() > most))
      return fault(at(name), *value, "a list of " + std::to_string(least) + " to " + std::to_string(most));
    note(read(*value, at(name), into));
  }

  /// A member that may be absent: `into` stays as it is then. For what an earlier release did not write.
  template <class T>
  void maybe(std::string_view name, T& into) {
    if (auto const* const value = find(name)) note(read(*value, at(name), into));
  }
  template <class T>
  void maybe_within(std::string_view name, T& into, std::type_identity_t<T> least,
                    std::type_identity_t<T> most) {
    if (auto const* const value = find(name)) note(read_within(*value, at(name), into, least, most));
  }
  /// The same of what is written only where it has a value: an optional, a text, a struct or a number other
  /// than the default.
  template <class T>
  void if_any(std::string_view name, T& into) {
    maybe(name, into);
  }
  template <class T>
  void if_any_within(std::string_view name, std::optional<T>& into, std::type_identity_t<T> least,
                     std::type_identity_t<T> most) {
    into.reset();
    auto const* const value = find(name);
    if (value == nullptr || value->is_null()) return;
    if (read_within(*value, at(name), into.emplace(), least, most)) return;
    into.reset();
    whole_ = false;
  }
  /// Text that is written only where there is some. What is no text is left out, and no fault.
  void if_text(std::string_view name, std::string& into);
  /// Text of a few words, or none.
  void if_one_of(std::string_view name, std::string& into, std::span<std::string_view const> words);
  /// A struct in a vector of none or one.
  template <class T>
  void if_one(std::string_view name, std::vector<T>& into) {
    auto const* const value = find(name);
    if (value == nullptr) return;
    into.resize(1);
    if (read(*value, at(name), into.front())) return;
    into.clear();
    whole_ = false;
  }
  /// Whether the object has this member; of what is written, `written`. For lists that branch.
  [[nodiscard]] bool has(std::string_view name, bool /*written*/) const { return find(name) != nullptr; }

  /// A number that may be none: null is NaN.
  void measured(std::string_view name, double& into);
  /// RFC 3339 with microseconds, or with whole seconds.
  void instant(std::string_view name, WallTime& into);
  void second(std::string_view name, WallTime& into) { instant(name, into); }
  void if_second(std::string_view name, std::optional<WallTime>& into);
  /// `1m30s`.
  void duration(std::string_view name, milliseconds& into);
  void if_duration(std::string_view name, std::optional<milliseconds>& into);
  /// One of a few values, by the words that name(Enum) gives.
  template <class Enum>
  void word(std::string_view member, Enum& into, std::initializer_list<Enum> all) {
    word(member, into, std::span<Enum const>(all.begin(), all.size()));
  }
  template <class Enum>
  void word(std::string_view member, Enum& into, std::span<std::type_identity_t<Enum> const> all) {
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
    fault(at(member), *value, allowed);
  }
  template <class Enum>
  void maybe_word(std::string_view member, Enum& into, std::initializer_list<Enum> all) {
    if (find(member) != nullptr) word(member, into, all);
  }

  /// False once a value was wrong.
  [[nodiscard]] bool whole() const { return whole_; }

 private:
  [[nodiscard]] boost::json::value const* find(std::string_view name) const;
  /// A member that must be there; the fault is noted where it is not.
  [[nodiscard]] boost::json::value const* wanted(std::string_view name);
  [[nodiscard]] FieldPlace at(std::string_view name) const { return {place_, name, 0}; }
  void fault(FieldPlace const& place, boost::json::value const& value, std::string_view allowed);
  void note(bool fine) { whole_ = whole_ && fine; }

  // Each says whether the value was right.
  bool wrong(FieldPlace const& place, boost::json::value const& value, std::string_view allowed) {
    fault(place, value, allowed);
    return false;
  }
  bool read(boost::json::value const& value, FieldPlace const& place, bool& into);
  bool read(boost::json::value const& value, FieldPlace const& place, double& into);
  bool read(boost::json::value const& value, FieldPlace const& place, std::string& into);
  bool read(boost::json::value const& value, FieldPlace const& place, milliseconds& into);
  bool read(boost::json::value const& value, FieldPlace const& place, SteadyTime& into);
  bool read(boost::json::value const& value, FieldPlace const& place,
            std::map<std::string, std::string>& into);

  bool read_within(boost::json::value const& value, FieldPlace const& place, double& into, double least,
                   double most);
  bool read_within(boost::json::value const& value, FieldPlace const& place, milliseconds& into,
                   milliseconds least, milliseconds most) {
    std::int64_t count = 0;
    if (!read_within(value, place, count, least.count(), most.count())) return false;
    into = milliseconds(count);
    return true;
  }
  template <class T>
  bool read_within(boost::json::value const& value, FieldPlace const& place, T& into, T least, T most) {
    static_assert(std::is_integral_v<T>);
    boost::system::error_code failed;
    T const number = value.to_number<T>(failed);
    if (failed || number < least || number > most) {
      return wrong(place, value,
                   "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    }
    into = number;
    return true;
  }

  template <class T>
  bool read(boost::json::value const& value, FieldPlace const& place, T& into) {
    if constexpr (std::is_integral_v<T>) {
      return read_within(value, place, into, std::numeric_limits<T>::min(), std::numeric_limits<T>::max());
    } else {
      FieldReader members(value, place, faults_);
      list_members(members, into);
      return members.whole();
    }
  }
  template <class T>
  bool read(boost::json::value const& value, FieldPlace const& place, std::optional<T>& into) {
    into.reset();
    bool const fine = value.is_null() || read(value, place, into.emplace());
    if (!fine) into.reset();
    return fine;
  }
  template <class T>
  bool read(boost::json::value const& value, FieldPlace const& place, std::vector<T>& into) {
    into.clear();
    if (!value.is_array()) return wrong(place, value, "a list");
    bool fine = true;
    auto const& elements = value.get_array();
    for (std::size_t i = 0; i < elements.size(); ++i) {
      if (read(elements[i], FieldPlace{&place, {}, i}, into.emplace_back())) continue;
      fine = false;
      into.pop_back();
    }
    return fine;
  }

  boost::json::object const* object_;
  FieldPlace const* place_;
  std::vector<std::string>* faults_;
  bool whole_ = true;
};

class FieldWriter {
 public:
  template <class T>
  void operator()(std::string_view name, T const& value) {
    object_[name] = written(value);
  }
  template <class T>
  void within(std::string_view name, T const& value, std::type_identity_t<T> /*least*/,
              std::type_identity_t<T> /*most*/) {
    (*this)(name, value);
  }
  void text(std::string_view name, std::string const& value, std::size_t /*most_bytes*/) {
    (*this)(name, value);
  }
  template <class T>
  void list(std::string_view name, std::vector<T> const& value, std::size_t /*least*/, std::size_t /*most*/) {
    (*this)(name, value);
  }
  template <class T>
  void maybe(std::string_view name, T const& value) {
    (*this)(name, value);
  }
  template <class T>
  void maybe_within(std::string_view name, T const& value, std::type_identity_t<T> /*least*/,
                    std::type_identity_t<T> /*most*/) {
    (*this)(name, value);
  }
  template <class T>
  void if_any(std::string_view name, std::optional<T> const& value) {
    if (value) (*this)(name, *value);
  }
  template <class T>
  void if_any(std::string_view name, T const& value) {
    if (value != T{}) (*this)(name, value);
  }
  template <class T>
  void if_any_within(std::string_view name, std::optional<T> const& value, std::type_identity_t<T> /*least*/,
                     std::type_identity_t<T> /*most*/) {
    if_any(name, value);
  }
  void if_text(std::string_view name, std::string const& value) { if_any(name, value); }
  void if_one_of(std::string_view name, std::string const& value,
                 std::span<std::string_view const> /*words*/) {
    if_any(name, value);
  }
  template <class T>
  void if_one(std::string_view name, std::vector<T> const& value) {
    if (!value.empty()) (*this)(name, value.front());
  }
  [[nodiscard]] bool has(std::string_view /*name*/, bool written) const { return written; }
  void measured(std::string_view name, double value);
  void instant(std::string_view name, WallTime value);
  void second(std::string_view name, WallTime value);
  void if_second(std::string_view name, std::optional<WallTime> const& value) {
    if (value) second(name, *value);
  }
  void duration(std::string_view name, milliseconds value);
  void if_duration(std::string_view name, std::optional<milliseconds> const& value) {
    if (value) duration(name, *value);
  }
  template <class Enum>
  void word(std::string_view member, Enum value, std::initializer_list<Enum> /*all*/ = {}) {
    object_[member].emplace_string() = name(value);
  }
  template <class Enum>
  void word(std::string_view member, Enum value, std::span<std::type_identity_t<Enum> const> /*all*/) {
    word(member, value);
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
  [[nodiscard]] static boost::json::value written(std::map<std::string, std::string> const& value);

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
  [[nodiscard]] static boost::json::value written(std::vector<T> const& value) {
    boost::json::array all;
    all.reserve(value.size());
    for (auto const& each : value) all.push_back(written(each));
    return all;
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

/// The faults as one Error: Invalid.
[[nodiscard]] Error faults_error(std::vector<std::string> const& faults);

/// Reads a whole struct; other members of the object are ignored. `root` is what faults call the document.
/// Errors: Invalid, with the first twenty faults.
template <class T>
[[nodiscard]] Result<T> read_fields(boost::json::value const& value, std::string_view root = {}) {
  T out;
  std::vector<std::string> faults;
  FieldPlace const place{nullptr, root, 0};
  FieldReader members(value, place, &faults);
  list_members(members, out);
  if (faults.empty()) return out;
  return faults_error(faults);
}

/// Reads what can be read: what is missing or of another shape keeps its default, and elements and optionals
/// with a wrong value are left out.
template <class T>
[[nodiscard]] T read_fields_leniently(boost::json::value const& value) {
  T out;
  FieldPlace const place;
  FieldReader members(value, place, nullptr);
  list_members(members, out);
  return out;
}

}  // namespace ei
