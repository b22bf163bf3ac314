#include "operator/page/services.hpp"

#include <catch2/catch.hpp>

#include "operator/page/json.hpp"
#include "runtime/core/json.hpp"

namespace ei::page {
namespace {

namespace json = boost::json;

WallTime at(std::int64_t second) {
  return WallTime(std::chrono::seconds(second));
}

plan::WorkerInstance worker(std::string name, bool ready, WallTime created) {
  plan::WorkerInstance out;
  out.name = std::move(name);
  out.ready = ready;
  out.created = created;
  return out;
}

/// What a reconcile would tell of one service, at a second.
struct Told {
  plan::Observation seen;
  plan::Verdict verdict;
  plan::Plan plan;
  scaling::Settings settings;
  scaling::Snapshot snapshot;

  explicit Told(std::string name, std::string namespace_name = "default") {
    seen.metadata.name = std::move(name);
    seen.metadata.namespace_name = std::move(namespace_name);
    seen.metadata.generation = 1;
    seen.spec.emplace();
    set(api::kReady, api::ConditionStatus::True, "Serving");
  }

  void set(std::string_view type, api::ConditionStatus status, std::string reason, std::string message = "") {
    set_condition(plan.status.conditions,
                  {std::string(type), status, std::move(reason), std::move(message), {}, 1}, at(0));
  }

  void decide(std::string id, int from, int to) {
    verdict.decision_id = std::move(id);
    verdict.decision.emplace();
    verdict.decision->from = from;
    verdict.decision->to = to;
    verdict.decision->reason = to == from ? scaling::Reason::Steady : scaling::Reason::LoadRose;
    verdict.decision->term = scaling::Term::Load;
    verdict.decision->inputs.load_workers = to;
    verdict.decision->inputs.backlog_workers = 1;
    verdict.decision->formula = "2 x 3";
    verdict.decision->why_not_more = "enough";
    verdict.decision->why_not_less = "too few";
    plan.status.desired_replicas = to;
  }

