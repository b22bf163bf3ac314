#include "operator/page/tryout.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <charconv>
#include <cmath>
#include <map>

#include "operator/api/limits.hpp"
#include "operator/api/parse.hpp"
#include "operator/page/json.hpp"
#include "runtime/core/json.hpp"
#include "runtime/http/message.hpp"

namespace ei::page {
namespace {

namespace json = boost::json;

// What a person turns to make a service faster or cheaper.
constexpr std::array<std::string_view, 7> kFields{
    "policy", "queueTarget", "latencyTarget", "minReplicas", "maxReplicas", "cooldown", "idleAfter"};
// No value that is allowed is longer.
constexpr std::size_t kMostValueBytes = 40;
// Of the chart: 360 points on an hour, as many as a phone has pixels.
constexpr std::int64_t kBucketSeconds = 10;

Error refuse(std::string const& message) {
  return make_error(ErrorKind::Invalid, message);
}

/// A number where it is one: a manifest has `minReplicas: 2` and `cooldown: 60s`.
json::value value_of(std::string const& text) {
  std::int64_t number = 0;
  auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed == std::errc() && end == text.data() + text.size()) return number;
  return json::string(text);
}

Result<api::Spec> spec_of(json::object const& spec) {
  json::object const whole{{"apiVersion", api::kApiVersion},
                           {"kind", api::kKind},
                           {"metadata", {{"name", "trial"}}},
                           {"spec", spec}};
  auto parsed = api::parse_service(whole);
  if (!parsed.service) return refuse(api::to_string(parsed.errors));
  return std::move(parsed.service->spec);
}

double rounded(double number) {
  return std::round(number * 10) / 10;
}

json::value json_of(std::optional<milliseconds> const& time) {
  return time ? json::value(time->count()) : json::value();
}

json::object json_of(advice::Modelled const& modelled) {
  auto const most = std::max_element(modelled.workers.begin(), modelled.workers.end());
  return {
      {"p50_ms", json_of(modelled.p50)},     {"p99_ms", json_of(modelled.p99)},
      {"late", std::llround(modelled.late)}, {"core_seconds", std::llround(modelled.core_seconds)},
      {"changes", modelled.changes},         {"most_workers", most == modelled.workers.end() ? 0 : *most}};
}

/// What the spans of ten seconds come to.
struct Bucket {
  double seconds = 0;
  double requests = 0;
  int workers = 0;
  int acting = 0;
  int tried = 0;
};

}  // namespace

Result<Tryout> Tryout::begin(api::ServiceKey const& key, Known known, std::string_view query) {
  Tryout out(key, std::move(known));
  if (auto const read = out.read(query); !read) return read.error();
  return out;
}

Result<void> Tryout::read(std::string_view query) {
  for (auto const& [name, value] : http::query_pairs(query)) {
    if (std::find(kFields.begin(), kFields.end(), name) == kFields.end()) {
      std::string allowed;
      for (auto const each : kFields) allowed += (allowed.empty() ? "" : ", ") + std::string(each);
      return refuse("'" + name.substr(0, kMostValueBytes) + "' cannot be tried; allowed: " + allowed);
    }
    if (!value || value->size() > kMostValueBytes)
      return refuse(name + ": its value must be at most " + std::to_string(kMostValueBytes) +
                    " bytes of percent-encoded text");
    changes_[name] = value_of(*value);
  }
  auto const manifest = parse_json(known_.manifest);
  if (!manifest || !manifest->is_object()) return refuse("the spec in force cannot be read");
  auto spec = manifest->get_object();
  auto acting = spec_of(spec);
  if (!acting) return acting.error();
  cores_ = api::worker_cores(*acting);
  auto& settings = spec["scaling"].get_object();
  // An interval that nobody named is the policy's own.
  auto const usual = acting->scaling.policy == scaling::Policy::QueueRatio ? api::kDefaultQueueRatioInterval
                                                                           : api::kDefaultInterval;
  if (changes_.contains("policy") && acting->scaling.interval == usual) settings.erase("interval");
  for (auto const& [name, value] : changes_) settings[name] = value;
  auto tried = spec_of(spec);
  if (!tried) return tried.error();
  // What is as it is needs no patch, however it is written.
  auto const before = api::to_json(*acting).at("scaling").get_object();
  auto const after = api::to_json(*tried).at("scaling").get_object();
  for (auto const& [name, value] : before) {
    if (value == after.at(name)) changes_.erase(name);
  }
  acting->scaling.standby = tried->scaling.standby = known_.standbys;
  auto const start = known_.start_seconds;
  auto with_changes = advice::Trial::begin(known_.hour, known_.service, *tried, start);
  if (!with_changes) return with_changes.error();
  tried_ = std::move(*with_changes);
  if (auto as_it_is = advice::Trial::begin(known_.hour, known_.service, *acting, start)) {
    acting_ = std::move(*as_it_is);
  } else {
    why_none_ = as_it_is.error().message;
    acting_done_ = true;
  }
  return {};
}

