#include <catch2/catch.hpp>
#include <chrono>

#include "operator/simulation/scalers.hpp"

using namespace ei::simulation;
using namespace std::chrono_literals;

namespace {

/// Looks each second, and keeps one standby beside as many workers as the second says.
Scaler by_the_second(std::vector<int> plan) {
  auto const next = std::make_shared<Time>();
  return {[next] { return *next; },
          [next, plan = std::move(plan)](View const&, Time now) {
            auto const second = static_cast<std::size_t>(now.time_since_epoch() / 1s);
            *next = now + 1s;
            Order order;
            order.replicas = plan[std::min(second, plan.size() - 1)];
            order.standby = 1;
            order.standby_keep = 5s;
            return order;
          }};
}

}  // namespace

TEST_CASE("a standby serves half a second after it is wanted, where a start takes three") {
  ClusterSettings settings;
  settings.replicas = 1;
  Cluster cluster(settings, by_the_second({1, 1, 1, 1, 1, 2}));
  cluster.run_before(Time(5400ms));
  CHECK(cluster.ready() == 1);
  cluster.run_before(Time(5600ms));
  CHECK(cluster.ready() == 2);
}

TEST_CASE("a standby costs a core while it starts and ten millicores from then on") {
  ClusterSettings settings;
  settings.replicas = 1;
  Cluster cluster(settings, by_the_second({1}));
  cluster.run_before(Time(13s));
  CHECK(cluster.core_seconds() == Approx(13 + 3 + 10 * ei::scaling::kStandbyCores));
  CHECK(cluster.process_seconds() == Approx(26));
}

TEST_CASE("who is given up waits as a standby, is taken back at once, and leaves when it was not needed") {
  ClusterSettings settings;
  settings.replicas = 2;
  Cluster cluster(settings, by_the_second({2, 2, 2, 2, 1, 1, 2, 1}));
  cluster.run_before(Time(6400ms));
  CHECK(cluster.ready() == 1);
  cluster.run_before(Time(6600ms));
  CHECK(cluster.ready() == 2);
  cluster.run_before(Time(7s));
  double const before = cluster.process_seconds();
  cluster.run_before(Time(11s));
  CHECK(cluster.process_seconds() - before == Approx(3 * 4));
  cluster.run_before(Time(20s));
  double const after = cluster.process_seconds();
  cluster.run_before(Time(21s));
  CHECK(cluster.process_seconds() - after == Approx(2));
}

TEST_CASE("a worker that is given up under a job finishes it and serves nobody else") {
  ClusterSettings settings;
  settings.replicas = 1;
  Cluster cluster(settings, by_the_second({1, 1, 1, 1, 0}));
  cluster.offer(Time(3900ms), 500ms);
  cluster.offer(Time(4100ms), 500ms);
  cluster.run_before(Time(6s));
  CHECK(cluster.counts().completions == 1);
  CHECK(cluster.queued() == 1);
}
