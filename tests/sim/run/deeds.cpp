#include "operator/backend/kube/children/labels.hpp"
#include "tests/sim/api/members.hpp"
#include "tests/sim/run/names.hpp"
#include "tests/sim/run/run.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <utility>

// What a Run does at the moments of its script.
namespace ei::sim {
namespace {

namespace json = boost::json;

std::string draw_policy(simulation::Rng& rng) {
  auto const drawn = rng.uniform();
  return drawn < 0.2 ? "External" : drawn < 0.6 ? "Latency" : "QueueRatio";
}

/// Bounds by the clock: for the whole day, or (`changes`) every second minute as well.
json::array draw_schedule(simulation::Rng& rng, bool changes) {
  json::array entries{json::object{{"name", "day"},
                                   {"cron", "0 0 * * *"},
                                   {"duration", "24h"},
                                   {"maxReplicas", static_cast<int>(2 + rng.below(3))}}};
  if (changes)
    entries.push_back(json::object{{"name", "peak"},
                                   {"cron", "*/2 * * * *"},
                                   {"duration", "1m"},
                                   {"minReplicas", static_cast<int>(2 + rng.below(2))},
                                   {"maxReplicas", static_cast<int>(4 + rng.below(3))}});
  return entries;
}

/// Of every third service. By a generator of its own, so that what else is drawn is what it was without.
json::array draw_advisors(std::uint64_t seed) {
  simulation::Rng rng(0xad0000 + seed);
  json::array advisors;
  if (rng.uniform() > 1.0 / 3) return advisors;
  for (auto const advisor : scaling::kAdvisors) {
    if (rng.uniform() < 0.5) advisors.emplace_back(scaling::name(advisor));
  }
  return advisors;
}

}  // namespace

/// Every fourth time a program decides.
void Run::set_policy(json::object& scaling, std::string drawn, simulation::Rng& rng) {
  bool const program = rng.uniform() < 0.25;
  scaling["policy"] = program ? "Webhook" : std::move(drawn);
  scaling["webhook"] = nullptr;
  if (!program) return;
  json::object webhook{{"url", Policies::kUrl}, {"onFailure", rng.uniform() < 0.5 ? "Hold" : "Latency"}};
  if (rng.uniform() < 0.5) webhook["timeout"] = "500ms";
  scaling["webhook"] = std::move(webhook);
}

void Run::send(std::string method, std::string target, json::object const& body) {
  http::Request request;
  request.method = std::move(method);
  request.target = std::move(target) + "?fieldManager=kubectl";
  request.headers.set("Content-Type",
                      request.method == "PATCH" ? "application/merge-patch+json" : "application/json");
  if (!body.empty()) request.body = json::serialize(body);
  auto const answer = api_.handle(request, wall());
  tell("somebody: " + request.method + " " + request.target + " -> " + std::to_string(answer.status));
}

void Run::create_service(std::size_t number) {
  simulation::Rng rng(script_.seed + 10 + number);
  auto policy = draw_policy(rng);
  json::object scaling{{"minReplicas", static_cast<int>(rng.below(3))},
                       {"idleAfter", std::to_string(2 + rng.below(5)) + "s"},
                       {"maxReplicas", static_cast<int>(3 + rng.below(5))},
                       {"queueTarget", 10},
                       {"cooldown", "10s"},
                       {"interval", rng.uniform() < 0.5 ? "2s" : "5s"}};
  if (rng.uniform() < 0.2) scaling["schedule"] = draw_schedule(rng, true);
  simulation::Rng webhook_rng(0x3eb0000 + script_.seed + number);
  set_policy(scaling, std::move(policy), webhook_rng);
  if (auto advisors = draw_advisors(script_.seed + number); !advisors.empty())
    scaling["advisors"] = std::move(advisors);
  json::object spec{{"replicas", static_cast<int>(rng.below(7))},
                    {"scaling", std::move(scaling)},
                    {"dispatcher", json::object{{"replicas", static_cast<int>(1 + rng.below(2))}}}};
  json::object body{{"apiVersion", api::kApiVersion},
                    {"kind", api::kKind},
                    {"metadata", json::object{{"name", service_name(number)}, {"namespace", kNamespace}}},
                    {"spec", std::move(spec)}};
  send("POST", kube::collection_path(kube::kInferenceServices, kNamespace), body);
}

void Run::edit_service(std::size_t number, Edit edit) {
  json::object scaling;
  bool const last = edit == Edit::Last;
  if (edit == Edit::Broken) {
    scaling["minReplicas"] = 50;
    scaling["maxReplicas"] = 2;
  } else {
    scaling["minReplicas"] = static_cast<int>(rng_.below(3));
    scaling["maxReplicas"] = static_cast<int>(2 + rng_.below(6));
    // In the end nothing is paused, and no bound changes by the clock.
    scaling["paused"] = !last && rng_.uniform() < 0.15;
    if (last)
      scaling["advisors"] = nullptr;  // advice is written twice a minute, and then there is to be silence
    if (last || rng_.uniform() < 0.3) scaling["schedule"] = nullptr;
    if (rng_.uniform() < 0.2) scaling["schedule"] = draw_schedule(rng_, !last);
    if (rng_.uniform() < 0.15) set_policy(scaling, draw_policy(rng_), webhook_rng_);
  }
  json::object spec{{"scaling", std::move(scaling)}};
  if (edit != Edit::Broken && rng_.uniform() < 0.5)
    spec["worker"] =
        json::object{{"resources", json::object{{"memory", std::to_string(1 + rng_.below(8)) + "Gi"}}}};
  auto const path = kube::object_path(kube::kInferenceServices, {kNamespace, service_name(number)});
  send("PATCH", path, {{"spec", std::move(spec)}});
}

void Run::edit_child(std::uint64_t number, bool remove) {
  std::vector<std::pair<Kind const*, kube::ObjectKey>> all;
  for (auto const& kind : kinds()) {
    if (!kind.owned_fields || kind.type == kube::kInferenceServices) continue;
    for (auto const& [key, object] : api_.storage().all(kind)) all.emplace_back(&kind, key);
  }
  if (all.empty()) return;
  auto const& [kind, key] = all[number % all.size()];
  auto const path = kube::object_path(kind->type, key);
  if (remove) {
    send("DELETE", path, {});
    return;
  }
  // A label that the operator set, and for a Deployment its count as well.
  json::object body{{"metadata", json::object{{"labels", json::object{{kube::kManagedByLabel, "me"}}}}}};
  if (kind->type == kube::kDeployments && number % 2 == 0)
    body = {{"spec", json::object{{"replicas", static_cast<int>(number % 5)}}}};
  send("PATCH", path, body);
}

void Run::cut_streams() {
  network_.cut_streams();
  for (auto const& kind : kinds()) network_.on_change(kind);
}

void Run::perform(Script::Moment const& moment, SteadyTime now) {
  auto const index = static_cast<std::size_t>(moment.number % places_.size());
  auto const service = static_cast<std::size_t>(moment.number % static_cast<std::uint64_t>(script_.services));
  auto const after = now + std::chrono::milliseconds(static_cast<std::int64_t>(moment.seconds * 1000));
  auto& process = places_[index].process;
  auto const path = kube::object_path(kube::kInferenceServices, {kNamespace, service_name(service)});
  switch (moment.what) {
    case What::Weather:
      tell("the weather changes");
      network_.weather = moment.weather;
      // A server that refuses requests has dropped its watches too.
      if (moment.weather.refused_share > 0) cut_streams();
      break;
    case What::ServerDown:
      tell("the API server goes down");
      network_.weather.server_down = true;
      cut_streams();
      agenda_.at(after, [this](SteadyTime) {
        tell("the API server is back");
        network_.weather.server_down = false;
        api_.restart();
      });
      break;
    case What::Compact:
      tell("old versions are forgotten");
      api_.restart();
      for (auto const& kind : kinds()) network_.on_change(kind);
      break;
    case What::Freeze:
      tell("a process stands still");
      if (process) process->freeze(after);
      break;
    case What::ShiftWall:
      if (process) process->shift_wall(std::chrono::seconds(static_cast<int>(moment.number % 7200) - 3600));
      break;
    case What::Terminate:
      tell("a process is asked to end");
      if (process && !process->peer().dead) process->stop();
      break;
    case What::Crash:
      if (process) process->crash_after(1 + moment.number % 80, moment.number % 2 == 0);
      break;
    case What::ScaleByHand:
      send("PATCH",
           kube::object_path(kube::kDeployments, {kNamespace, kube::worker_name(service_name(service))},
                             "scale"),
           {{"spec", json::object{{"replicas", static_cast<int>(moment.number % 6)}}}});
      break;
    case What::EditChild:
    case What::DeleteChild:
      edit_child(moment.number, moment.what == What::DeleteChild);
      break;
    case What::EditSpec:
    case What::BreakSpec:
      edit_service(service, moment.what == What::EditSpec ? Edit::Valid : Edit::Broken);
      break;
    case What::DeleteService:
      // kubectl delete --cascade=orphan leaves the children, and they are nobody's then.
      send("DELETE", path,
           moment.number % 3 == 0 ? json::object{{"propagationPolicy", "Orphan"}} : json::object{});
      break;
    case What::ScaleService:
      send("PATCH", kube::object_path(kube::kInferenceServices, {kNamespace, service_name(service)}, "scale"),
           {{"spec", json::object{{"replicas", static_cast<int>(moment.number % 7)}}}});
      break;
    case What::PutForeign:
      put_foreign(service, moment.number / 2);
      break;
    case What::CreateService:
      create_service(service);
      break;
    case What::MetricsDown:
      tell("dispatchers give no metrics");
      load_.answers = false;
      agenda_.at(after, [this](SteadyTime) { load_.answers = true; });
      break;
    case What::Rate:
      load_.arrivals_rps = static_cast<double>(moment.number % 60);
      break;
  }
}

}  // namespace ei::sim
