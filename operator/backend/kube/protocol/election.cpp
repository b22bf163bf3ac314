#include "operator/backend/kube/protocol/election.hpp"

#include "operator/backend/kube/protocol/neighbours.hpp"
#include "operator/backend/kube/protocol/resource.hpp"
#include "runtime/core/json.hpp"

#include <utility>

namespace ei::kube {
namespace {

std::int64_t integer_at(boost::json::value const& object, std::string_view path) {
  auto const* value = find_member(object, path);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

std::optional<WallTime> time_at(boost::json::value const& object, std::string_view path) {
  auto const parsed = parse_rfc3339(string_or(object, path));
  return parsed ? std::optional(*parsed) : std::nullopt;
}

/// Beside what others gave it.
void add(boost::json::object& others, std::string_view map, std::string_view name, std::string_view value) {
  auto& of_map = others[map];
  if (!of_map.is_object()) of_map.emplace_object();
  of_map.get_object()[name] = value;
}

}  // namespace

LeaseRecord read_lease(boost::json::value const& object) {
  LeaseRecord record;
  record.holder = string_or(object, "spec.holderIdentity");
  record.duration = std::chrono::seconds(integer_at(object, "spec.leaseDurationSeconds"));
  record.acquired = time_at(object, "spec.acquireTime");
  record.renewed = time_at(object, "spec.renewTime");
  record.transitions = integer_at(object, "spec.leaseTransitions");
  record.resource_version = string_or(object, "metadata.resourceVersion");
  for (auto const* name : {"labels", "annotations"}) {
    auto const* value = find_member(object, std::string("metadata.") + name);
    if (value != nullptr && value->is_object()) record.others[name] = *value;
  }
  return record;
}

boost::json::object write_lease(LeaseRecord const& record, std::string const& namespace_name,
                                std::string const& name) {
  boost::json::object metadata = record.others;
  metadata["name"] = name;
  metadata["namespace"] = namespace_name;
  if (!record.resource_version.empty()) metadata["resourceVersion"] = record.resource_version;
  boost::json::object spec{{"holderIdentity", record.holder},
                           {"leaseDurationSeconds", record.duration.count()},
                           {"leaseTransitions", record.transitions}};
  if (record.acquired) spec["acquireTime"] = format_rfc3339(*record.acquired);
  if (record.renewed) spec["renewTime"] = format_rfc3339(*record.renewed);
  return {{"apiVersion", api_version(kLeases)},
          {"kind", kLeases.kind},
          {"metadata", std::move(metadata)},
          {"spec", std::move(spec)}};
}

Elector::Elector(Options options) : options_(std::move(options)), jitter_(options_.seed) {}

bool Elector::may_write(SteadyTime now) const {
  return leader_ && now < write_deadline();
}

milliseconds Elector::retry() {
  return jitter_.stretch(options_.retry_period, 0.2);
}

Elector::Step Elector::step(Input const& input, SteadyTime now, WallTime wall) {
  if (leader_ && !may_write(now)) leader_ = false;
  if (std::holds_alternative<Started>(input)) return {milliseconds(0), Read{}};
  if (auto const* found = std::get_if<Found>(&input)) return on_found(found->record, now, wall);
  if (std::holds_alternative<Missing>(input)) {
    record_ = {};
    return claim(now, wall);
  }
  if (auto const* failed = std::get_if<Failed>(&input)) return on_failed(failed->error, now);

  // Written: ours from the moment the request was sent, for the server may have taken it that early.
  if (!writing_) return {retry(), Read{}};
  record_ = std::move(*writing_);
  writing_.reset();
  record_.resource_version = std::get<Written>(input).resource_version;
  observed_at_ = now;
  renewed_at_ = sent_at_;
  // An answer that comes after the deadline says nothing about now: the next renewal will.
  leader_ = now < write_deadline();
  auto next = claim(now, wall);
  next.delay = retry();
  return next;
}

Elector::Step Elector::on_found(LeaseRecord const& record, SteadyTime now, WallTime wall) {
  if (record != record_) {
    record_ = record;
    observed_at_ = now;
  }
  bool const ours = record_.holder == options_.identity;
  if (!ours) leader_ = false;
  bool const held = !record_.holder.empty() && now < observed_at_ + record_.duration;
  if (!ours && held) return {retry(), Read{}};
  return claim(now, wall);
}

Elector::Step Elector::claim(SteadyTime, WallTime wall) {
  LeaseRecord next = record_;
  if (next.holder != options_.identity) {
    next.holder = options_.identity;
    next.acquired = wall;
    // A lease that nobody has held yet does not change hands.
    if (!record_.resource_version.empty()) ++next.transitions;
  }
  if (!options_.watches.empty()) {
    add(next.others, "labels", kOperatorLeaseLabel, kOperatorLease);
    add(next.others, "annotations", kWatchesAnnotation, options_.watches);
  }
  next.duration = options_.duration;
  next.renewed = wall;
  writing_ = next;
  return {milliseconds(0), Write{std::move(next)}};
}

Elector::Step Elector::on_failed(Error const& error, SteadyTime now) {
  writing_.reset();
  bool const moved = error.kind == ErrorKind::Conflict || error.kind == ErrorKind::AlreadyExists ||
                     error.kind == ErrorKind::NotFound;
  // A leader must know at once whether it still is one; the rest need not hurry.
  if (moved && may_write(now)) return {milliseconds(0), Read{}};
  return {retry(), Read{}};
}

std::optional<Elector::Write> Elector::release(SteadyTime now, WallTime wall) {
  if (!may_write(now)) return std::nullopt;
  leader_ = false;
  LeaseRecord released = record_;
  released.holder.clear();
  released.duration = std::chrono::seconds(1);
  released.renewed = wall;
  return Write{std::move(released)};
}

}  // namespace ei::kube