bool Tryout::step() {
  if (acting_done_) return tried_->step();
  acting_done_ = !acting_->step();
  return true;
}

json::object Tryout::measured() const {
  std::int64_t requests = 0;
  std::int64_t late = 0;
  double seconds = 0;
  double core_seconds = 0;
  for (auto const& span : known_.hour) {
    requests += span.requests;
    late += span.late;
    seconds += span.tenths / 10.0;
    core_seconds += span.tenths / 10.0 * span.workers * cores_;
  }
  return {{"requests", requests},
          {"late", late},
          {"seconds", std::llround(seconds)},
          {"core_seconds", std::llround(core_seconds)},
          {"service_ms", rounded(known_.service.seconds * 1000)},
          {"start_s", rounded(known_.start_seconds)}};
}

json::array Tryout::timeline() const {
  std::map<std::int64_t, Bucket> buckets;
  auto const tried = tried_->result().workers;
  auto const acting = acting_ ? acting_->result().workers : std::vector<int>();
  for (std::size_t at = 0; at < known_.hour.size(); ++at) {
    auto const& span = known_.hour[at];
    double const rps = span.requests / (span.tenths / 10.0);
    double begin = span.begin;
    double const end = begin + span.tenths / 10.0;
    while (begin < end) {
      auto const index = static_cast<std::int64_t>(begin) / kBucketSeconds;
      double const until = std::min(end, static_cast<double>((index + 1) * kBucketSeconds));
      auto& bucket = buckets[index * kBucketSeconds];
      bucket.seconds += until - begin;
      bucket.requests += rps * (until - begin);
      bucket.workers = std::max<int>(bucket.workers, span.workers);
      bucket.tried = std::max(bucket.tried, tried[at]);
      if (!acting.empty()) bucket.acting = std::max(bucket.acting, acting[at]);
      begin = until;
    }
  }
  json::array out;
  for (auto const& [second, bucket] : buckets) {
    out.push_back(json::array{second, rounded(bucket.requests / bucket.seconds), bucket.workers,
                              acting.empty() ? json::value() : json::value(bucket.acting), bucket.tried});
  }
  return out;
}

json::object Tryout::result() const {
  json::object out{{"version", kModelVersion},
                   {"measured", measured()},
                   {"acting", acting_ ? json::value(json_of(acting_->result())) : json::value()},
                   {"acting_message", why_none_},
                   {"tried", json_of(tried_->result())},
                   {"timeline", timeline()}};
  if (changes_.empty()) {
    out["command"] = "";
    return out;
  }
  // Nothing in it needs a shell's quoting: each value was read by the API's own rules.
  out["command"] = "kubectl patch eis " + key_.name + " -n " + key_.namespace_name + " --type merge -p '" +
                   to_json_text(json::object{{"spec", {{"scaling", changes_}}}}) + "'";
  return out;
}

}  // namespace ei::page
