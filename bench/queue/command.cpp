#include "bench/queue/command.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <vector>

#include "dispatcher/queue/request_queue.hpp"
#include "runtime/core/json.hpp"

namespace ei::bench {
namespace {

using dispatcher::RequestQueue;
using dispatcher::Time;

struct Flags {
  std::vector<std::size_t> waiting{10, 1'000, 100'000};
  std::size_t requests = 200'000;
};

/// Nanoseconds for each request that comes, is handed out and ends, with `waiting` others all the time: the
/// least of ten parts, as what else the machine does only adds.
double cost_of(std::size_t waiting, std::size_t requests) {
  constexpr std::size_t kParts = 10;
  RequestQueue queue({waiting + 1, std::size_t{1} << 50, std::nullopt});
  Time now{};
  std::uint64_t item = 0;
  auto const offer = [&] {
    now += std::chrono::microseconds(1);
    (void)queue.offer(now, now + std::chrono::hours(1), ++item, 1);
  };
  for (std::size_t i = 0; i < waiting; ++i) offer();
  double least = 1e18;
  std::size_t const each = requests / kParts;
  for (std::size_t part = 0; part < kParts; ++part) {
    auto const start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < each; ++i) {
      offer();
      auto const taken = queue.take(now);
      if (taken) (void)queue.complete(taken->ticket, now);
    }
    std::chrono::duration<double, std::nano> const spent = std::chrono::steady_clock::now() - start;
    least = std::min(least, spent.count() / static_cast<double>(each));
  }
  return least;
}

}  // namespace

void add_queue_command(CLI::App& program, int& code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* queue = program.add_subcommand("queue", "What a request costs the queue while others wait");
  queue->option_defaults()->always_capture_default();
  // The dispatcher's own limit of --queue-capacity.
  queue->add_option("--waiting", flags->waiting, "How many others wait, for each row")
      ->check(CLI::Range(std::size_t{0}, std::size_t{1'000'000}));
  queue->add_option("--requests", flags->requests, "Of each row")
      ->check(CLI::Range(std::size_t{10}, std::size_t{100'000'000}));
  queue->callback([flags, &code] {
    boost::json::array rows;
    for (std::size_t const waiting : flags->waiting)
      rows.push_back(boost::json::object{{"waiting", waiting}, {"ns", cost_of(waiting, flags->requests)}});
    std::printf("%s\n", to_json_text(boost::json::object{{"rows", std::move(rows)}}).c_str());
    code = 0;
  });
}

}  // namespace ei::bench
