#include "bench/policy/command.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <thread>

#include "bench/load/trace_file.hpp"
#include "bench/policy/play.hpp"
#include "bench/policy/replay.hpp"
#include "bench/policy/report.hpp"
#include "bench/policy/sparse.hpp"
#include "operator/manifest/manifest.hpp"
#include "runtime/process/files.hpp"

namespace ei::bench {
namespace {

constexpr std::size_t kMaxLogBytes = 1U << 30U;  // a day of one decision a second is 100 MB
using Players = std::vector<Player>;

constexpr int kQuickRuns = 5;
constexpr int kGridRuns = 3;

struct Flags {
  bool quick = false;
  TraceFlags trace;
  std::string slo;
  std::string manifest;
  std::string begin = "2026-01-05T00:00:00Z";  // a Monday
  std::string replay;
  std::string service;
  Measured measured;
  double worker_millicores = 1000;
  int min_replicas = 0;
  int max_replicas = 0;
  int standby = -1;
  bool lane_for_all = false;
  std::vector<std::string> programs;
  double answer_timeout_s = 0;
  std::uint64_t seed = 1;
  int runs = 0;
  unsigned jobs = 0;
  std::string out;
};

Players everybody(Players const& programs) {
  Players all{{Contestant::Latency}, {Contestant::QueueRatio}, {Contestant::Hpa70},  {Contestant::Hpa90},
              {Contestant::Kpa},     {Contestant::Keda},       {Contestant::Planner}};
  all.insert(all.end(), programs.begin(), programs.end());
  return all;
}

/// The policy as it is, and what else one may wonder about, in a table of its own: the
/// contest's columns are fixed.
Players besides() {
  return {{Contestant::Latency}, {Contestant::LatencyPrometheus15s}, {Contestant::RayServe}};
}

/// `spec` of the first InferenceService; the defaults where there is no file.
Result<api::Spec> spec_of(std::string const& manifest) {
  if (manifest.empty()) return api::Spec{};
  auto const contents = manifest::read_file(manifest);
  if (!contents) return contents.error();
  if (contents->entries.empty()) return make_error(ErrorKind::Invalid, manifest + ": no InferenceService");
  manifest::Entry const& entry = contents->entries.front();
  if (!entry.parsed.service) {
    return make_error(ErrorKind::Invalid,
                      entry.errors.empty() ? manifest + ": no InferenceService" : entry.errors.front());
  }
  return entry.parsed.service->spec;
}

/// With the bounds that the flags name in place of the settings' own.
Result<scaling::Settings> bounded(scaling::Settings settings, Flags const& flags) {
  if (flags.min_replicas > 0) settings.min_replicas = flags.min_replicas;
  if (flags.max_replicas > 0) settings.max_replicas = flags.max_replicas;
  if (flags.standby >= 0) settings.standby = flags.standby;
  if (settings.min_replicas > settings.max_replicas)
    return make_error(ErrorKind::Invalid, "the minimum is above the maximum");
  return settings;
}

void print(std::string const& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

Result<void> write_csv(std::string const& folder, std::vector<Cell> const& cells, Rules const& rules) {
  if (folder.empty()) return {};
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) return make_error(ErrorKind::Io, folder + ": " + failed.message());
  auto written =
      process::write_file_atomically(std::filesystem::path(folder) / "cells.csv", cells_csv(cells, rules));
  if (!written) return written;
  return process::write_file_atomically(std::filesystem::path(folder) / "timelines.csv",
                                        timelines_csv(cells, rules));
}

/// A file for each contestant, to be laid beside a real run of the same load.
Result<void> write_timelines(std::string const& folder, std::vector<Cell> const& cells) {
  if (folder.empty()) return {};
  auto const place = std::filesystem::path(folder) / "timeline";
  std::error_code failed;
  std::filesystem::create_directories(place, failed);
  if (failed) return make_error(ErrorKind::Io, place.string() + ": " + failed.message());
  for (Cell const& cell : cells) {
    auto written = process::write_file_atomically(place / (std::string(cell.player.name()) + ".csv"),
                                                  timeline_csv(cell));
    if (!written) return written;
  }
  return {};
}

/// The loads of the first start delay, where how the metrics come matters most.
std::vector<Match> quickest_course(std::vector<Match> const& matches) {
  std::vector<Match> some;
  for (Match const& match : matches) {
    bool const course = match.shape == "course" || match.shape == "trace" || match.shape == "measured";
    if (course && match.start_s == matches.front().start_s) some.push_back(match);
  }
  return some;
}

Result<void> compare(std::vector<Match> const& matches, Rules const& rules, Flags const& flags,
                     Players const& programs) {
  auto const all = everybody(programs);
  auto const played = play_all(matches, all, rules, flags.jobs);
  if (!played) return played.error();
  auto const& cells = *played;
  if (!flags.trace.file.empty()) print(demand(matches, rules));
  print(table(cells, rules));
  print(unplanned(matches, rules));
  auto const some = quickest_course(matches);
  auto const others = play_all(some, besides(), rules, flags.jobs);
  if (!others) return others.error();
  print("\nbesides: the metrics through a Prometheus, and Ray Serve" + table(*others, rules));
  print(legend(rules));
  print(goals(cells));
  if (flags.trace.file.empty()) print(sparse_table(play_sparse(rules)));
  if (flags.measured.service_ms > 0) {
    auto written = write_timelines(flags.out, cells);
    if (!written) return written;
  }
  auto written = write_csv(flags.out, cells, rules);
  if (!written) return written;
  print("\n" + json_line(cells, rules) + "\n");
  return {};
}

/// The recorded load twice: under the recorded settings, and under the asked ones where there are any (bounds
/// alone change the recorded ones).
Result<void> replay(Rules rules, Flags const& flags, Players const& programs) {
  auto const text = read_packed_file(flags.replay, kMaxLogBytes);
  if (!text) return with_context(text.error(), flags.replay);
  auto const log = read_decision_log(*text, flags.service);
  if (!log) return with_context(log.error(), flags.replay);
  auto const match = match_of_log(log->records);
  if (!match) return with_context(match.error(), flags.replay);
  Repetition const repetition = repeat(*log);
  std::printf(
      "%zu decisions, %zu of them the same when decided again; %zu s, %.1f ms service, %.2f s start\n",
      repetition.decisions, repetition.same, match->trace.size(), match->service_ms, match->start_s);
  if (log->starts.size() > 1) std::printf("%zu operators, one after the other\n", log->starts.size());
  Rules recorded = rules;
  recorded.settings = log->records.back().settings;
  recorded.schedule.clear();  // its bounds are in the recorded settings
  auto const asked = bounded(flags.manifest.empty() ? recorded.settings : rules.settings, flags);
  if (!asked) return asked.error();
  rules.settings = *asked;
  std::vector<Match> matches{*match};
  std::vector<Match> changed{*match};
  changed.front().shape = "replay_changed";
  auto const all = everybody(programs);
  auto played = play_all(matches, all, recorded, flags.jobs);
  if (!played) return played.error();
  auto& cells = *played;
  print("\nunder the recorded settings" + table(cells, rules));
  if (rules.settings != recorded.settings) {
    auto const others = play_all(changed, all, rules, flags.jobs);
    if (!others) return others.error();
    print("\nunder " +
          (flags.manifest.empty() ? "the bounds asked for" : "the settings of " + flags.manifest) +
          table(*others, rules));
    cells.insert(cells.end(), others->begin(), others->end());
  }
  print(unplanned(matches, rules));
  print(legend(rules));
  auto written = write_csv(flags.out, cells, rules);
  if (!written) return written;
  print("\n" + json_line(cells, rules) + "\n");
  return {};
}

Result<void> run(Flags const& flags) {
  auto const spec = spec_of(flags.manifest);
  if (!spec) return spec.error();
  auto const begin = parse_rfc3339(flags.begin);
  if (!begin) {
    return make_error(ErrorKind::Invalid,
                      "--begin '" + flags.begin + "': it must be a time such as 2026-01-05T08:00:00Z");
  }
  auto const programs =
      read_programs(flags.programs, std::chrono::milliseconds(std::lround(1000 * flags.answer_timeout_s)));
  if (!programs) return programs.error();
  auto const slo = read_slo(flags.slo);
  if (!slo) return slo.error();
  bool const few = flags.quick || !flags.trace.file.empty() || !flags.replay.empty();
  Rules rules{spec->scaling,
              flags.runs > 0 ? flags.runs
              : few          ? kQuickRuns
                             : kGridRuns,
              flags.seed,
              flags.lane_for_all,
              spec->schedule,
              *begin,
              *slo};
  if (!flags.replay.empty()) return replay(rules, flags, *programs);
  auto const asked = bounded(spec->scaling, flags);
  if (!asked) return asked.error();
  rules.settings = *asked;
  if (flags.trace.file.empty()) return compare(grid(flags.quick), rules, flags, *programs);
  auto const trace = load_trace(flags.trace, flags.seed);
  if (!trace) return trace.error();
  if (flags.measured.service_ms <= 0)
    return compare(matches_of(*trace, flags.quick, flags.trace.scale_to > 0), rules, flags, *programs);
  Measured measured = flags.measured;
  measured.worker_cores = flags.worker_millicores / 1000;
  return compare({match_of(*trace, measured)}, rules, flags, *programs);
}

}  // namespace

void add_policy_command(CLI::App& program, int& code) {
  auto const flags = std::make_shared<Flags>();
  flags->jobs = std::max(1U, std::thread::hardware_concurrency());
  CLI::App* app = program.add_subcommand(
      "policy", "Compares the scaling policies with HPA, KPA, KEDA and a planner, in a simulator.");
  app->add_flag("--quick", flags->quick, "The course shape at 3 s start alone");
  CLI::Option* trace = add_trace_options(*app, flags->trace);
  CLI::Option* service_ms =
      app->add_option("--service-ms", flags->measured.service_ms,
                      "One match alone, the trace as it stands with this measured service time")
          ->check(CLI::Range(0.01, 1e6))
          ->needs(trace);
  app->add_option("--service-cv2", flags->measured.service_cv2, "Its squared coefficient of variation")
      ->check(CLI::Range(0.0, 100.0))
      ->needs(service_ms)
      ->capture_default_str();
  app->add_option("--start-s", flags->measured.start_s, "Measured creation to ready of a worker")
      ->check(CLI::Range(0.0, 3600.0))
      ->needs(service_ms)
      ->capture_default_str();
  app->add_option("--cpu-millicores", flags->worker_millicores, "CPU request and limit of a worker")
      ->check(CLI::Range(1.0, 1e6))
      ->needs(service_ms)
      ->capture_default_str();
  app->add_flag(
      "--lane-for-all", flags->lane_for_all,
      "Every policy has the dispatcher's late lane, as in a real run (default: ours has; the others "
      "play each match with it and first come, first served, and the better p99 counts)");
  app->add_option("--min", flags->min_replicas, "Workers, whatever the manifest says")
      ->check(CLI::Range(1, 1000));
  app->add_option("--max", flags->max_replicas, "Workers, whatever the manifest says")
      ->check(CLI::Range(1, 1000));
  app->add_option(
         "--standby", flags->standby,
         "Standbys of our own policies, whatever the manifest says: each is allocated 10 millicores, "
         "and a core while it starts")
      ->check(CLI::Range(0, 1000));
  app->add_option("--manifest", flags->manifest,
                  "Settings and schedule: those of this file's first InferenceService")
      ->check(CLI::ExistingFile);
  app->add_option("--begin", flags->begin, "When each trace begins, for the schedule of --manifest")
      ->capture_default_str();
  app->add_option("--replay", flags->replay,
                  "An operator's decision log (also gzip, bzip2, or - for standard input): what would "
                  "--manifest, --min "
                  "or --max have done with that load?")
      ->check(CLI::ExistingFile | CLI::IsMember({"-"}))
      ->excludes("--trace");
  app->add_option(
      "--slo", flags->slo,
      "Latency targets such as 500ms,750ms: adds to the tables the share over each, and the requests "
      "within it for each core-second");
  app->add_option("--service", flags->service, "namespace/name, for a decision log of several services");
  app->add_option("--contestant", flags->programs,
                  "name=command: a program of yours that decides, see docs/policy.md; may be repeated")
      ->allow_extra_args(false);
  app->add_option("--answer-timeout-s", flags->answer_timeout_s,
                  "How long a contestant may take for an answer (default: 10, for the first one 60)")
      ->check(CLI::Range(0.001, 3600.0));
  app->add_option("--seed", flags->seed, "Of all randomness; the same one gives the same numbers")
      ->capture_default_str();
  app->add_option("--runs", flags->runs,
                  "Of each cell, each with its own randomness (default: 3 for the whole grid, else 5)")
      ->check(CLI::Range(1, 1000));
  app->add_option("--jobs", flags->jobs, "Cells played at a time")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app->add_option(
      "--out", flags->out,
      "Folder for cells.csv and timelines.csv, and of one match timeline/POLICY.csv (default: none)");
  app->callback([flags, &code] {
    auto const done = run(*flags);
    if (done) return;
    std::fprintf(stderr, "error: %s\n", done.error().message.c_str());
    code = 1;
  });
}

}  // namespace ei::bench
