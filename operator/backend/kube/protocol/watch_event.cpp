#include "operator/backend/kube/protocol/watch_event.hpp"

#include "runtime/core/json.hpp"

#include <array>
#include <utility>

namespace ei::kube {
namespace {

constexpr std::array<std::pair<std::string_view, ErrorKind>, 15> kReasons{{
    {"AlreadyExists", ErrorKind::AlreadyExists},
    {"BadRequest", ErrorKind::Invalid},
    {"Conflict", ErrorKind::Conflict},
    {"Expired", ErrorKind::Gone},
    {"Forbidden", ErrorKind::Forbidden},
    {"Gone", ErrorKind::Gone},
    {"InternalError", ErrorKind::Unavailable},
    {"Invalid", ErrorKind::Invalid},
    {"MethodNotAllowed", ErrorKind::Invalid},
    {"NotFound", ErrorKind::NotFound},
    {"ServerTimeout", ErrorKind::Unavailable},
    {"ServiceUnavailable", ErrorKind::Unavailable},
    {"Timeout", ErrorKind::Timeout},
    {"TooManyRequests", ErrorKind::TooMany},
    {"Unauthorized", ErrorKind::Unauthorized},
}};

ErrorKind kind_of_code(std::int64_t code) {
  switch (code) {
    case 401:
      return ErrorKind::Unauthorized;
    case 403:
      return ErrorKind::Forbidden;
    case 404:
      return ErrorKind::NotFound;
    case 409:
      return ErrorKind::Conflict;
    case 410:
      return ErrorKind::Gone;
    case 429:
      return ErrorKind::TooMany;
    case 504:
      return ErrorKind::Timeout;
    default:
      return code >= 400 && code < 500 ? ErrorKind::Invalid : ErrorKind::Unavailable;
  }
}

std::int64_t integer_at(boost::json::value const& root, std::string_view path) {
  auto const* value = find_member(root, path);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

bool ends_initial_events(boost::json::value const& object) {
  auto const* annotations = find_member(object, "metadata.annotations");
  if (annotations == nullptr || !annotations->is_object()) return false;
  auto const* mark = annotations->get_object().if_contains("k8s.io/initial-events-end");
  return mark != nullptr && mark->is_string() && mark->get_string() == "true";
}

std::optional<watch::EventType> event_type(std::string_view word) {
  if (word == "ADDED") return watch::EventType::Added;
  if (word == "MODIFIED") return watch::EventType::Modified;
  if (word == "DELETED") return watch::EventType::Deleted;
  if (word == "BOOKMARK") return watch::EventType::Bookmark;
  return std::nullopt;
}

}  // namespace

std::optional<Error> error_from_status(boost::json::value const& body) {
  if (string_or(body, "kind") != "Status" || string_or(body, "status") != "Failure") return std::nullopt;
  auto const code = integer_at(body, "code");
  Error error{kind_of_code(code), std::string(string_or(body, "message")), static_cast<int>(code),
              std::nullopt};
  auto const reason = string_or(body, "reason");
  for (auto const& [word, kind] : kReasons) {
    if (word == reason) error.kind = kind;
  }
  if (error.message.empty()) error.message = reason.empty() ? "unexplained failure" : std::string(reason);
  if (auto const wait = integer_at(body, "details.retryAfterSeconds"); wait > 0) {
    error.retry_after = std::chrono::seconds(wait);
  }
  return error;
}

Result<WatchLine> parse_watch_line(std::string_view line) {
  auto parsed = parse_json(line);
  if (!parsed) return make_error(ErrorKind::Protocol, "watch line is not JSON: " + parsed.error().message);
  auto const word = string_or(*parsed, "type");
  auto* object = parsed->is_object() ? parsed->get_object().if_contains("object") : nullptr;
  if (object == nullptr || !object->is_object()) {
    return make_error(ErrorKind::Protocol, "watch line without an object");
  }
  if (word == "ERROR") {
    auto error = error_from_status(*object);
    if (!error) error = make_error(ErrorKind::Unavailable, "watch error without a status");
    return WatchLine{watch::Failed{std::move(*error)}, nullptr};
  }
  auto const type = event_type(word);
  if (!type) return make_error(ErrorKind::Protocol, "watch line of unknown type " + std::string(word));
  watch::EventArrived event{*type, std::string(string_or(*object, "metadata.resourceVersion")), false};
  if (*type == watch::EventType::Bookmark) event.initial_events_end = ends_initial_events(*object);
  return WatchLine{std::move(event), std::move(*object)};
}

}  // namespace ei::kube
