#include "operator/backend/kube/leader.hpp"

#include "operator/api/parse.hpp"
#include "tests/operator/backend/kube/memory_api.hpp"

using namespace ei;
using namespace ei::kube;

namespace {

struct Election : MemoryApi {
  struct Candidate {
    std::unique_ptr<Client> client;
    Leader leader;
    TaskGroup tasks;
    Candidate(Election& election, std::string identity)
        : client(election.client()),
          leader(election.context.get_executor(), *client, {"default", "lease"},
                 options(std::move(identity))),
          tasks(election.context.get_executor(), [](auto const&, auto const& what) { FAIL(what); }) {
      tasks.spawn("election", [this] { return leader.run(); });
    }
    static Elector::Options options(std::string identity) {
      Elector::Options made;
      made.identity = std::move(identity);
      return made;
    }
  };
  std::string holder() { return sim::text_of(get(kLeases, {"default", "lease"}), "spec.holderIdentity"); }
  void stop(Candidate& candidate) {
    asio::co_spawn(context, candidate.tasks.stop(), asio::detached);
    pass(1s);
  }
};

}  // namespace

TEST_CASE_METHOD(Election, "of two candidates one leads, and keeps leading") {
  Candidate one(*this, "one");
  pass(5s);
  Candidate two(*this, "two");
  for (int i = 0; i < 60; ++i) {
    pass(1s);
    CHECK(one.leader.may_write());
    CHECK_FALSE(two.leader.may_write());
  }
  CHECK(holder() == "one");
  CHECK(two.leader.holder() == "one");
  stop(one);
  stop(two);
}

TEST_CASE_METHOD(Election, "a leader that cannot renew stops writing before another may begin") {
  Candidate one(*this, "one");
  pass(5s);
  REQUIRE(one.leader.may_write());
  network.weather.server_down = true;
  pass(12s);
  CHECK_FALSE(one.leader.may_write());
  network.weather.server_down = false;
  Candidate two(*this, "two");
  bool both = false;
  for (int i = 0; i < 600; ++i) {
    pass(100ms);
    both = both || (one.leader.may_write() && two.leader.may_write());
  }
  CHECK_FALSE(both);
  CHECK(one.leader.may_write() != two.leader.may_write());
  stop(one);
  stop(two);
}

TEST_CASE_METHOD(Election,
                 "a leader that releases is followed at once, and one that vanished after the lease") {
  Candidate one(*this, "one");
  Candidate two(*this, "two");
  pass(10s);
  auto& first = one.leader.may_write() ? one : two;
  auto& second = one.leader.may_write() ? two : one;
  stop(first);
  SECTION("released") {
    asio::co_spawn(context, first.leader.release(), asio::detached);
    pass(4s);
    CHECK(second.leader.may_write());
    CHECK_FALSE(first.leader.may_write());
  }
  SECTION("vanished") {
    pass(8s);
    CHECK_FALSE(second.leader.may_write());
    pass(12s);
    CHECK(second.leader.may_write());
  }
  stop(second);
}

TEST_CASE_METHOD(Election, "who waits for the leadership and for its loss is woken") {
  Candidate one(*this, "one");
  bool gained = false;
  bool lost = false;
  one.tasks.spawn("wait", [&]() -> asio::awaitable<void> {
    co_await one.leader.wait_gained();
    gained = true;
    co_await one.leader.wait_lost();
    lost = true;
  });
  pass(3s);
  CHECK(gained);
  CHECK_FALSE(lost);
  network.weather.lost_share = 1;
  pass(13s);
  CHECK(lost);
  stop(one);
}

TEST_CASE_METHOD(Election, "a lease that somebody deletes or takes is noticed") {
  Candidate one(*this, "one");
  pass(5s);
  REQUIRE(one.leader.may_write());
  auto const path = object_path(kLeases, {"default", "lease"});
  SECTION("deleted") {
    send("DELETE", path);
    pass(5s);
    CHECK(one.leader.may_write());
    CHECK(holder() == "one");
  }
  SECTION("taken") {
    send("PATCH", path, R"({"spec":{"holderIdentity":"thief"}})");
    pass(5s);
    CHECK_FALSE(one.leader.may_write());
  }
  stop(one);
}
