#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "operator/api/limits.hpp"
#include "operator/api/parse.hpp"
#include "runtime/core/units.hpp"

namespace ei::api {

/// Reads one JSON object field by field into values that already hold their defaults, and collects every
/// fault. A null field counts as absent, as it does for the API server. Each field must be asked for once;
/// `finish` reports the ones nobody asked for.
class ObjectReader {
 public:
  /// `value` and `errors` must outlive the reader. A value that is no object is
  /// reported and read as an empty one.
  ObjectReader(boost::json::value const& value, std::string path, UnknownFields unknown,
               std::vector<FieldError>& errors);

  void read(std::string_view name, bool& target);
  void read(std::string_view name, int& target, Range<int> range);
  void read(std::string_view name, milliseconds& target, Range<milliseconds> range);
  /// At most `longest` characters (Unicode code points, as a schema's maxLength counts).
  void read(std::string_view name, std::string& target, std::size_t longest = std::string::npos);
  void read(std::string_view name, std::int64_t& target);
  void read(std::string_view name, std::map<std::string, std::string>& target);

  /// One of a few words.
  template <class Enum>
  void read(std::string_view name, Enum& target,
            std::initializer_list<std::pair<std::string_view, Enum>> const& words) {
    std::string text;
    if (!read_string(name, text)) return;
    std::vector<std::string_view> allowed;
    for (auto const& [word, value] : words) {
      if (word == text) {
        target = value;
        return;
      }
      allowed.push_back(word);
    }
    unsupported(name, text, allowed);
  }

  /// A Kubernetes quantity, written as an integer or a string, whose thousandths lie in `milli`; `shown`
  /// words the range. A fraction must be a string, for the API server's int-or-string knows no fractions.
  void read_quantity(std::string_view name, std::string& target, Range<std::int64_t> milli,
                     std::string_view shown);

  /// The raw field, or null when it is absent; counts as asked for.
  boost::json::value const* take(std::string_view name);
  /// An array of so many items; null when it is absent or none.
  boost::json::array const* array(std::string_view name, Range<std::size_t> length);
  /// A nested object's reader; absent reads as empty.
  ObjectReader object(std::string_view name);
  /// The reader of element `at` of the array `name`.
  [[nodiscard]] ObjectReader item(std::string_view name, std::size_t at, boost::json::value const& value);

  [[nodiscard]] std::string path(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const;
  void fail(std::string_view name, std::string message);

  /// Reports the fields that nobody asked for, with the nearest known name.
  void finish();

 private:
  bool read_string(std::string_view name, std::string& target, std::size_t longest = std::string::npos);
  void unsupported(std::string_view name, std::string const& text,
                   std::vector<std::string_view> const& allowed);

  boost::json::object const* object_;
  std::string path_;
  UnknownFields unknown_;
  std::vector<FieldError>& errors_;
  std::vector<std::string> known_;
};

/// Code points of UTF-8, as a schema's maxLength counts.
[[nodiscard]] std::size_t characters_of(std::string_view text);

/// `Invalid value: "x": must be …`, with the value as JSON, cut when it is long.
[[nodiscard]] std::string invalid_value(boost::json::value const& value, std::string_view must);

}  // namespace ei::api
