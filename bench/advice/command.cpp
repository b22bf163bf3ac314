#include "bench/advice/command.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <ctime>
#include <memory>
#include <vector>

#include "operator/advice/advice.hpp"
#include "runtime/core/json.hpp"

namespace ei::bench {
namespace {

using namespace std::chrono_literals;

struct Flags {
  std::vector<double> rps{0, 10, 100, 1'000, 10'000};
  int seconds = 1'200;
};

struct Cost {
  double mean_us = 0;
  double most_us = 0;
};

/// A load of eight workers that half as much again joins in every other five minutes, scraped each second.
Cost cost_of(std::vector<scaling::Advisor> const& advisors, double rps, int seconds) {
  constexpr double kLoad = 8;
  double const service_seconds = rps > 0 ? std::min(0.2, kLoad / rps) : 0;
  advice::Advice advice;
  scaling::Settings settings;
  settings.max_replicas = 100;
  settings.queue_target = 1 + static_cast<int>(rps);  // a second of the load
  std::optional<scaling::Sample> sample(std::in_place);
  Cost cost;
  for (int second = 0; second < seconds; ++second) {
    double const requests = second / 300 % 2 == 0 ? rps : 1.5 * rps;
    sample->at += 1s;
    sample->arrivals += requests;
    sample->completions += requests;
    sample->service_seconds += requests * service_seconds;
    sample->service_seconds_squared += requests * service_seconds * service_seconds * 1.1;
    auto const start = std::clock();
    advice.take({.settings = settings,
                 .advisors = advisors,
                 .sample = sample,
                 .replicas = 10,
                 .existing = 10,
                 .start_seconds = 3,
                 .queue_capacity = 1000,
                 .request_timeout = 30s},
                sample->at, WallTime(std::chrono::seconds(second)));
    double const spent_us = static_cast<double>(std::clock() - start) * 1e6 / CLOCKS_PER_SEC;
    cost.mean_us += spent_us / seconds;
    cost.most_us = std::max(cost.most_us, spent_us);
  }
  return cost;
}

}  // namespace

void add_advice_command(CLI::App& program, int& code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = program.add_subcommand("advice", "What a service's advisors cost the operator");
  command->option_defaults()->always_capture_default();
  command->add_option("--rps", flags->rps, "Requests a second, for each row")->check(CLI::Range(0.0, 1e6));
  command->add_option("--seconds", flags->seconds, "Of each row")->check(CLI::Range(1, 86'400));
  command->callback([flags, &code] {
    boost::json::array rows;
    std::vector<scaling::Advisor> advisors;
    for (auto const advisor : scaling::kAdvisors) {
      advisors.push_back(advisor);
      bool const shown = advisors.size() == 1 || advisors.size() == std::size(scaling::kAdvisors);
      for (double const rps : flags->rps) {
        if (!shown) break;
        auto const cost = cost_of(advisors, rps, flags->seconds);
        rows.push_back(boost::json::object{{"advisors", advisors.size()},
                                           {"rps", rps},
                                           {"mean_us", cost.mean_us},
                                           {"most_us", cost.most_us}});
      }
    }
    std::printf("%s\n", to_json_text(boost::json::object{{"rows", std::move(rows)}}).c_str());
    code = 0;
  });
}

}  // namespace ei::bench
