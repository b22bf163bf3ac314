#include "operator/show/row.hpp"

namespace ei::show {
namespace {

std::string trouble_of(api::Status const& status) {
  auto const* ready = find_condition(status.conditions, api::kReady);
  auto const* limited = find_condition(status.conditions, api::kScalingLimited);
  if (ready && ready->status == api::ConditionStatus::False) {
    for (auto const type : {api::kWorkersReady, api::kDispatcherReady}) {
      auto const* child = find_condition(status.conditions, type);
      bool const tells = child && child->status == api::ConditionStatus::False && child->reason != "Starting";
      if (tells) return child->reason + ": " + child->message;
    }
    return ready->reason + ": " + ready->message;
  }
  if (ready && ready->reason == "InvalidEdit") return ready->message;
  if (limited && limited->status == api::ConditionStatus::True)
    return limited->reason + ": " + limited->message;
  return {};
}

}  // namespace

Row row_of(api::ServiceKey const& key, api::Status const& status, std::string const& endpoint) {
  Row row;
  row.name = key.namespace_name == "default" ? key.name : to_string(key);
  auto const* ready = find_condition(status.conditions, api::kReady);
  row.ready = ready && ready->status == api::ConditionStatus::True;
  row.queue = status.queue.depth;
  row.arrival_rate = status.queue.arrival_rate;
  row.replicas = status.replicas;
  row.ready_replicas = status.ready_replicas;
  row.desired = status.desired_replicas;
  row.p99 = status.queue.p99;
  if (status.last_decision) {
    row.reason = status.last_decision->reason;
    row.formula = status.last_decision->formula;
  }
  row.endpoint = endpoint;
  row.trouble = trouble_of(status);
  return row;
}

}  // namespace ei::show
