#include "operator/show/explain.hpp"

#include <algorithm>
#include <set>

#include "operator/scaling/json.hpp"
#include "operator/scaling/words.hpp"
#include "runtime/core/fields.hpp"
#include "runtime/core/json.hpp"

namespace ei::show {
namespace {

namespace json = boost::json;

/// A line of a thousand workers is 100 kB.
constexpr std::size_t kLongestLine = 4U << 20U;

Error bad_line(std::size_t number, std::string const& why) {
  return make_error(ErrorKind::Invalid, "line " + std::to_string(number) + " of the decision log: " + why);
}

/// What is shown of a log record's `decision`.
struct Shown {
  int from = 0;
  int to = 0;
  std::string reason;
  std::string formula;
  std::string term;
  std::string limit;
  std::string why_not_more;
  std::string why_not_less;
};

template <class Fields>
void list_members(Fields& fields, Shown& decision) {
  fields("from", decision.from);
  fields("to", decision.to);
  fields("reason", decision.reason);
  fields("formula", decision.formula);
  fields("term", decision.term);
  fields("limit", decision.limit);
  fields("why_not_more", decision.why_not_more);
  fields("why_not_less", decision.why_not_less);
}

Result<Told> told_of(json::value const& line) {
  auto const* decision = find_member(line, "decision");
  if (decision == nullptr || !decision->is_object())
    return make_error(ErrorKind::Invalid, "it has no decision");
  auto shown = read_fields_leniently<Shown>(*decision);
  Told told{std::string(string_or(line, "name")), std::string(string_or(line, "namespace")), {}};
  auto& record = told.record;
  record.id = string_or(line, "id");
  if (auto const time = parse_rfc3339(string_or(line, "ts"))) record.time = *time;
  record.from = shown.from;
  record.to = shown.to;
  record.reason = std::move(shown.reason);
  record.formula = std::move(shown.formula);
  told.bound = scaling::limit_in_words(shown.limit);
  told.why_not_more = std::move(shown.why_not_more);
  told.why_not_less = std::move(shown.why_not_less);
  static json::value const kNone;
  auto const* inputs = find_member(*decision, "inputs");
  auto const read = scaling::inputs_from_json(inputs != nullptr ? *inputs : kNone);
  told.measured = scaling::measured_in_words(read);
  told.terms = scaling::terms_in_words(read, shown.term);
  return told;
}

std::string headline(Told const& told) {
  auto const& record = told.record;
  auto const count = record.from == record.to
                         ? "stays at " + std::to_string(record.to)
                         : "goes from " + std::to_string(record.from) + " to " + std::to_string(record.to);
  return format_rfc3339(record.time) + "  " + told.service + " " + count +
         (record.to == 1 ? " worker" : " workers") + ": " + record.reason + " (decision " + record.id + ")";
}

std::string cost_line(std::string_view policy, api::PolicyCost const& cost) {
  std::string line = "  " + std::string(policy);
  line.resize(std::max<std::size_t>(line.size(), 14), ' ');
  return line + std::to_string(cost.replicas) + (cost.replicas == 1 ? " worker, " : " workers, ") +
         std::to_string(cost.core_seconds) + " core-seconds, " + std::to_string(cost.late) + " late";
}

std::string known_services(std::set<std::string> const& names) {
  std::string text;
  for (auto const& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "it holds no decision" : "it has decisions about " + text;
}

}  // namespace

Told told_of(std::string service, std::string namespace_name, api::DecisionRecord record,
             api::Explanation explanation) {
  return {std::move(service),
          std::move(namespace_name),
          std::move(record),
          std::move(explanation.measured),
          std::move(explanation.terms),
          std::move(explanation.bound),
          std::move(explanation.why_not_more),
          std::move(explanation.why_not_less)};
}

std::vector<std::string> explain(Told const& told) {
  std::vector<std::string> lines{headline(told)};
  auto const add = [&](char const* what, std::string const& words) {
    if (!words.empty()) lines.push_back(std::string("  ") + what + words);
  };
  auto const& record = told.record;
  add("measured:  ", told.measured);
  add("asked for: ", told.terms);
  add("rule:      ", record.formula);
  add("bound:     ", told.bound);
  add("not more:  ", told.why_not_more);
  add("not fewer: ", told.why_not_less);
  return lines;
}

std::vector<std::string> explain_state(api::Status const& status) {
  int const standby = status.standby_replicas;
  auto const standbys = standby > 0 ? std::to_string(standby) + " on standby, " : std::string();
  std::vector<std::string> lines{"now: " + std::to_string(status.ready_replicas) + " of " +
                                 std::to_string(status.desired_replicas) + " wanted workers are ready, " +
                                 standbys + std::to_string(status.queue.depth) + " requests wait"};
  for (auto const& condition : status.conditions) {
    bool const good = condition.type == api::kReady || condition.type == api::kDispatcherReady ||
                      condition.type == api::kWorkersReady || condition.type == api::kMetricsAvailable ||
                      condition.type == api::kWebhookAvailable || condition.type == api::kStandbyReady;
    auto const usual = good ? api::ConditionStatus::True : api::ConditionStatus::False;
    if (condition.status == usual) continue;
    lines.push_back("  " + condition.type + " is " + std::string(to_string(condition.status)) + " (" +
                    condition.reason + "): " + condition.message);
  }
  return lines;
}

std::vector<std::string> explain_advice(api::Advice const& advice) {
  std::vector<std::string> lines{
      "advice since " + format_rfc3339_seconds(advice.since) + ": " + std::to_string(advice.requests) +
      " requests in " + std::to_string(advice.measured_seconds) + " s (" +
      std::to_string(advice.unmeasured_seconds) + " s were not measured and are left out)"};
  lines.push_back(cost_line("acting", advice.acting));
  for (auto const& [advisor, cost] : advice.advisors)
    lines.push_back(cost_line(scaling::name(advisor), cost));
  return lines;
}

Result<std::deque<Told>> read_decisions(std::istream& log, LogQuery const& query) {
  std::deque<Told> found;
  std::set<std::string> others;
  bool newest_kept = false;  // the newest is in `found` only because it is the newest
  std::size_t number = 0;
  for (std::string line; std::getline(log, line);) {
    ++number;
    if (line.empty()) continue;
    if (line.size() > kLongestLine)
      return bad_line(number, "it has more than " + std::to_string(kLongestLine) + " bytes");
    auto const parsed = parse_json(line);
    if (!parsed) return bad_line(number, parsed.error().message);
    auto told = told_of(*parsed);
    if (!told) return bad_line(number, told.error().message);
    bool const right_place = query.namespace_name.empty() || told->namespace_name == query.namespace_name;
    if (told->service != query.name || !right_place) {
      others.insert(told->namespace_name + "/" + told->service);
      continue;
    }
    if (newest_kept) found.pop_back();
    newest_kept = !query.all && told->record.from == told->record.to;
    found.push_back(std::move(*told));
    if (found.size() > query.last + (newest_kept ? 1 : 0)) found.pop_front();
  }
  if (!found.empty()) return found;
  return make_error(ErrorKind::NotFound,
                    "the decision log has none about " + query.name + "; " + known_services(others));
}

}  // namespace ei::show
