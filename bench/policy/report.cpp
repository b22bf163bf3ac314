#include "bench/policy/report.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cmath>
#include <cstdio>

#include "operator/scaling/text.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/units.hpp"

namespace ei::bench {
namespace {

using scaling::text;

Cell const* find(std::vector<Cell> const& cells, Match const* match, Contestant contestant) {
  for (Cell const& cell : cells) {
    if (cell.match == match && cell.player.contestant == contestant) return &cell;
  }
  return nullptr;
}

/// Of the cell's match; 0 where Latency did not play it.
double bound_of(std::vector<Cell> const& cells, Match const* match) {
  Cell const* ours = find(cells, match, Contestant::Latency);
  return ours ? ours->bound_core_seconds : 0;
}

std::string heading(Match const& match) {
  return "\n" + title(match) + "\n";
}

/// One line of goals: a measured figure, what it shall be, and whether it is.
std::string goal(Match const& match, char const* what, double measured, char const* relation, double wanted) {
  bool const met =
      relation[0] == '<' ? (relation[1] == '=' ? measured <= wanted : measured < wanted) : measured >= wanted;
  return text("  %-6s %-5g ms x%-4g start %-2g  %-44s %8.3f %s %g\n", met ? "met" : "MISSED",
              match.service_ms, match.rate_scale, match.start_s, what, measured, relation, wanted);
}

std::string course_goals(std::vector<Cell> const& cells, Match const* match) {
  auto const get = [&](Contestant contestant) { return find(cells, match, contestant); };
  Cell const* ours = get(Contestant::Latency);
  Cell const* hpa70 = get(Contestant::Hpa70);
  Cell const* hpa90 = get(Contestant::Hpa90);
  Cell const* planner = get(Contestant::Planner);
  if (!ours || !hpa70 || !hpa90) return {};
  Summary const& s = ours->summary;
  bool const scaled = match->rate_scale != 1;
  // At these the six workers cannot carry the plateau at all: no policy can be punctual there.
  if (!scaled && match->service_ms > 100) return {};
  std::string out;
  if (match->start_s == 10) out += goal(*match, "share within the target", 1 - s.late_ratio, ">=", 0.988);
  if (match->start_s != 3) return out;
  out += goal(*match, "p99 (s)", s.p99_s, "<", 0.5);
  out += goal(*match, "p99 of HPA 70 % over ours", hpa70->summary.p99_s / s.p99_s, ">=", scaled ? 50 : 10);
  out += goal(*match, "p99 of HPA 90 % over ours", hpa90->summary.p99_s / s.p99_s, ">=", scaled ? 90 : 20);
  if (match->service_ms < 250) {
    out +=
        goal(*match, "core-seconds over HPA 70 %'s", s.core_seconds / hpa70->summary.core_seconds, "<=", 0.8);
    out +=
        goal(*match, "core-seconds over HPA 90 %'s", s.core_seconds / hpa90->summary.core_seconds, "<=", 1);
  }
  double const least = std::min(hpa70->summary.core_seconds_with_idle, hpa90->summary.core_seconds_with_idle);
  out +=
      goal(*match, "core-seconds with idle over the lesser HPA's", s.core_seconds_with_idle / least, "<", 1);
  if (planner) {
    out += goal(*match, "core-seconds over the planner's", s.core_seconds / planner->summary.core_seconds,
                "<=", 1.3);
  }
  return out;
}

/// p99 of the requests that arrived in each second.
std::vector<double> p99_by_second(Scenario const& scenario, Outcome const& outcome) {
  std::vector<std::vector<float>> by_second(outcome.replicas.size());
  for (std::size_t i = 0; i < scenario.arrivals.size(); ++i) {
    auto const second = static_cast<std::size_t>(in_seconds(scenario.arrivals[i].time_since_epoch()));
    if (second < by_second.size()) by_second[second].push_back(outcome.latency_seconds[i]);
  }
  std::vector<double> p99;
  for (auto& latencies : by_second) {
    std::sort(latencies.begin(), latencies.end());
    auto const rank = static_cast<std::size_t>(std::ceil(0.99 * static_cast<double>(latencies.size())));
    p99.push_back(latencies.empty() ? 0 : latencies[rank - 1]);
  }
  return p99;
}

}  // namespace

std::string table(std::vector<Cell> const& cells, Rules const& rules) {
  std::string out;
  Match const* match = nullptr;
  for (Cell const& cell : cells) {
    if (cell.match != match) {
      match = cell.match;
      out += heading(*match);
      out += "  policy                  p50 s    p99 s    max s   late %   core-s  with idle   events  queue";
      for (auto const target : rules.slo) {
        auto const shown = format_duration(target);
        out += text("  %8s %% in time/core-s", (">" + shown).c_str());
      }
      out += "\n";
    }
    Summary const& s = cell.summary;
    out += text("  %-20s %8.3f %8.3f %8.2f %8.2f %8.0f %10.0f %8.1f  %-5s",
                std::string(cell.player.name()).c_str(), s.p50_s, s.p99_s, s.max_s, 100 * s.late_ratio,
                s.core_seconds, s.core_seconds_with_idle, s.scale_events, cell.late_lane ? "lane" : "fifo");
    for (SloResult const& slo : cell.slo)
      out += text("  %10.2f %14.2f", 100 * slo.late_ratio, slo.goodput_per_core_second);
    out += "\n";
    bool const last = &cell == &cells.back() || (&cell + 1)->match != match;
    double const bound = last ? bound_of(cells, match) : 0;
    if (bound > 0) out += text("  %-20s %35.2f %8.0f\n", "bound", 1.0, bound);
  }
  return out;
}

std::string legend(Rules const& rules) {
  std::string const lane =
      "\nqueue: lane is the dispatcher's own, in which requests that can still be punctual go before those "
      "that no\n"
      "longer can; fifo is first come, first served. ";
  return lane +
         (rules.lane_for_all
              ? "Everybody has the lane, as in a real run.\n"
              : "Ours, your programs and the planner have the lane; every other policy was\n"
                "played with both in each match, and the one with the better p99 stands here.\n") +
         "bound: fewer core-seconds cannot leave at most 1 % late, whoever scales; the planner knows the "
         "future, "
         "and its\nplan is searched for, so it may be neither the best nor punctual on a steep load.\n";
}

std::string demand(std::vector<Match> const& matches, Rules const& rules) {
  std::string out = "\nworkers that the trace's busiest minute keeps busy\n";
  std::vector<std::pair<double, double>> told;
  for (Match const& match : matches) {
    std::pair const key(match.service_ms, match.rate_scale);
    if (std::find(told.begin(), told.end(), key) != told.end()) continue;
    told.push_back(key);
    double const busy = busiest_minute_rps(match.trace) * match.service_ms / 1000;
    int const most = std::max(rules.settings.min_replicas, rules.settings.max_replicas);
    out += text("  %g ms, rate x%g: %.1f of %d%s\n", match.service_ms, match.rate_scale, busy, most,
                busy > most ? ": more than there may be, nobody can be punctual" : "");
  }
  return out;
}

std::string unplanned(std::vector<Match> const& matches, Rules const& rules) {
  auto const count =
      std::count_if(matches.begin(), matches.end(), [&](auto const& m) { return !can_plan(m, rules); });
  if (count == 0) return {};
  return text(
      "\nno Planner in %ld of %zu matches: its search would take more than a minute for so many "
      "requests\n",
      static_cast<long>(count), matches.size());
}

std::string goals(std::vector<Cell> const& cells) {
  std::string out;
  int worse = 0;
  int compared = 0;
  Match const* match = nullptr;
  for (Cell const& cell : cells) {
    if (cell.match == match) continue;
    match = cell.match;
    if (match->shape == "course" || match->shape == "trace") out += course_goals(cells, match);
    Cell const* ours = find(cells, match, Contestant::Latency);
    Cell const* hpa70 = find(cells, match, Contestant::Hpa70);
    if (!ours || !hpa70) continue;
    ++compared;
    if (ours->summary.p99_s > hpa70->summary.p99_s) {
      ++worse;
      out += text("  MISSED %s, %g ms x%g, start %g s: p99 %.3f s, HPA 70 %% %.3f s\n", match->shape.c_str(),
                  match->service_ms, match->rate_scale, match->start_s, ours->summary.p99_s,
                  hpa70->summary.p99_s);
    }
  }
  out += text("  %-6s p99 worse than HPA 70 %% in %d of %d matches\n", worse == 0 ? "met" : "MISSED", worse,
              compared);
  return "\ngoals\n" + out;
}

boost::json::array slo_json(Cell const& cell, Rules const& rules) {
  boost::json::array list;
  for (std::size_t i = 0; i < cell.slo.size(); ++i) {
    list.push_back({{"target_ms", rules.slo[i].count()},
                    {"late_ratio", cell.slo[i].late_ratio},
                    {"goodput_per_core_second", cell.slo[i].goodput_per_core_second}});
  }
  return list;
}

std::string json_line(std::vector<Cell> const& cells, Rules const& rules) {
  boost::json::array list;
  for (Cell const& cell : cells) {
    Summary const& s = cell.summary;
    boost::json::object object{{"shape", cell.match->shape},
                               {"service_ms", cell.match->service_ms},
                               {"rate_scale", cell.match->rate_scale},
                               {"start_s", cell.match->start_s},
                               {"policy", cell.player.name()},
                               {"late_lane", cell.late_lane},
                               {"p50_s", s.p50_s},
                               {"p99_s", s.p99_s},
                               {"max_s", s.max_s},
                               {"late_ratio", s.late_ratio},
                               {"core_seconds", s.core_seconds},
                               {"bound_core_seconds", bound_of(cells, cell.match)},
                               {"core_seconds_with_idle", s.core_seconds_with_idle},
                               {"process_seconds", s.process_seconds},
                               {"scale_events", s.scale_events}};
    if (!cell.slo.empty()) object["slo"] = slo_json(cell, rules);
    list.push_back(std::move(object));
  }
  boost::json::object line;
  line["cells"] = std::move(list);
  line["seed"] = rules.seed;
  line["runs"] = rules.runs;
  return to_json_text(line);
}

std::string cells_csv(std::vector<Cell> const& cells, Rules const& rules) {
  std::string out =
      "shape,service_ms,rate_scale,start_s,policy,p50_s,p99_s,worst_run_p99_s,max_s,late_ratio,core_seconds,"
      "core_seconds_with_idle,scale_events,bound_core_seconds";
  for (auto const target : rules.slo)
    out += text(",late_ratio_%lldms,goodput_per_core_second_%lldms", static_cast<long long>(target.count()),
                static_cast<long long>(target.count()));
  out += "\n";
  for (Cell const& cell : cells) {
    Summary const& s = cell.summary;
    out += text("%s,%g,%g,%g,%s,%.6f,%.6f,%.6f,%.6f,%.6f,%.3f,%.3f,%g,%.3f", cell.match->shape.c_str(),
                cell.match->service_ms, cell.match->rate_scale, cell.match->start_s,
                std::string(cell.player.name()).c_str(), s.p50_s, s.p99_s, cell.worst_p99_s, s.max_s,
                s.late_ratio, s.core_seconds, s.core_seconds_with_idle, s.scale_events,
                bound_of(cells, cell.match));
    for (SloResult const& slo : cell.slo)
      out += text(",%.6f,%.6f", slo.late_ratio, slo.goodput_per_core_second);
    out += "\n";
  }
  return out;
}

std::string timeline_csv(Cell const& cell) {
  std::string out = "time_s,desired,ready,queue\n";
  for (std::size_t second = 0; second < cell.first.replicas.size(); ++second) {
    out += text("%zu,%d,%d,%d\n", second, cell.first.replicas[second], cell.first.ready[second],
                cell.first.queue[second]);
  }
  return out;
}

std::string timelines_csv(std::vector<Cell> const& cells, Rules const& rules) {
  std::string out = "shape,service_ms,rate_scale,start_s,policy,second,rate,replicas,ready,queue,p99_s\n";
  for (Cell const& cell : cells) {
    Scenario const scenario = scenario_of(*cell.match, rules, 0);
    auto const p99 = p99_by_second(scenario, cell.first);
    std::string const key =
        text("%s,%g,%g,%g,%s", cell.match->shape.c_str(), cell.match->service_ms, cell.match->rate_scale,
             cell.match->start_s, std::string(cell.player.name()).c_str());
    for (std::size_t second = 0; second < cell.first.replicas.size(); ++second) {
      int const rate = second < cell.match->trace.size() ? cell.match->trace[second] : 0;
      out += key + text(",%zu,%d,%d,%d,%d,%.4f\n", second, rate, cell.first.replicas[second],
                        cell.first.ready[second], cell.first.queue[second], p99[second]);
    }
  }
  return out;
}

}  // namespace ei::bench
