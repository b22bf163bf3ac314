#pragma once

#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <type_traits>

#include "operator/scaling/settings.hpp"

namespace ei::scaling {

/// Reads members of one object and keeps the first complaint, so that a reader is a plain list of fields.
class Fields {
 public:
  Fields(boost::json::value const* value, std::string path, std::string& complaint)
      : object_(value ? value->if_object() : nullptr), path_(std::move(path)), complaint_(complaint) {}

  boost::json::value const* member(char const* key) const {
    if (!object_) complain("is not an object");
    return object_ ? object_->if_contains(key) : nullptr;
  }

  Fields object(char const* key) const { return Fields(member(key), path_ + "." + key, complaint_); }

  void read(char const* key, double& into) const {
    boost::json::value const* value = member(key);
    if (!value || !value->is_number()) return complain(std::string(key) + " is not a number");
    into = value->to_number<double>();
  }

  template <class Integer>
  requires(std::is_integral_v<Integer> && !std::is_same_v<Integer, bool>) void read(char const* key,
                                                                                    Integer& into) const {
    boost::json::value const* value = member(key);
    boost::system::error_code failed;
    Integer const number = value ? value->to_number<Integer>(failed) : Integer{};
    if (!value || failed) return complain(std::string(key) + " is not an integer");
    into = number;
  }

  void read(char const* key, bool& into) const {
    boost::json::value const* value = member(key);
    if (!value || !value->is_bool()) return complain(std::string(key) + " is not true or false");
    into = value->as_bool();
  }

  void read(char const* key, std::string& into) const {
    boost::json::value const* value = member(key);
    if (!value || !value->is_string()) return complain(std::string(key) + " is not a string");
    into = std::string(value->as_string());
  }

  void read(char const* key, std::chrono::milliseconds& into) const {
    std::int64_t count = 0;
    read(key, count);
    into = std::chrono::milliseconds(count);
  }

  void read(char const* key, Time& into) const {
    std::int64_t count = 0;
    read(key, count);
    into = Time(std::chrono::duration_cast<Time::duration>(std::chrono::nanoseconds(count)));
  }

  template <class T>
  void read(char const* key, std::optional<T>& into) const {
    boost::json::value const* value = member(key);
    if (!value || value->is_null()) return;
    read(key, into.emplace());
  }

  template <class Enum>
  void read_name(char const* key, Enum& into, std::initializer_list<Enum> all) const {
    std::string wanted;
    read(key, wanted);
    for (Enum const each : all) {
      if (name(each) == wanted) {
        into = each;
        return;
      }
    }
    complain(std::string(key) + " is not a known name: " + wanted);
  }

  template <class Each>
  void read_list(char const* key, Each each) const {
    boost::json::value const* value = member(key);
    if (!value || !value->is_array()) return complain(std::string(key) + " is not a list");
    std::size_t index = 0;
    for (boost::json::value const& entry : value->as_array()) {
      each(entry, path_ + "." + key + "[" + std::to_string(index++) + "]");
    }
  }

  void complain(std::string const& what) const {
    if (complaint_.empty()) complaint_ = path_ + ": " + what;
  }

 private:
  boost::json::object const* object_;
  std::string path_;
  std::string& complaint_;
};

}  // namespace ei::scaling
