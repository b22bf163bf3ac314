#include "operator/backend/kube/protocol/neighbours.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace ei::kube;
using namespace std::chrono_literals;
using ei::SteadyTime;

namespace {

std::string lease(std::string const& where, std::string const& made, std::string const& holder,
                  std::string const& version = "1", std::string const& watches = "*") {
  return R"({"metadata": {"namespace": ")" + where + R"(", "name": "eis", "creationTimestamp": ")" + made +
         R"(", "resourceVersion": ")" + version + R"(", "annotations": {"elasticinference.dev/watches": ")" +
         watches + R"("}}, "spec": {"holderIdentity": ")" + holder + R"(", "leaseDurationSeconds": 15}})";
}

boost::json::value list(std::vector<std::string> const& leases) {
  std::string text = R"({"items": [)";
  for (auto const& each : leases) text += (&each == &leases.front() ? "" : ",") + each;
  return boost::json::parse(text + "]}");
}

SteadyTime const kNow{1h};
auto const kOwn = lease("b", "2026-01-01T00:00:01Z", "ours");

}  // namespace

TEST_CASE("The release whose Lease was made first is the earlier one, and of one second the first by name") {
  Neighbours ours({"b", "eis"});
  struct Row {
    char const* why;
    std::string other;
    bool earlier;
  };
  for (auto const& row : {Row{"made before", lease("c", "2026-01-01T00:00:00Z", "x"), true},
                          Row{"made after", lease("a", "2026-01-01T00:00:02Z", "x"), false},
                          Row{"the same second, a", lease("a", "2026-01-01T00:00:01Z", "x"), true},
                          Row{"the same second, c", lease("c", "2026-01-01T00:00:01Z", "x"), false}}) {
    INFO(row.why);
    auto const found = ours.look(list({kOwn, row.other}), kNow);
    REQUIRE(found.size() == 1);
    CHECK(found[0].earlier == row.earlier);
    CHECK(found[0].watches_all());
  }
  CHECK(ours.look(list({kOwn}), kNow).empty());
  CHECK(ours.look(boost::json::value(nullptr), kNow).empty());
}

TEST_CASE("Who has no Lease of its own is later than everybody") {
  Neighbours ours({"b", "eis"});
  auto const found = ours.look(list({lease("c", "2026-01-01T00:00:09Z", "x")}), kNow);
  REQUIRE(found.size() == 1);
  CHECK(found[0].earlier);
  CHECK(to_string(found[0]).find("its Lease is c/eis, held by x") != std::string::npos);
}

TEST_CASE("A Lease that nobody holds, or that is not renewed any more, is no neighbour") {
  Neighbours ours({"b", "eis"});
  CHECK(ours.look(list({kOwn, lease("a", "2026-01-01T00:00:00Z", "")}), kNow).empty());
  auto const crashed = list({kOwn, lease("a", "2026-01-01T00:00:00Z", "x")});
  CHECK(ours.look(crashed, kNow).size() == 1);
  CHECK(ours.look(crashed, kNow + 14s).size() == 1);
  CHECK(ours.look(crashed, kNow + 15s).empty());
  CHECK(ours.look(list({kOwn, lease("a", "2026-01-01T00:00:00Z", "x", "2")}), kNow + 16s).size() == 1);
}

TEST_CASE("A release of some namespaces is told and not waited for") {
  Neighbours ours({"b", "eis"});
  auto const found = ours.look(list({kOwn, lease("a", "2026-01-01T00:00:00Z", "x", "1", "one,two")}), kNow);
  REQUIRE(found.size() == 1);
  CHECK_FALSE(found[0].watches_all());
  CHECK(to_string(found[0]).find("watches one,two too") != std::string::npos);
}
