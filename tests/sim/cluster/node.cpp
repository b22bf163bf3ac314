#include "tests/sim/cluster/node.hpp"

#include "tests/sim/api/members.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <utility>

namespace ei::sim {
namespace {

namespace json = boost::json;

// A pod is placed and its image is there in a moment.
constexpr double kPlacingSeconds = 0.5;
// What a container does after SIGTERM.
constexpr double kDrainSeconds = 2;
// The workers' liveness probe: six failures, ten seconds apart.
constexpr double kProbeSeconds = 60;
// The slowest ordinary start, of the average.
constexpr double kSlowest = 1.5;
// The kubelet's first back-off.
constexpr double kCrashSeconds = 10;

void set_condition(json::object& status, std::string_view type, bool holds, std::string const& time) {
  auto& list = status["conditions"];
  if (!list.is_array()) list = json::array{};
  auto const word = holds ? "True" : "False";
  for (auto& each : list.get_array()) {
    if (string_or(each, "type") != type) continue;
    auto& condition = each.get_object();
    if (string_or(each, "status") != word) condition["lastTransitionTime"] = time;
    condition["status"] = word;
    return;
  }
  list.get_array().push_back(json::object{{"type", type}, {"status", word}, {"lastTransitionTime", time}});
}

}  // namespace

SteadyTime Node::after(SteadyTime now, double seconds) const {
  return now + std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

void Node::step(SteadyTime now, WallTime wall) {
  auto const pods = api_.storage().all(kind_of(kube::kPods));
  std::map<std::string, Container> kept;
  for (auto const& [key, pod] : pods) {
    auto const uid = text_of(pod->object, "metadata.uid");
    auto& container = kept[uid];
    auto const known = containers_.find(uid);
    if (known != containers_.end()) {
      container = std::move(known->second);
    } else {
      container.number = ++numbers_;
      container.until = after(now, kPlacingSeconds);
    }
    bool const leaving = member_of(pod->object, "metadata.deletionTimestamp") != nullptr;
    if (leaving && !container.leaving) {
      container.leaving = true;
      container.until = after(now, rng_.uniform(0.2, kDrainSeconds));
    }
    advance(key, container, now, wall);
  }
  containers_ = std::move(kept);
  stepped_ = now;
}

void Node::end_fates() {
  fates.crash_rate = fates.hang_rate = fates.late_share = 0;
  for (auto const& [uid, each] : containers_) {
    bool const begins = each.state == State::Crashed || each.state == State::Hanging;
    if (begins || each.state == State::Starting)
      settled_by_ = std::max(settled_by_, after(each.until, begins ? kSlowest * fates.start_seconds : 0));
  }
}

void Node::begin(Container& container, SteadyTime now, WallTime wall) {
  bool const late = rng_.uniform() < fates.late_share;
  container.state = State::Starting;
  container.started = format_rfc3339_seconds(wall);
  container.until = after(now, rng_.uniform(0.5, kSlowest) * fates.start_seconds * (late ? 10 : 1));
}

void Node::advance(kube::ObjectKey const& key, Container& container, SteadyTime now, WallTime wall) {
  if (container.leaving) {
    if (now >= container.until) api_.remove(kube::kPods, key);
    return;
  }
  if (container.state == State::Ready) {
    double const seconds = std::chrono::duration<double>(now - stepped_).count();
    if (rng_.uniform() < fates.crash_rate * seconds) {
      container.state = State::Crashed;
      container.until = after(now, kCrashSeconds);
      ++container.restarts;
      tell(key, container, wall);
    } else if (rng_.uniform() < fates.hang_rate * seconds) {
      container.state = State::Hanging;
      container.until = after(now, kProbeSeconds);
      tell(key, container, wall);
    }
    return;
  }
  if (now < container.until) return;
  if (container.state == State::Hanging) ++container.restarts;
  if (container.state == State::Starting) {
    container.state = State::Ready;
  } else {
    begin(container, now, wall);
  }
  tell(key, container, wall);
}

void Node::tell(kube::ObjectKey const& key, Container const& container, WallTime wall) {
  auto const time = format_rfc3339_seconds(wall);
  api_.edit(kube::kPods, key, wall, [&](json::object& pod) {
    pod["spec"].as_object()["nodeName"] = "node";
    auto& status = pod["status"];
    if (!status.is_object()) status = json::object{};
    auto& told = status.get_object();
    told["phase"] = "Running";
    told["podIP"] =
        "10.0." + std::to_string(container.number / 250) + "." + std::to_string(container.number % 250 + 1);
    set_condition(told, "PodScheduled", true, time);
    set_condition(told, "Ready", container.state == State::Ready, time);
    json::object state{{"running", json::object{{"startedAt", container.started}}}};
    json::object last;
    if (container.state == State::Crashed)
      state = {{"waiting", json::object{{"reason", "CrashLoopBackOff"}}}};
    if (container.restarts > 0) last = {{"terminated", json::object{{"reason", "Error"}, {"exitCode", 1}}}};
    told["containerStatuses"] = json::array{json::object{{"name", "main"},
                                                         {"restartCount", container.restarts},
                                                         {"state", std::move(state)},
                                                         {"lastState", std::move(last)}}};
  });
}

}  // namespace ei::sim
