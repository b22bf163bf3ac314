#include "operator/backend/kube/protocol/election.hpp"

#include <catch2/catch.hpp>

using namespace ei::kube;
using ei::ErrorKind;
using ei::make_error;
using ei::SteadyTime;
using ei::WallTime;
using namespace std::chrono_literals;

namespace {

/// The Lease as the API server keeps it: a write with an old version is refused.
struct Server {
  std::optional<LeaseRecord> lease;
  int version = 0;

  Elector::Input answer(Elector::Read const&) const {
    if (!lease) return Elector::Missing{};
    return Elector::Found{*lease};
  }
  Elector::Input answer(Elector::Write const& write) {
    if (write.record.resource_version.empty() && lease) {
      return Elector::Failed{make_error(ErrorKind::AlreadyExists, "exists")};
    }
    if (lease && write.record.resource_version != lease->resource_version) {
      return Elector::Failed{make_error(ErrorKind::Conflict, "changed")};
    }
    lease = write.record;
    lease->resource_version = std::to_string(++version);
    return Elector::Written{lease->resource_version};
  }
};

struct Candidate {
  explicit Candidate(std::string identity, std::uint64_t seed = 1)
      : elector(options(std::move(identity), seed)) {
    step = elector.step(Elector::Started{}, {}, {});
    due = SteadyTime{};
  }

  static Elector::Options options(std::string identity, std::uint64_t seed) {
    Elector::Options options;
    options.identity = std::move(identity);
    options.seed = seed;
    return options;
  }

  /// Carries out what is due at `now` against the server (null: it cannot be reached).
  void run(SteadyTime now, Server* server) {
    for (int i = 0; i < 5 && now >= due; ++i) {
      elector.sending(now);
      Elector::Input input = Elector::Failed{make_error(ErrorKind::Unavailable, "down")};
      if (server != nullptr) {
        input = std::visit([&](auto const& action) { return server->answer(action); }, step.action);
      }
      step = elector.step(input, now, WallTime{now.time_since_epoch()});
      due = now + step.delay;
    }
  }

  Elector elector;
  Elector::Step step;
  SteadyTime due;
};

}  // namespace

TEST_CASE("the first candidate creates the lease and leads, the second waits") {
  Server server;
  Candidate a("a");
  Candidate b("b", 2);
  for (SteadyTime now{1h}; now < SteadyTime{1h + 5min}; now += 100ms) {
    a.run(now, &server);
    b.run(now, &server);
    CHECK(a.elector.may_write(now));
    CHECK_FALSE(b.elector.may_write(now));
  }
  CHECK(server.lease->holder == "a");
  CHECK(server.lease->transitions == 0);
  CHECK(server.version <= 151);
}

TEST_CASE("a leader that is stopped loses the right to write before another gains it") {
  Server server;
  Candidate a("a");
  Candidate b("b", 2);
  SteadyTime now{1h};
  for (; now < SteadyTime{1h + 30s}; now += 100ms) {
    a.run(now, &server);
    b.run(now, &server);
  }
  auto const stopped = now;
  std::optional<SteadyTime> lost;
  std::optional<SteadyTime> gained;
  for (; now < stopped + 40s; now += 10ms) {
    b.run(now, &server);
    if (!lost && !a.elector.may_write(now)) lost = now;
    if (!gained && b.elector.may_write(now)) gained = now;
    CHECK_FALSE((a.elector.may_write(now) && b.elector.may_write(now)));
  }
  REQUIRE(lost);
  REQUIRE(gained);
  CHECK(*lost - stopped <= 10s);
  CHECK(*gained - *lost >= 2s);
  CHECK(*gained - stopped <= 20s);
  // Awake again, it reads before it writes, and sees that it has lost.
  a.run(now, &server);
  CHECK_FALSE(a.elector.may_write(now));
  CHECK(server.lease->holder == "b");
  CHECK(server.lease->transitions == 1);
}

