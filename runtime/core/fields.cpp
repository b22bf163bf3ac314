#include "runtime/core/fields.hpp"

#include "runtime/core/encoding.hpp"
#include "runtime/core/json.hpp"

#include <cmath>
#include <utility>

namespace ei {
namespace {

/// Of a value that is quoted: enough to find it again.
constexpr std::size_t kShown = 60;
/// More than anybody mends at once. A peer that sends a list of faults cannot make a longer text of it.
constexpr std::size_t kMostFaults = 20;

std::string path_of(FieldPlace const& place) {
  auto const outer = place.outer == nullptr ? std::string() : path_of(*place.outer);
  if (place.name.data() == nullptr && place.outer != nullptr)
    return outer + "[" + std::to_string(place.index) + "]";
  return (outer.empty() ? "" : outer + ".") + std::string(place.name);
}

}  // namespace

FieldReader::FieldReader(boost::json::value const& value, FieldPlace const& place,
                         std::vector<std::string>* faults)
    : object_(value.if_object()), place_(&place), faults_(faults) {
  if (object_ == nullptr) fault(place, value, "an object");
}

boost::json::value const* FieldReader::find(std::string_view name) const {
  return object_ == nullptr ? nullptr : object_->if_contains(name);
}

boost::json::value const* FieldReader::wanted(std::string_view name) {
  auto const* const value = find(name);
  // What is no object was reported as such.
  if (value == nullptr && object_ != nullptr && faults_ != nullptr) {
    whole_ = false;
    if (faults_->size() < kMostFaults) faults_->push_back(path_of(at(name)) + " is missing");
  }
  return value;
}

void FieldReader::fault(FieldPlace const& place, boost::json::value const& value, std::string_view allowed) {
  whole_ = false;
  if (faults_ == nullptr || faults_->size() >= kMostFaults) return;
  auto const path = path_of(place);
  auto const text = to_json_text(value);
  faults_->push_back((path.empty() ? "the document" : path) + " is " + std::string(clipped(text, kShown)) +
                     "; allowed: " + std::string(allowed));
}

void FieldReader::text(std::string_view name, std::string& into, std::size_t most_bytes) {
  auto const* const value = wanted(name);
  if (value == nullptr) return;
  if (!value->is_string() || value->get_string().size() > most_bytes)
    return fault(at(name), *value, "a string of at most " + std::to_string(most_bytes) + " bytes");
  into = std::string(value->get_string());
}

void FieldReader::if_text(std::string_view name, std::string& into) {
  auto const* const value = find(name);
  if (value != nullptr && value->is_string()) into = std::string(value->get_string());
}

void FieldReader::if_one_of(std::string_view name, std::string& into,
                            std::span<std::string_view const> words) {
  auto const* const value = find(name);
  if (value == nullptr) return;
  std::string allowed;
  for (auto const word : words) {
    if (value->is_string() && value->get_string() == word) {
      into = word;
      return;
    }
    allowed += (allowed.empty() ? "" : ", ") + std::string(word);
  }
  fault(at(name), *value, allowed);
}

void FieldReader::measured(std::string_view name, double& into) {
  auto const* const value = wanted(name);
  if (value == nullptr) return;
  if (value->is_null()) {
    into = std::numeric_limits<double>::quiet_NaN();
  } else {
    note(read(*value, at(name), into));
  }
}

void FieldReader::instant(std::string_view name, WallTime& into) {
  auto const* const value = wanted(name);
  if (value == nullptr) return;
  auto const time = parse_rfc3339(value->is_string() ? std::string_view(value->get_string()) : "");
  if (!time) return fault(at(name), *value, "a time such as 2026-01-31T12:00:00Z");
  into = *time;
}

void FieldReader::if_second(std::string_view name, std::optional<WallTime>& into) {
  if (find(name) == nullptr) return;
  WallTime time{};
  bool const before = std::exchange(whole_, true);
  instant(name, time);
  if (whole_) into = time;
  whole_ = whole_ && before;
}

void FieldReader::duration(std::string_view name, milliseconds& into) {
  auto const* const value = wanted(name);
  if (value == nullptr) return;
  auto const time = parse_duration(value->is_string() ? std::string_view(value->get_string()) : "");
  if (!time) return fault(at(name), *value, "a duration such as 1m30s");
  into = *time;
}

void FieldReader::if_duration(std::string_view name, std::optional<milliseconds>& into) {
  if (find(name) == nullptr) return;
  milliseconds time{0};
  bool const before = std::exchange(whole_, true);
  duration(name, time);
  if (whole_) into = time;
  whole_ = whole_ && before;
}

bool FieldReader::read(boost::json::value const& value, FieldPlace const& place, bool& into) {
  if (!value.is_bool()) return wrong(place, value, "true, false");
  into = value.get_bool();
  return true;
}

bool FieldReader::read(boost::json::value const& value, FieldPlace const& place, double& into) {
  if (!value.is_number()) return wrong(place, value, "a number");
  into = value.to_number<double>();
  return true;
}

bool FieldReader::read_within(boost::json::value const& value, FieldPlace const& place, double& into,
                              double least, double most) {
  double const number = value.is_number() ? value.to_number<double>() : std::nan("");
  if (!(number >= least && number <= most)) {
    return wrong(place, value,
                 "a number from " + to_json_text(boost::json::value(least)) + " to " +
                     to_json_text(boost::json::value(most)));
  }
  into = number;
  return true;
}

bool FieldReader::read(boost::json::value const& value, FieldPlace const& place, std::string& into) {
  if (!value.is_string()) return wrong(place, value, "a string");
  into = std::string(value.get_string());
  return true;
}

bool FieldReader::read(boost::json::value const& value, FieldPlace const& place,
                       std::map<std::string, std::string>& into) {
  into.clear();
  auto const* const object = value.if_object();
  if (object == nullptr) return wrong(place, value, "an object of strings");
  bool fine = true;
  for (auto const& [key, each] : *object) {
    fine = read(each, FieldPlace{&place, key, 0}, into[std::string(key)]) && fine;
    if (!each.is_string()) into.erase(std::string(key));
  }
  return fine;
}

bool FieldReader::read(boost::json::value const& value, FieldPlace const& place,
                       std::chrono::milliseconds& into) {
  return read_within(value, place, into, milliseconds::min(), milliseconds::max());
}

bool FieldReader::read(boost::json::value const& value, FieldPlace const& place, SteadyTime& into) {
  std::int64_t count = 0;
  if (!read(value, place, count)) return false;
  into = SteadyTime(std::chrono::duration_cast<SteadyTime::duration>(std::chrono::nanoseconds(count)));
  return true;
}

Error faults_error(std::vector<std::string> const& faults) {
  std::string all;
  for (auto const& each : faults) all += (all.empty() ? "" : "; ") + each;
  return make_error(ErrorKind::Invalid, std::move(all));
}

void FieldWriter::measured(std::string_view name, double value) {
  object_[name] = written(value);
}

void FieldWriter::instant(std::string_view name, WallTime value) {
  object_[name] = format_rfc3339(value);
}

void FieldWriter::second(std::string_view name, WallTime value) {
  object_[name] = format_rfc3339_seconds(value);
}

void FieldWriter::duration(std::string_view name, milliseconds value) {
  object_[name] = format_duration(value);
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

boost::json::value FieldWriter::written(std::map<std::string, std::string> const& value) {
  boost::json::object all;
  all.reserve(value.size());
  for (auto const& [key, each] : value) all[key] = each;
  return all;
}

}  // namespace ei
