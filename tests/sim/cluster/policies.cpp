#include "tests/sim/cluster/policies.hpp"

#include "operator/scaling/exchange.hpp"
#include "runtime/core/json.hpp"

#include <algorithm>
#include <cmath>

namespace ei::sim {
namespace {

// Long enough that the operator asks ever more seldom, short enough that moods follow each other in a run.
constexpr double kLongestMood = 20;
// As a program that knows what it does: no worker comes and goes with each request.
constexpr std::chrono::seconds kIdle{5};

double number(boost::json::value const& question, std::string_view path) {
  auto const* value = find_member(question, path);
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0;
}

std::string answer(int replicas) {
  return R"({"version": 1, "replicas": )" + std::to_string(replicas) +
         R"(, "reason": "Queue", "explanation": "the queue says so"})";
}

}  // namespace

int Policies::right(boost::json::value const& question, Asker& asker, SteadyTime now) {
  double const waiting =
      number(question, "snapshot.sample.queue") + number(question, "snapshot.sample.in_flight");
  if (waiting > 0) asker.busy = now;
  if (now - asker.busy >= kIdle) return 0;
  return std::max(1, static_cast<int>(std::min(1000.0, std::ceil(waiting / 10))));
}

std::string Policies::rubbish() {
  switch (rng_.below(9)) {
    case 0:
      return "";
    case 1:
      return "two";
    case 2:
      return "[]";
    case 3:
      return R"({"replicas": "two", "reason": "Queue"})";
    case 4:
      return R"({"replicas": 2.5, "reason": "Queue"})";
    case 5:
      return R"({"replicas": 5000, "reason": "Queue"})";
    case 6:
      return R"({"replicas": 2, "reason": "two words"})";
    case 7:
      return R"({"version": 2, "replicas": 2, "reason": "Queue"})";
    default:
      return answer(2) + std::string(scaling::kMostAnswerBytes, ' ');
  }
}

Policies::Reply Policies::reply(std::string const& text, SteadyTime now) {
  auto const question = parse_json(text);
  Reply out;
  if (!question) {
    out.status = 400;
    return out;
  }
  auto& asker = askers_[std::string(string_or(*question, "service"))];
  if (now >= asker.changes) {
    constexpr Mood kMoods[] = {Mood::Right, Mood::Right,   Mood::Right,  Mood::Late,
                               Mood::Wild,  Mood::Rubbish, Mood::Broken, Mood::Away};
    asker.mood = kMoods[rng_.below(std::size(kMoods))];
    asker.changes = now + milliseconds(static_cast<int>(1000 * rng_.uniform(1, kLongestMood)));
  }
  int replicas = right(*question, asker, now);
  auto const mood = calm ? Mood::Right : asker.mood;
  out.delay = milliseconds(1 + rng_.below(20));
  switch (mood) {
    case Mood::Away:
      out.refused = true;
      return out;
    case Mood::Broken:
      out.status = rng_.uniform() < 0.5 ? 500 : 204;
      return out;
    case Mood::Rubbish:
      out.body = rubbish();
      return out;
    case Mood::Late:
      // Around the deadline, which is a second or more.
      out.delay = milliseconds(rng_.below(6000));
      break;
    case Mood::Wild:
      replicas = static_cast<int>(rng_.below(12));
      break;
    case Mood::Right:
      break;
  }
  out.body = answer(replicas);
  asker.given.emplace(now, replicas);
  return out;
}

bool Policies::answered(std::string const& service, std::int64_t count, scaling::Settings const& bounds,
                        SteadyTime from) const {
  auto const found = askers_.find(service);
  if (found == askers_.end()) return false;
  auto const& given = found->second.given;
  return std::any_of(given.lower_bound(from), given.end(), [&](auto const& each) {
    return std::clamp(each.second, bounds.min_replicas, std::max(bounds.min_replicas, bounds.max_replicas)) ==
           count;
  });
}

}  // namespace ei::sim
