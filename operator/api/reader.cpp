#include "operator/api/reader.hpp"

#include <algorithm>
#include <numeric>

#include "runtime/core/encoding.hpp"
#include "runtime/core/json.hpp"

namespace ei::api {
namespace {

namespace json = boost::json;

json::object const kEmpty;

/// Edit distance (Levenshtein, two rows): for "did you mean".
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t const replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string joined(std::vector<std::string_view> const& words) {
  std::string text;
  for (auto word : words) text += (text.empty() ? "" : ", ") + std::string(word);
  return text;
}

}  // namespace

std::size_t characters_of(std::string_view text) {
  // Every byte that does not continue another.
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & '\xc0') != '\x80'; }));
}

std::string invalid_value(json::value const& value, std::string_view must) {
  constexpr std::size_t kShown = 80;  // enough to recognise the value in an error line
  std::string shown = to_json_text(value);
  if (shown.size() > kShown) shown = std::string(clipped(shown, kShown)) + "…";
  return "Invalid value: " + shown + ": must be " + std::string(must);
}

ObjectReader::ObjectReader(json::value const& value, std::string path, UnknownFields unknown,
                           std::vector<FieldError>& errors)
    : object_(value.if_object()), path_(std::move(path)), unknown_(unknown), errors_(errors) {
  if (object_) return;
  object_ = &kEmpty;
  if (!value.is_null()) errors_.push_back({path_, invalid_value(value, "an object")});
}

std::string ObjectReader::path(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

bool ObjectReader::has(std::string_view name) const {
  auto const* value = object_->if_contains(name);
  return value && !value->is_null();
}

void ObjectReader::fail(std::string_view name, std::string message) {
  errors_.push_back({path(name), std::move(message)});
}

json::value const* ObjectReader::take(std::string_view name) {
  known_.emplace_back(name);
  return has(name) ? object_->if_contains(name) : nullptr;
}

json::array const* ObjectReader::array(std::string_view name, Range<std::size_t> length) {
  auto const* value = take(name);
  if (!value) return nullptr;
  auto const* items = value->if_array();
  if (!items) {
    fail(name, invalid_value(*value, "an array"));
  } else if (items->size() > length.most) {
    fail(name, "Too many: " + std::to_string(items->size()) + ": must have at most " +
                   std::to_string(length.most) + " items");
  } else if (items->size() < length.least) {
    fail(name, invalid_value(*value, "at least " + std::to_string(length.least) + " items"));
  } else {
    return items;
  }
  return nullptr;
}

ObjectReader ObjectReader::object(std::string_view name) {
  static json::value const kNull;
  auto const* value = take(name);
  return ObjectReader(value ? *value : kNull, path(name), unknown_, errors_);
}

ObjectReader ObjectReader::item(std::string_view name, std::size_t at, json::value const& value) {
  return ObjectReader(value, path(name) + "[" + std::to_string(at) + "]", unknown_, errors_);
}

void ObjectReader::read(std::string_view name, bool& target) {
  auto const* value = take(name);
  if (!value) return;
  if (auto const* flag = value->if_bool()) {
    target = *flag;
  } else {
    fail(name, invalid_value(*value, "true or false"));
  }
}

void ObjectReader::read(std::string_view name, int& target, Range<int> range) {
  auto const* value = take(name);
  if (!value) return;
  auto const must =
      "an integer between " + std::to_string(range.least) + " and " + std::to_string(range.most);
  json::error_code wrong;
  auto const number = value->is_number() ? value->to_number<std::int64_t>(wrong) : 0;
  bool const integer = value->is_number() && !wrong;
  if (integer && number >= range.least && number <= range.most) {
    target = static_cast<int>(number);
  } else {
    fail(name, invalid_value(*value, must));
  }
}

void ObjectReader::read(std::string_view name, milliseconds& target, Range<milliseconds> range) {
  auto const* value = take(name);
  if (!value) return;
  auto const must =
      "a duration between " + format_duration(range.least) + " and " + format_duration(range.most);
  auto const* text = value->if_string();
  if (!text) {
    fail(name, invalid_value(*value, must + ", such as \"150s\" or \"1m30s\""));
    return;
  }
  auto const duration = parse_duration({text->data(), text->size()});
  if (duration && range.contains(*duration) && text->size() <= kMaxNumberLength) {
    target = *duration;
  } else {
    fail(name, invalid_value(*value, must));
  }
}

bool ObjectReader::read_string(std::string_view name, std::string& target, std::size_t longest) {
  auto const* value = take(name);
  if (!value) return false;
  auto const* text = value->if_string();
  if (text && characters_of({text->data(), text->size()}) <= longest) {
    target.assign(text->data(), text->size());
    return true;
  }
  fail(name, invalid_value(*value, text ? "at most " + std::to_string(longest) + " characters" : "a string"));
  return false;
}

void ObjectReader::read(std::string_view name, std::string& target, std::size_t longest) {
  read_string(name, target, longest);
}

void ObjectReader::read(std::string_view name, std::int64_t& target) {
  auto const* value = take(name);
  if (!value) return;
  json::error_code wrong;
  auto const number = value->is_number() ? value->to_number<std::int64_t>(wrong) : 0;
  if (!value->is_number() || wrong) return fail(name, invalid_value(*value, "an integer"));
  target = number;
}

void ObjectReader::read(std::string_view name, std::map<std::string, std::string>& target) {
  auto const* value = take(name);
  if (!value) return;
  auto const* object = value->if_object();
  if (!object) {
    fail(name, invalid_value(*value, "an object of strings"));
    return;
  }
  for (auto const& entry : *object) {
    auto const* text = entry.value().if_string();
    if (text) {
      target[std::string(entry.key())] = std::string(text->data(), text->size());
    } else {
      fail(std::string(name) + "." + std::string(entry.key()), invalid_value(entry.value(), "a string"));
    }
  }
}

void ObjectReader::read_quantity(std::string_view name, std::string& target, Range<std::int64_t> milli,
                                 std::string_view shown) {
  auto const* value = take(name);
  if (!value) return;
  json::error_code fraction;
  auto const whole = value->is_number() ? value->to_number<std::int64_t>(fraction) : 0;
  if (fraction) {
    return fail(name, invalid_value(*value, "a string where it is no integer: write it in quotes"));
  }
  auto const text = value->is_number()   ? std::to_string(whole)
                    : value->is_string() ? std::string(value->get_string().c_str())
                                         : std::string();
  auto const quantity = parse_quantity_milli(text);
  if (quantity && milli.contains(*quantity) && text.size() <= kMaxNumberLength) {
    target = text;
  } else {
    fail(name, invalid_value(*value, "a quantity between " + std::string(shown)));
  }
}

void ObjectReader::unsupported(std::string_view name, std::string const& text,
                               std::vector<std::string_view> const& allowed) {
  fail(name, "Unsupported value: \"" + text + "\": must be one of " + joined(allowed));
}

void ObjectReader::finish() {
  if (unknown_ == UnknownFields::Ignore) return;
  for (auto const& entry : *object_) {
    if (std::find(known_.begin(), known_.end(), entry.key()) != known_.end()) continue;
    std::string message = "unknown field";
    auto const nearest = std::min_element(known_.begin(), known_.end(), [&](auto const& a, auto const& b) {
      return distance(a, entry.key()) < distance(b, entry.key());
    });
    // A third of the word wrong is still a typing error; more is another word.
    if (nearest != known_.end() && distance(*nearest, entry.key()) * 3 <= nearest->size()) {
      message += ", did you mean \"" + *nearest + "\"?";
    }
    fail(std::string(entry.key()), std::move(message));
  }
}

}  // namespace ei::api
