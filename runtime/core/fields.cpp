#include "runtime/core/fields.hpp"

#include <cmath>

#include "runtime/core/encoding.hpp"
#include "runtime/core/json.hpp"

namespace ei {
namespace {

/// Of a value that is quoted: enough to find it again.
constexpr std::size_t kShown = 60;

}  // namespace

FieldReader::FieldReader(boost::json::value const& value, std::string path, std::vector<std::string>& faults)
    : object_(value.if_object()), path_(std::move(path)), faults_(&faults) {
  if (object_ == nullptr) fault(path_.empty() ? "the document" : path_, value, "an object");
}

boost::json::value const* FieldReader::find(std::string_view name) const {
  return object_ == nullptr ? nullptr : object_->if_contains(name);
}

boost::json::value const* FieldReader::wanted(std::string_view name) {
  auto const* const value = find(name);
  // What is no object was reported as such.
  if (value == nullptr && object_ != nullptr) faults_->push_back(path_of(name) + " is missing");
  return value;
}

std::string FieldReader::path_of(std::string_view name) const {
  return (path_.empty() ? "" : path_ + ".") + std::string(name);
}

void FieldReader::fault(std::string const& path, boost::json::value const& value, std::string_view allowed) {
  auto const text = to_json_text(value);
  faults_->push_back(path + " is " + std::string(clipped(text, kShown)) +
                     "; allowed: " + std::string(allowed));
}

void FieldReader::measured(std::string_view name, double& into) {
  auto const* const value = wanted(name);
  if (value == nullptr) return;
  if (value->is_null()) {
    into = std::numeric_limits<double>::quiet_NaN();
  } else {
    read(*value, path_of(name), into);
  }
}

void FieldReader::read(boost::json::value const& value, std::string const& path, bool& into) {
  if (!value.is_bool()) return fault(path, value, "true, false");
  into = value.get_bool();
}

void FieldReader::read(boost::json::value const& value, std::string const& path, double& into) {
  if (!value.is_number()) return fault(path, value, "a number");
  into = value.to_number<double>();
}

void FieldReader::read(boost::json::value const& value, std::string const& path, std::string& into) {
  if (!value.is_string()) return fault(path, value, "a string");
  into = std::string(value.get_string());
}

void FieldReader::read(boost::json::value const& value, std::string const& path,
                       std::chrono::milliseconds& into) {
  std::int64_t count = into.count();
  read(value, path, count);
  into = std::chrono::milliseconds(count);
}

void FieldReader::read(boost::json::value const& value, std::string const& path, SteadyTime& into) {
  std::int64_t count = 0;
  read(value, path, count);
  into = SteadyTime(std::chrono::duration_cast<SteadyTime::duration>(std::chrono::nanoseconds(count)));
}

void FieldWriter::measured(std::string_view name, double value) {
  object_[name] = written(value);
}

// JSON has no word for what is not finite but null.
boost::json::value FieldWriter::written(double value) {
  return std::isfinite(value) ? boost::json::value(value) : boost::json::value(nullptr);
}

boost::json::value FieldWriter::written(std::chrono::milliseconds value) {
  return boost::json::value(value.count());
}

boost::json::value FieldWriter::written(SteadyTime value) {
  return boost::json::value(std::chrono::nanoseconds(value.time_since_epoch()).count());
}

}  // namespace ei
