#include "operator/backend/kube/protocol/watch_event.hpp"
#include "tests/sim/api/requests.hpp"

#include <catch2/catch.hpp>

#include <vector>

using namespace ei::sim;
using namespace std::chrono_literals;

namespace {

struct Watched : Requests {
  ei::SteadyTime at{};

  Watch open(std::string const& query) {
    auto opened = server.watch(make("GET", std::string(kMaps) + "?watch=true&" + query), at);
    REQUIRE(std::holds_alternative<Watch>(opened));
    return std::get<Watch>(std::move(opened));
  }
  /// "ADDED a", "BOOKMARK ", "ERROR": what the lines say.
  std::vector<std::string> take(Watch& watch) {
    std::vector<std::string> words;
    auto text = watch.take(server.storage(), at);
    while (!text.empty()) {
      auto const end = text.find('\n');
      auto const line = boost::json::parse(text.substr(0, end)).as_object();
      words.push_back(text_of(line, "type") + " " + text_of(line, "object.metadata.name"));
      REQUIRE(ei::kube::parse_watch_line(text.substr(0, end)).has_value());
      text.erase(0, end + 1);
    }
    return words;
  }
  std::string version() { return text_of(get(kMaps), "metadata.resourceVersion"); }
};

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("a watch tells of every change after its version, in order and once") {
  Watched api;
  api.send("POST", kMaps, config_map("a", "{}"));
  auto watch = api.open("resourceVersion=" + api.version());
  CHECK(api.take(watch).empty());
  api.send("POST", kMaps, config_map("b", "{}"));
  api.merge(kMap, R"({"data":{"k":"1"}})");
  api.send("DELETE", kMap);
  CHECK(api.take(watch) == Words{"ADDED b", "MODIFIED a", "DELETED a"});
  CHECK(api.take(watch).empty());
}

TEST_CASE("a streaming list ends with its bookmark") {
  Watched api;
  api.send("POST", kMaps, config_map("a", "{}"));
  auto watch = api.open("sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
  auto const text = watch.take(api.server.storage(), api.at);
  CHECK(text.find("k8s.io/initial-events-end") != std::string::npos);
  api.send("POST", kMaps, config_map("b", "{}"));
  CHECK(api.take(watch) == Words{"ADDED b"});
}

TEST_CASE("an object comes and goes with the labels that are selected") {
  Watched api;
  api.send("POST", kMaps, config_map("a", "{}"));
  auto watch = api.open("labelSelector=x%3D1&resourceVersion=" + api.version());
  api.merge(kMap, R"({"metadata":{"labels":{"x":"1"}}})");
  CHECK(api.take(watch) == Words{"ADDED a"});
  api.merge(kMap, R"({"metadata":{"labels":{"x":"2"}}})");
  CHECK(api.take(watch) == Words{"DELETED a"});
}

TEST_CASE("a watch from before a restart is Gone, and one of the last version goes on") {
  Watched api;
  api.send("POST", kMaps, config_map("a", "{}"));
  auto old = api.open("resourceVersion=" + api.version());
  api.send("POST", kMaps, config_map("b", "{}"));
  auto current = api.open("resourceVersion=" + api.version());
  api.server.restart();
  CHECK(api.take(old) == Words{"ERROR "});
  CHECK(old.ended(api.at));
  CHECK(api.take(current).empty());
  CHECK_FALSE(current.ended(api.at));
}

TEST_CASE("a quiet watch gets bookmarks, and ends when its time is up") {
  Watched api;
  auto watch = api.open("allowWatchBookmarks=true&timeoutSeconds=100&resourceVersion=" + api.version());
  CHECK(watch.next_due() == api.at + Watch::kBookmarkPeriod);
  api.at += Watch::kBookmarkPeriod;
  CHECK(api.take(watch) == Words{"BOOKMARK "});
  CHECK(watch.next_due() == api.at + 40s);
  api.at += 40s;
  CHECK(watch.ended(api.at));
}

TEST_CASE("a watch from a version that is not there yet is refused") {
  Watched api;
  auto const opened = api.server.watch(
      Requests::make("GET", std::string(kMaps) + "?watch=true&resourceVersion=999999"), api.at);
  REQUIRE(std::holds_alternative<ei::http::Response>(opened));
  CHECK(std::get<ei::http::Response>(opened).status == 504);
}