  void tell(Services& services, std::int64_t second) const {
    services.decided(
        {seen, verdict, plan, settings, snapshot, SteadyTime(std::chrono::seconds(second)), at(second)});
  }
};

json::object listed(Services const& services, ListQuery const& query = {}, std::int64_t second = 1'000) {
  ListCursor cursor;
  return services.list(query, cursor, at(second));
}

std::vector<std::string> order(json::object const& list) {
  std::vector<std::string> out;
  for (auto const& each : list.at("order").as_array()) out.emplace_back(each.as_string());
  return out;
}

json::object shown(Services const& services, ServiceCursor& cursor, std::int64_t second) {
  auto out = services.service({"default", "a"}, cursor, at(second));
  REQUIRE(out.has_value());
  return *out;
}

TEST_CASE("the list says of each service what it is and what it was", "[page]") {
  Services services;
  Told a("a");
  a.seen.workers = {worker("a-1", true, at(990)), worker("a-2", false, at(999))};
  a.seen.endpoint = "http://127.0.0.1:8001";
  a.plan.status.queue.depth = 7;
  a.plan.status.queue.arrival_rate = 12.3;
  a.verdict.p50 = milliseconds(40);
  a.verdict.p99 = milliseconds(420);
  a.plan.status.desired_replicas = 2;
  a.tell(services, 999);
  auto const list = listed(services);
  CHECK(list.at("version") == 1);
  CHECK(list.at("total") == 1);
  auto const& row = list.at("rows").at(0);
  CHECK(row.at("name") == "a");
  CHECK(row.at("state") == "ready");
  CHECK(row.at("endpoint") == "http://127.0.0.1:8001");
  CHECK(row.at("desired") == 2);
  CHECK(row.at("worker_cpu") == "1");
  CHECK(to_json_text(row.at("samples")) == "[[999,12.3,7,0,420,1,1,0,2,40]]");
}

TEST_CASE("a service's state is one word, and the worst one", "[page]") {
  using enum api::ConditionStatus;
  Told a("a");
  a.plan.status.desired_replicas = 1;
  auto const state = [&] { return state_of(a.plan.status); };
  CHECK(state() == State::Ready);
  a.plan.status.desired_replicas = 0;
  CHECK(state() == State::Idle);
  a.set(api::kPaused, True, "Paused");
  CHECK(state() == State::Paused);
  a.set(api::kScalingLimited, True, "AtMaximum");
  CHECK(state() == State::Limited);
  a.set(api::kReady, False, "WorkersNotReady");
  a.set(api::kWorkersReady, False, "Starting");
  CHECK(state() == State::Starting);
  a.set(api::kWorkersReady, False, "ImagePullBackOff");
  CHECK(state() == State::Trouble);
  CHECK(name(State::Trouble) == "trouble");
}

TEST_CASE("the list is sorted, filtered and cut by the operator", "[page]") {
  Services services;
  for (auto const& [name, queue] : {std::pair{"b", 3}, {"a", 1}, {"c", 3}}) {
    Told told(name, "team");
    told.plan.status.queue.depth = queue;
    told.tell(services, 999);
  }
  Told("a", "other").tell(services, 999);
  CHECK(order(listed(services)) == std::vector<std::string>{"other/a", "team/a", "team/b", "team/c"});
  ListQuery query;
  query.sort = Column::Queue;
  query.descending = true;
  CHECK(order(listed(services, query)) == std::vector<std::string>{"team/b", "team/c", "team/a", "other/a"});
  query.filter = "TEAM/";
  query.offset = 1;
  query.limit = 1;
  auto const list = listed(services, query);
  CHECK(order(list) == std::vector<std::string>{"team/c"});
  CHECK(list.at("matching") == 3);
  CHECK(list.at("total") == 4);
  query.offset = 50;
  CHECK(order(listed(services, query)).empty());
}

TEST_CASE("each column sorts the list both ways", "[page]") {
  Services services;
  for (int i = 0; i < 3; ++i) {
    Told told(std::string(1, static_cast<char>('a' + i)), "team");
    auto& queue = told.plan.status.queue;
    queue.depth = (i + 1) % 3;
    queue.arrival_rate = (i + 2) % 3;
    if (i < 2) queue.p99 = milliseconds(10 + i);
    told.tell(services, 999);
  }
  for (auto const& [column, first, last] : {std::tuple{Column::Name, "team/a", "team/c"},
                                            {Column::Queue, "team/c", "team/b"},
                                            {Column::Arrivals, "team/b", "team/a"},
                                            {Column::P99, "team/c", "team/b"}}) {
    ListQuery query;
    query.sort = column;
    CHECK(order(listed(services, query)).front() == first);
    query.descending = true;
    CHECK(order(listed(services, query)).front() == last);
  }
  for (auto const column : {Column::State, Column::Workers}) {  // all are alike: the names decide
    ListQuery query;
    query.sort = column;
    CHECK(order(listed(services, query)) == std::vector<std::string>{"team/a", "team/b", "team/c"});
  }
}

TEST_CASE("a viewer of the list is sent only news", "[page]") {
  Services services;
  Told a("a");
  Told b("b");
  a.tell(services, 1'000);
  b.tell(services, 1'000);
  ListCursor cursor;
  CHECK(services.list({}, cursor, at(1'000)).at("rows").as_array().size() == 2);
  CHECK(services.list({}, cursor, at(1'001)).at("rows").as_array().empty());
  a.plan.status.queue.depth = 5;
  a.tell(services, 1'001);
  auto const list = services.list({}, cursor, at(1'001));
  REQUIRE(list.at("rows").as_array().size() == 1);
  CHECK(list.at("rows").at(0).at("name") == "a");
  CHECK(list.at("rows").at(0).at("samples").as_array().back().at(2) == 5);
  CHECK(order(list).size() == 2);
  // The same second may get another sample after it was sent.
  a.plan.status.queue.depth = 6;
  a.tell(services, 1'001);
  CHECK(services.list({}, cursor, at(1'002)).at("rows").at(0).at("samples").at(0).at(2) == 6);
}

TEST_CASE("one service has its charts, decisions, events, workers and manifest", "[page]") {
  Services services;
  Told a("a");
  a.seen.workers = {worker("a-1", true, at(940))};
  a.seen.workers[0].trouble = plan::Trouble{"Crashed", "exit code 1", false};
  a.decide("d-1", 1, 3);
  a.tell(services, 1'000);
  services.event({"default", "a"}, {plan::EventType::Warning, "ScaledUp", "1 -> 3", "d-1"}, at(1'000));
  ServiceCursor cursor;
  auto const first = shown(services, cursor, 1'000);
  CHECK(first.at("workers").at(0).at("age_s") == 60);
  CHECK(first.at("workers").at(0).at("message") == "Crashed: exit code 1");
  CHECK(parse_json(first.at("manifest").as_string()).has_value());
  auto const& decision = first.at("decisions").at(0);
  CHECK(decision.at("id") == "d-1");
  CHECK(decision.at("from") == 1);
  CHECK(decision.at("to") == 3);
  CHECK(decision.at("term") == "Load");
  CHECK(to_json_text(decision.at("terms")) ==
        R"([{"name":"Load","workers":3},{"name":"Backlog","workers":1}])");
  CHECK(decision.at("why_not_more") == "enough");
  CHECK(first.at("events").at(0).at("reason") == "ScaledUp");
  CHECK(first.at("events").at(0).at("warning") == true);
  auto const second = shown(services, cursor, 1'001);
  CHECK(second.at("decisions").as_array().empty());
  CHECK(second.at("events").as_array().empty());
  CHECK(second.at("newest").at("id") == "d-1");
}

TEST_CASE("a decision that kept the count is the newest, and no mark in the charts", "[page]") {
  Services services;
  Told a("a");
  a.decide("d-1", 1, 1);
  a.tell(services, 1'000);
  ServiceCursor cursor;
  auto const page = shown(services, cursor, 1'000);
  CHECK(page.at("decisions").as_array().empty());
  CHECK(page.at("newest").at("reason") == "Steady");
}

TEST_CASE("what a quota cut is what the page shows", "[page]") {
  Services services;
  Told a("a");
  a.decide("d-1", 1, 3);
  a.seen.shortage = plan::Shortage{2, "QuotaExceeded", "no more"};
  a.tell(services, 1'000);
  ServiceCursor cursor;
  CHECK(shown(services, cursor, 1'000).at("newest").at("to") ==
        plan::granted(*a.verdict.decision, a.seen.shortage));
}

TEST_CASE("notes are bounded for one service and for all", "[page]") {
  Services services;
  Told a("a");
  for (int i = 0; i < 60; ++i) {
    a.decide("d-" + std::to_string(i), 1, 2);
    a.tell(services, 1'000 + i);
    services.event({"default", "a"}, {plan::EventType::Normal, "ScaledUp", std::to_string(i), ""}, at(1'000));
  }
  ServiceCursor cursor;
  auto const page = shown(services, cursor, 1'100);
  CHECK(page.at("decisions").as_array().size() == 50);
  CHECK(page.at("events").as_array().size() == 50);
  CHECK(page.at("decisions").at(49).at("id") == "d-59");
}

TEST_CASE("a service that is gone is not found", "[page]") {
  Services services;
  Told("a").tell(services, 1'000);
  services.gone({"default", "a"});
  ServiceCursor cursor;
  auto const found = services.service({"default", "a"}, cursor, at(1'000));
  REQUIRE_FALSE(found.has_value());
  CHECK(found.error().kind == ErrorKind::NotFound);
  services.event({"default", "a"}, {}, at(1'000));
  CHECK(listed(services).at("total") == 0);
}

TEST_CASE("what a trial rests on is there from the first answered request on", "[page]") {
  Services services;
  CHECK(services.known({"default", "a"}, at(0)).error().kind == ErrorKind::NotFound);
  Told a("a");
  a.seen.workers = {worker("a-1", true, at(990)), worker("a-2", false, at(999))};
  a.decide("1", 1, 2);
  a.verdict.decision->inputs.start_seconds = 2.5;
  auto& sample = a.snapshot.sample.emplace();
  auto const second = [&](std::int64_t now, double requests) {
    sample.at = SteadyTime(std::chrono::seconds(now));
    sample.arrivals = sample.completions += requests;
    sample.service_seconds += requests * 0.1;
    sample.service_seconds_squared += requests * 0.01;
    a.tell(services, now);
  };
  second(1'000, 0);
  CHECK(services.known({"default", "a"}, at(1'000)).error().kind == ErrorKind::Unavailable);
  second(1'001, 3);
  second(1'002, 4);
  auto const known = services.known({"default", "a"}, at(1'002));
  REQUIRE(known.has_value());
  CHECK(known->hour == std::vector<advice::Span>{{1'001, 4, 0, 10, 2}});
  CHECK(known->service.seconds == Approx(0.1));
  CHECK(known->start_seconds == 2.5);
  CHECK(known->manifest.find("\"minReplicas\":1") != std::string::npos);
  // An hour later nothing is known of the last hour.
  CHECK(services.known({"default", "a"}, at(5'000)).error().kind == ErrorKind::Unavailable);
}

}  // namespace
}  // namespace ei::page
