#include "tests/sim/run/counts.hpp"

#include "operator/api/parse.hpp"
#include "operator/backend/kube/children/labels.hpp"
#include "tests/sim/api/members.hpp"

#include <algorithm>
#include <vector>

namespace ei::sim {
namespace {

// Between two beats of the longest interval of a run (5 s) the last scrape counts while it is half as old.
constexpr std::chrono::milliseconds kDataAge{2'500};
// A reconcile has 10 s, its requests arrive within 2 s, and a process may stand still for 25 s meanwhile.
constexpr std::chrono::seconds kOnTheWay{37};

/// Bounds and policy that one version of a spec asks for at that time; none where it is not valid.
std::optional<scaling::Settings> settings_of(RevisionPtr const& state, WallTime wall) {
  if (state == nullptr) return std::nullopt;
  auto const parsed = api::parse_service(boost::json::value(state->object), api::UnknownFields::Ignore);
  if (!parsed.service) return std::nullopt;
  auto const& spec = parsed.service->spec;
  return schedule::in_force(spec.scaling, spec.schedule, wall).settings;
}

/// Whether the owner's word alone leads to this count.
bool owner_asks(scaling::Settings const& settings, std::int64_t count) {
  if (count == settings.max_replicas) return true;
  return settings.policy == scaling::Policy::External &&
         count == std::clamp(settings.external_replicas, settings.min_replicas, settings.max_replicas);
}

}  // namespace

void Counts::on_scrape(std::string const& process, api::ServiceKey const& service, bool heard,
                       SteadyTime now) {
  auto& scraped = scraped_[{process, service}];
  scraped.heard = heard;
  if (heard) scraped.at = now;
}

void Counts::on_decided(std::string const& process, reconcile::Decided const& decided, std::uint64_t version,
                        SteadyTime now) {
  Place const place{process, decided.seen.metadata.key()};
  Decision made;
  made.at = now;
  made.wall = decided.wall_now;
  made.to = plan::granted(*decided.verdict.decision, decided.seen.shortage);
  if (auto const found = scraped_.find(place); found != scraped_.end())
    made.on_data = found->second.heard && now - found->second.at <= kDataAge;
  if (auto const found = asked_.find(place); found != asked_.end()) made.asked = found->second;
  made.version = version;
  made.deployments = knowledge_.seen(process, kind_of(kube::kDeployments));
  made.services = knowledge_.seen(process, kind_of(kube::kInferenceServices));
  auto& decisions = decisions_[place];
  while (!decisions.empty() && now - decisions.front().at > kOnTheWay) decisions.pop_front();
  decisions.push_back(made);
}

Counts::Finding Counts::judge(api::ServiceKey const& service, Decision const& decision) const {
  kube::ObjectKey const deployment{service.namespace_name, kube::worker_name(service.name)};
  bool falls = !decision.asked || decision.to < *decision.asked;
  bool changes = decision.asked != decision.to;
  for (auto const& state :
       knowledge_.states(kind_of(kube::kDeployments), deployment, decision.deployments, decision.version)) {
    auto const ran = state == nullptr ? decision.to : number_of(state->object, "spec.replicas", 1);
    falls = falls && decision.to < ran;
    changes = changes && decision.to != ran;
  }
  if (!changes) return Finding::Right;
  // The specs that the process may have had in mind, and the valid one before them: of a spec that is not
  // valid nothing is taken.
  auto const& kind = kind_of(kube::kInferenceServices);
  kube::ObjectKey const key{service.namespace_name, service.name};
  auto specs = knowledge_.history(kind, key, decision.version);
  auto const known = knowledge_.states(kind, key, decision.services, decision.version).size();
  bool paused = true;
  bool known_spec = false;
  for (std::size_t back = 1; back <= specs.size(); ++back) {
    auto const settings = settings_of(specs[specs.size() - back], decision.wall);
    if (settings && owner_asks(*settings, decision.to)) falls = false;
    paused = paused && (!settings || settings->paused);
    known_spec = known_spec || settings;
    if (settings && back >= known) break;
  }
  if (paused && known_spec) return Finding::Paused;
  return falls && !decision.on_data ? Finding::Fell : Finding::Right;
}

std::string Counts::on_write(std::string const& process, api::ServiceKey const& service, std::int64_t live,
                             std::int64_t count, SteadyTime now) {
  Place const place{process, service};
  auto const found = decisions_.find(place);
  std::optional<Finding> best;
  if (found != decisions_.end()) {
    for (auto const& decision : found->second) {
      if (decision.to != count || now - decision.at > kOnTheWay) continue;
      auto const finding = judge(service, decision);
      if (!best || finding == Finding::Right) best = finding;
      if (finding == Finding::Right) break;
    }
  }
  asked_[place] = count;
  if (count == live) return {};  // what was found may stay, whatever was decided
  auto const what = std::to_string(count) + " for " + service.name + ", by " + process;
  if (!best) return "a count that nobody decided: " + what;
  if (*best == Finding::Fell) return "replicas fell on missing data: " + what;
  if (*best == Finding::Paused) return "the count of a paused service changed: " + what;
  return {};
}

std::uint64_t Counts::deployments_seen(std::string const& process, api::ServiceKey const& service,
                                       SteadyTime now) const {
  auto const found = decisions_.find({process, service});
  auto oldest = knowledge_.seen(process, kind_of(kube::kDeployments));
  if (found == decisions_.end()) return oldest;
  for (auto const& decision : found->second) {
    if (now - decision.at <= kOnTheWay) oldest = std::min(oldest, decision.deployments);
  }
  return oldest;
}

}  // namespace ei::sim
