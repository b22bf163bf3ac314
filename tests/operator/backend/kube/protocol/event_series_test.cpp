#include "operator/backend/kube/protocol/event_series.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace ei::kube;
using namespace std::chrono_literals;
using ei::SteadyTime;
using ei::WallTime;

namespace {

Occurrence occurrence(std::string note, std::string uid = "u1") {
  return {{"ns", "resnet18"}, std::move(uid), "Normal", "ScaledUp", "Scale", std::move(note), "d-1"};
}

struct Script {
  EventSeries series{"elasticinference.dev/operator", "operator-0"};
  SteadyTime now{1h};
  WallTime wall{std::chrono::hours(24 * 365 * 50)};

  std::optional<EventWrite> operator()(Occurrence const& what) { return series.record(what, now, wall); }
  void pass(std::chrono::seconds time) {
    now += time;
    wall += time;
  }
};

}  // namespace

TEST_CASE("the first occurrence is an Event that the API server accepts") {
  Script script;
  auto const write = script(occurrence("1 -> 3"));
  REQUIRE(write);
  CHECK(write->create);
  auto const& body = write->body;
  CHECK(body.at("apiVersion") == "events.k8s.io/v1");
  CHECK(body.at("reportingController") == "elasticinference.dev/operator");
  CHECK(body.at("action") == "Scale");
  CHECK(body.at("note") == "1 -> 3");
  CHECK(body.at("regarding").at("uid") == "u1");
  CHECK(body.at("metadata").at("annotations").at("elasticinference.dev/decision") == "d-1");
  CHECK_FALSE(body.contains("series"));
}

TEST_CASE("an Event tells what its decision rests on, where that is known") {
  Script script;
  auto const annotations = [](EventWrite const& write) {
    return boost::json::value(write.body.at("metadata").at("annotations"));
  };
  CHECK_FALSE(annotations(*script(occurrence("1 -> 3"))).as_object().contains(kExplanationAnnotation));
  auto explained = occurrence("3 -> 4");
  explained.explanation = R"({"measured":"12 wait"})";
  CHECK(annotations(*script(explained)).at(kExplanationAnnotation).as_string() == explained.explanation);
}

TEST_CASE("the same occurrence again makes a series, written at most every ten seconds") {
  Script script;
  auto const first = script(occurrence("same"));
  int writes = 0;
  for (int i = 0; i < 100; ++i) {
    script.pass(1s);
    if (auto const write = script(occurrence("same"))) {
      ++writes;
      CHECK_FALSE(write->create);
      CHECK(write->key == first->key);
    }
  }
  CHECK(writes == 10);
  script.pass(1s);
  CHECK_FALSE(script(occurrence("same")));
  script.pass(10s);
  auto const flushed = script.series.flush(script.now);
  REQUIRE(flushed.size() == 1);
  CHECK(flushed[0].body.at("series").at("count") == 102);
  CHECK(script.series.flush(script.now).empty());
}

TEST_CASE("after ten quiet minutes it is a new Event") {
  Script script;
  auto const first = script(occurrence("same"));
  script.pass(11min);
  auto const again = script(occurrence("same"));
  REQUIRE(again);
  CHECK(again->create);
  CHECK(again->key != first->key);
}

TEST_CASE("more than ten different notes for one reason are folded into the latest") {
  Script script;
  std::set<std::string> created;
  for (int i = 0; i < 40; ++i) {
    script.pass(12s);
    auto const write = script(occurrence("note " + std::to_string(i)));
    if (write && write->create) created.insert(write->key.name);
  }
  CHECK(created.size() == 10);
}

TEST_CASE("one noisy subject is limited and leaves room for others") {
  Script script;
  int created = 0;
  for (int i = 0; i < 200; ++i) {
    auto what = occurrence("n");
    what.reason = "Reason" + std::to_string(i);
    if (script(what)) ++created;
  }
  CHECK(created == 25);
  CHECK(script.series.dropped() == 175);
  CHECK(script(occurrence("other", "u2")).has_value());
}

TEST_CASE("what is past is forgotten, and memory is bounded") {
  Script script;
  for (int i = 0; i < 10000; ++i) {
    script(occurrence("n", "u" + std::to_string(i)));
    script.pass(1s);
    if (i % 10 == 0) script.series.flush(script.now);
  }
  CHECK(script.series.tracked() < 700);
  script.pass(20min);
  script.series.flush(script.now);
  CHECK(script.series.tracked() == 0);
}

TEST_CASE("a long note is cut between characters") {
  Script script;
  std::string note;
  for (int i = 0; i < 600; ++i) note += "\xC3\xBC";
  auto const write = script(occurrence(note));
  std::string const cut(write->body.at("note").as_string());
  CHECK(cut.size() <= 1024);
  CHECK(cut.substr(cut.size() - 5) == "\xC3\xBC...");
}
