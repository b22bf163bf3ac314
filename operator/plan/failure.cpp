#include "operator/plan/failure.hpp"

#include "runtime/core/redact.hpp"

namespace ei::plan {
namespace {

/// AlreadyExists: somebody else's object has the name of a child.
bool is_refusal(ErrorKind kind) {
  return kind == ErrorKind::Invalid || kind == ErrorKind::Forbidden || kind == ErrorKind::Unauthorized ||
         kind == ErrorKind::AlreadyExists;
}

}  // namespace

Actions plan_failure(Observation const& seen, Error const& error, WallTime now) {
  if (!is_refusal(error.kind) || seen.metadata.deleting) return {};
  api::Status status = seen.status;
  auto const message = redact_urls(error.message);
  api::Condition const told{
      std::string(api::kWorkersReady), api::ConditionStatus::False, "Refused", message, {},
      seen.metadata.generation};
  set_condition(status.conditions, told, now);
  if (status == seen.status) return {};
  return {RecordEvent{EventType::Warning, "Refused", message, {}}, WriteStatus{std::move(status)}};
}

}  // namespace ei::plan
