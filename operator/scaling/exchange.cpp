#include "operator/scaling/exchange.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "operator/scaling/json.hpp"
#include "runtime/core/json.hpp"

namespace ei::scaling {
namespace {

namespace json = boost::json;

/// As much of what was answered as shows what it is.
std::string shown(std::string_view text) {
  constexpr std::size_t kMost = 80;
  std::string out;
  for (char const c : text.substr(0, kMost)) {
    bool const plain = static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f;
    out += plain ? c : '?';
  }
  return '"' + out + (text.size() > kMost ? "…\"" : "\"");
}

Error invalid(std::string message) {
  return make_error(ErrorKind::Invalid, std::move(message));
}

std::string shown(json::value const& value) {
  return shown(to_json_text(value));
}

Result<void> read_replicas(json::object const& object, Answer& answer) {
  json::value const* const value = object.if_contains("replicas");
  if (!value) return invalid("replicas is missing: it must be an integer in [0, 1000]");
  boost::system::error_code failed;
  // 4.0 is an integer too: languages with one kind of number write it so.
  double const number = value->is_number() ? value->to_number<double>(failed) : -1;
  auto const count = number >= 0 && number <= kMostAnsweredReplicas ? static_cast<int>(number) : -1;
  if (count < 0 || static_cast<double>(count) != number)
    return invalid("replicas is " + shown(*value) + ": it must be an integer in [0, 1000]");
  answer.replicas = count;
  return {};
}

bool is_word(std::string_view text) {
  auto const letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  auto const digit = [](char c) { return c >= '0' && c <= '9'; };
  return !text.empty() && text.size() <= kMostReasonBytes && letter(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return letter(c) || digit(c) || c == '_' || c == '-'; });
}

Result<void> read_reason(json::object const& object, Answer& answer) {
  constexpr char const* kAllowed =
      "it must be one word of at most 64 letters, digits, '-' and '_' that begins with a letter";
  json::value const* const value = object.if_contains("reason");
  if (!value) return invalid(std::string("reason is missing: ") + kAllowed);
  if (!value->is_string() || !is_word(value->get_string()))
    return invalid("reason is " + shown(*value) + ": " + kAllowed);
  answer.reason = std::string(value->get_string());
  return {};
}

/// The sentence goes into events and logs: one line, and not longer than these carry.
Result<void> read_explanation(json::object const& object, Answer& answer) {
  json::value const* const value = object.if_contains("explanation");
  if (!value || value->is_null()) return {};
  if (!value->is_string() || value->get_string().size() > kMostExplanationBytes)
    return invalid("explanation is " + shown(*value) + ": it must be a text of at most 512 bytes");
  for (char const c : value->get_string()) {
    bool const control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    answer.explanation += control ? ' ' : c;
  }
  return {};
}

}  // namespace

std::string question(std::string_view service, Settings const& settings, Snapshot const& snapshot, Time now) {
  auto const now_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
  Snapshot unanswered = snapshot;
  unanswered.answer.reset();
  json::object object;
  object["version"] = kExchangeVersion;
  object["service"] = service;
  object["now_ns"] = now_ns;
  object["settings"] = to_json(settings);
  object["snapshot"] = to_json(unanswered);
  return to_json_text(object);
}

Result<Answer> read_answer(std::string_view text) {
  if (text.size() > kMostAnswerBytes)
    return invalid("the answer has " + std::to_string(text.size()) + " bytes: at most 16384 are read");
  auto const value = parse_json(text);
  if (!value) return invalid(shown(text) + " is not JSON: " + value.error().message);
  json::object const* const object = value->if_object();
  if (!object)
    return invalid(shown(text) + R"( is not an object such as {"replicas": 2, "reason": "LoadRose"})");
  if (json::value const* version = object->if_contains("version"); version && *version != kExchangeVersion)
    return invalid("version is " + shown(*version) + ": it must be 1, or be left out");
  Answer answer;
  for (auto const read : {read_replicas, read_reason, read_explanation}) {
    auto const done = read(*object, answer);
    if (!done) return done.error();
  }
  return answer;
}

}  // namespace ei::scaling
