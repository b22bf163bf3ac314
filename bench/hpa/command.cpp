#include "bench/hpa/command.hpp"

#include <cstdio>
#include <iostream>
#include <memory>

#include "bench/hpa/filter.hpp"
#include "runtime/core/json.hpp"

namespace ei::bench {
namespace {

struct Flags {
  HpaSettings hpa;
  double sync_s = 15;
  double phase_s = 0;
  double resolution_s = 15;
  double metrics_phase_s = 0;
  double stabilization_s = 300;
};

HpaFilterSettings settings_of(Flags const& flags) {
  HpaFilterSettings settings;
  settings.hpa = flags.hpa;
  settings.hpa.sync = seconds(flags.sync_s);
  settings.hpa.downscale_stabilization = seconds(flags.stabilization_s);
  settings.phase = seconds(flags.phase_s);
  settings.metrics.resolution = seconds(flags.resolution_s);
  settings.metrics_phase = seconds(flags.metrics_phase_s);
  return settings;
}

std::string text_of(HpaAnswer const& answer) {
  boost::json::object line{{"time_s", answer.time_s}, {"proposal", nullptr}, {"desired", answer.desired}};
  if (answer.proposal) line["proposal"] = *answer.proposal;
  return to_json_text(line) + "\n";
}

/// Line by line, so that the writer at the other end may act on each answer.
int run(Flags const& flags) {
  HpaFilter filter(settings_of(flags));
  std::string line;
  for (std::size_t number = 1; std::getline(std::cin, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto const answer = filter.feed(line);
    if (!answer) {
      std::fprintf(stderr, "error: line %zu: %s\n", number, answer.error().message.c_str());
      return 1;
    }
    if (!*answer) continue;
    std::fputs(text_of(**answer).c_str(), stdout);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

void add_hpa_command(CLI::App& program, int& code) {
  auto const flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand(
      "hpa",
      "Tells what a HorizontalPodAutoscaler on CPU would want: reads one JSON line for each second of a "
      "service from standard input, prints one for each sync");
  app->option_defaults()->always_capture_default();
  app->add_option("--target-percent", flags->hpa.target_percent,
                  "averageUtilization of the pods' CPU request")
      ->check(CLI::Range(1, 1000));
  app->add_option("--request-millicores", flags->hpa.request_millicores, "CPU request of a pod")
      ->check(CLI::Range(1, 1'000'000));
  app->add_option("--min", flags->hpa.min_replicas, "minReplicas")->check(CLI::Range(1, 1000));
  app->add_option("--max", flags->hpa.max_replicas, "maxReplicas")->check(CLI::Range(1, 1000));
  app->add_flag(
      "--behavior", flags->hpa.with_behavior,
      "The HPA has a `behavior`: the rate limits of autoscaling/v2 in place of max(2 x current, 4)");
  app->add_option("--stabilization", flags->stabilization_s,
                  "Seconds that the highest recommendation holds against scaling down")
      ->check(CLI::Range(0.0, 3600.0));
  app->add_option("--sync", flags->sync_s, "Seconds between syncs of the controller")
      ->check(CLI::Range(1.0, 3600.0));
  app->add_option("--phase", flags->phase_s,
                  "Syncs fall on this time_s and on every --sync before and after");
  app->add_option("--resolution", flags->resolution_s,
                  "Seconds between metrics-server's scrapes, for pods with cpu_seconds_total")
      ->check(CLI::Range(1.0, 3600.0));
  app->add_option("--metrics-phase", flags->metrics_phase_s,
                  "The scrapes fall on this time_s and on every --resolution before and after");
  app->callback([flags, &code] {
    if (flags->hpa.min_replicas > flags->hpa.max_replicas)
      throw CLI::ValidationError("--min", "is over --max");
    code = run(*flags);
  });
}

}  // namespace ei::bench