TEST_CASE(
    "a leader that cannot reach the server stops at its deadline, and goes on when the lease is still its "
    "own") {
  Server server;
  Candidate a("a");
  SteadyTime now{1h};
  a.run(now, &server);
  REQUIRE(a.elector.may_write(now));
  for (; now < SteadyTime{1h + 12s}; now += 100ms) a.run(now, nullptr);
  CHECK_FALSE(a.elector.may_write(now));
  for (; now < SteadyTime{1h + 16s}; now += 100ms) a.run(now, &server);
  CHECK(a.elector.may_write(now));
  CHECK(server.lease->transitions == 0);
}

TEST_CASE("an answer that took longer than the deadline does not make a leader") {
  Elector elector(Candidate::options("a", 1));
  SteadyTime const now{1h};
  elector.step(Elector::Started{}, now, {});
  elector.step(Elector::Missing{}, now, {});
  elector.sending(now);
  elector.step(Elector::Written{"1"}, now + 11s, {});
  CHECK_FALSE(elector.may_write(now + 11s));
}

TEST_CASE("time counts from before the request, not from its answer") {
  Elector elector(Candidate::options("a", 1));
  SteadyTime const now{1h};
  elector.step(Elector::Started{}, now, {});
  elector.step(Elector::Missing{}, now, {});
  elector.sending(now);
  elector.step(Elector::Written{"1"}, now + 4s, {});
  CHECK(elector.may_write(now + 9s));
  CHECK_FALSE(elector.may_write(now + 10s));
}

TEST_CASE("a released lease is taken within a retry period") {
  Server server;
  Candidate a("a");
  Candidate b("b", 2);
  SteadyTime now{1h};
  a.run(now, &server);
  b.run(now, &server);
  auto const release = a.elector.release(now, WallTime{now.time_since_epoch()});
  REQUIRE(release);
  CHECK(release->record.holder.empty());
  server.answer(*release);
  CHECK_FALSE(a.elector.may_write(now));
  auto const released = now;
  while (!b.elector.may_write(now) && now < released + 20s) b.run(now += 100ms, &server);
  CHECK(now - released <= 3s);
  CHECK_FALSE(b.elector.release(now + 1h, {}).has_value());
}

TEST_CASE("two that claim a free lease at once: one wins") {
  Server server;
  server.lease = LeaseRecord{"", 1s, {}, {}, 3, "7"};
  server.version = 7;
  Candidate a("a");
  Candidate b("b", 2);
  SteadyTime now{1h};
  // Both read before either writes.
  a.step = a.elector.step(server.answer(Elector::Read{}), now, {});
  b.step = b.elector.step(server.answer(Elector::Read{}), now, {});
  a.run(now, &server);
  b.run(now, &server);
  CHECK(a.elector.may_write(now));
  CHECK_FALSE(b.elector.may_write(now));
  CHECK(server.lease->transitions == 4);
}

TEST_CASE("a lease is read back as it was written") {
  LeaseRecord const record{"me", 15s, WallTime{1s}, WallTime{1500ms}, 4, "77"};
  boost::json::value const object = write_lease(record, "ns", "lock");
  CHECK(read_lease(object) == record);
  CHECK(object.at("spec").at("renewTime") == "1970-01-01T00:00:01.500000Z");
  CHECK(object.at("metadata").at("namespace") == "ns");
}

TEST_CASE("a lease keeps the labels and annotations that others gave it") {
  boost::json::value const chart{{"metadata",
                                  {{"name", "n"},
                                   {"resourceVersion", "7"},
                                   {"labels", {{"app.kubernetes.io/managed-by", "Helm"}}},
                                   {"annotations", {{"meta.helm.sh/release-name", "eis"}}}}}};
  auto record = read_lease(chart);
  record.holder = "a";
  boost::json::value const written = write_lease(record, "ns", "n");
  CHECK(written.at("metadata").at("labels") == chart.at("metadata").at("labels"));
  CHECK(written.at("metadata").at("annotations") == chart.at("metadata").at("annotations"));
  CHECK(written.at("metadata").at("resourceVersion") == "7");
}
