#include <CLI/CLI.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "runtime/log/log.hpp"
#include "tests/sim/api/members.hpp"
#include "tests/sim/run/run.hpp"

namespace {

struct Flags {
  std::uint64_t first = 1;
  std::uint64_t seeds = 500;
  std::uint64_t seed = 0;
  unsigned jobs = 1;
  bool crashes = false;
  std::uint64_t crash = 0;
  bool trace = false;
  bool answer = false;
};

// More failures than this say nothing new.
constexpr int kMaxTold = 20;

// Every so many seeds one is run twice: a run that is not the same again could not be repeated by its number.
constexpr std::uint64_t kRepeatEvery = 100;

bool run_seed(std::uint64_t seed, bool trace, int& failures) {
  auto const outcome = ei::sim::Run(ei::sim::draw_script(seed), trace).run();
  auto fault = outcome.fault;
  if (fault.empty() && seed % kRepeatEvery == 0) {
    auto const again = ei::sim::Run(ei::sim::draw_script(seed), false).run();
    if (again.digest != outcome.digest) fault = "not repeatable: the second run differs from the first";
  }
  if (fault.empty()) return true;
  if (++failures <= kMaxTold)
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), fault.c_str());
  std::fflush(stdout);
  return false;
}

/// Seeds of one job: every `jobs`-th of them. 0 when all held.
int run_job(Flags const& flags, unsigned job) {
  int failures = 0;
  for (auto seed = flags.first + job; seed < flags.first + flags.seeds; seed += flags.jobs)
    (void)run_seed(seed, false, failures);
  return failures == 0 ? 0 : 1;
}

/// A calm run in which the sender of one request dies: of request `crash / 2`, counted from 1; odd: that
/// request is still served. 0: nobody dies.
ei::sim::Outcome run_with_crash(std::uint64_t seed, std::uint64_t crash, bool trace) {
  auto script = ei::sim::draw_calm_script(seed);
  script.crash_at = crash / 2;
  script.crash_served = crash % 2 == 1;
  return ei::sim::Run(std::move(script), trace).run();
}

/// A crash at every request of each seed's calm run, before it is served and after; of those every `jobs`-th.
int run_crashes(Flags const& flags, unsigned job) {
  int failures = 0;
  for (auto seed = flags.first; seed < flags.first + flags.seeds; ++seed) {
    auto const last = 2 * run_with_crash(seed, 0, false).sent + 1;
    if (job == 0)
      std::printf("seed %llu: a crash at each of %llu requests\n", static_cast<unsigned long long>(seed),
                  static_cast<unsigned long long>(last / 2));
    for (auto crash = job; crash <= last; crash += flags.jobs) {
      if (crash == 1) continue;
      auto const outcome = run_with_crash(seed, crash, false);
      if (outcome.fault.empty()) continue;
      if (++failures <= kMaxTold)
        std::printf("seed %llu, crash %u: %s\n", static_cast<unsigned long long>(seed), crash,
                    outcome.fault.c_str());
    }
  }
  std::fflush(stdout);
  return failures == 0 ? 0 : 1;
}

int run_jobs(Flags const& flags) {
  std::vector<pid_t> children;
  for (unsigned job = 0; job < flags.jobs; ++job) {
    auto const child = ::fork();
    if (child == 0) std::_Exit(flags.crashes ? run_crashes(flags, job) : run_job(flags, job));
    if (child < 0) {
      std::perror("fork");
      return 1;
    }
    children.push_back(child);
  }
  int worst = 0;
  for (auto const child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) worst = 1;
  }
  return worst;
}

/// One request a line, {"method", "target", "type", "body"}; one answer a line, {"status", "body"}. By this
/// tests/cluster/test_parity.py compares the API server in memory with a real one.
int answer_requests() {
  ei::sim::ApiServer server;
  auto now = ei::WallTime(std::chrono::hours(24 * 20'000));
  std::string line;
  while (std::getline(std::cin, line)) {
    auto const asked = boost::json::parse(line).as_object();
    ei::http::Request request;
    request.method = ei::sim::text_of(asked, "method");
    request.target = ei::sim::text_of(asked, "target");
    request.headers.set("Content-Type", ei::sim::text_of(asked, "type"));
    request.body = ei::sim::text_of(asked, "body");
    now += std::chrono::seconds(1);
    auto const answer = server.handle(request, now);
    server.collect(now);
    auto const body = boost::json::parse(answer.body);
    std::cout << boost::json::serialize(boost::json::object{{"status", answer.status}, {"body", body}})
              << std::endl;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App program(
      "Runs the operator against a cluster in memory, in virtual time, under faults drawn from seeds.",
      "control_plane_sim");
  program.add_option("--seeds", flags.seeds, "how many seeds")->check(CLI::Range(1, 100'000'000));
  program.add_option("--first", flags.first, "the first of them")->check(CLI::NonNegativeNumber);
  auto* const one = program.add_option("--seed", flags.seed, "this seed alone");
  program.add_option("--jobs", flags.jobs, "processes that share them")->check(CLI::Range(1, 256));
  program.add_flag("--crashes", flags.crashes,
                   "a calm run of each seed for every request that it sends: its sender dies there");
  auto* const crash =
      program.add_option("--crash", flags.crash, "with --seed: the one of those with this number")
          ->check(CLI::Range(2, 1'000'000));
  program.add_flag("--trace", flags.trace,
                   "with --seed: tell every request and event, and log as the operator does");
  program.add_flag("--answer", flags.answer,
                   "answer requests from standard input by the API server in memory");
  CLI11_PARSE(program, argc, argv);
  if (flags.answer) return answer_requests();
  // The operator's log says too much of ten thousand runs, and a failed one is repeated by its number.
  ei::log::set_level(ei::log::Level::Error);
  if (!flags.trace) ei::log::set_sink([](std::string_view) {});
  if (one->count() > 0) {
    if (flags.trace) ei::log::set_level(ei::log::Level::Info);
    int failures = 0;
    bool held = false;
    if (crash->count() > 0) {
      auto const outcome = run_with_crash(flags.seed, flags.crash, flags.trace);
      held = outcome.fault.empty();
      if (!held) std::printf("%s\n", outcome.fault.c_str());
    } else {
      held = run_seed(flags.seed, flags.trace, failures);
    }
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(flags.seed), held ? "all held" : "FAILED");
    return held ? 0 : 1;
  }
  auto const worst = run_jobs(flags);
  std::printf("seeds %llu to %llu: %s\n", static_cast<unsigned long long>(flags.first),
              static_cast<unsigned long long>(flags.first + flags.seeds - 1),
              worst == 0      ? "all held"
              : flags.crashes ? "FAILED; repeat one by --seed N --crash N --trace"
                              : "FAILED; repeat one by --seed N --trace");
  return worst;
}
