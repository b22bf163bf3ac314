#include "operator/plan/action.hpp"

namespace ei::plan {
namespace {

using boost::json::object;

object json_of(EnsureDispatcher const& action) {
  return {{"action", "EnsureDispatcher"}, {"replicas", action.replicas}};
}
object with_standby(object json, int standby) {
  if (standby > 0) json["standby"] = standby;
  return json;
}
object json_of(EnsureWorkers const& action) {
  return with_standby({{"action", "EnsureWorkers"}, {"replicas", action.replicas}}, action.standby);
}
object json_of(ScaleWorkers const& action) {
  return with_standby({{"action", "ScaleWorkers"}, {"replicas", action.replicas}}, action.standby);
}
object json_of(ReplaceWorker const& action) {
  return {{"action", "ReplaceWorker"}, {"worker", action.name}, {"why", action.why}};
}
object json_of(RecordEvent const& action) {
  object json{{"action", "RecordEvent"},
              {"type", action.type == EventType::Normal ? "Normal" : "Warning"},
              {"reason", action.reason},
              {"message", action.message}};
  if (!action.decision_id.empty()) json["decision"] = action.decision_id;
  return json;
}
object json_of(WriteStatus const& action) {
  object json{{"action", "WriteStatus"}, {"status", api::to_json(action.status)}};
  if (action.explanation) json["explanation"] = api::to_json(*action.explanation);
  return json;
}
object json_of(RemoveChildren const&) {
  return {{"action", "RemoveChildren"}};
}

}  // namespace

object to_json(Action const& action) {
  return std::visit([](auto const& each) { return json_of(each); }, action);
}

}  // namespace ei::plan
