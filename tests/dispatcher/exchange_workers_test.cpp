#include <catch2/catch.hpp>

#include "tests/dispatcher/exchange_stage.hpp"

using namespace ei;
using namespace ei::dispatcher;
using namespace ei::dispatcher::test;
using namespace std::chrono_literals;

TEST_CASE("a worker that breaks the protocol hears why") {
  Stage stage;
  auto& a = stage.worker("a");
  auto& b = stage.worker("b");
  stage.ready(a);
  CHECK_THAT(stage.exchange.ready(a.id, at(0s)).error().message, Catch::Contains("more than the 1 slots"));
  stage.submit("1");
  CHECK(stage.exchange.ready(a.id, at(0s)).has_error());
  auto result = Stage::result_of(a.jobs[0]);
  CHECK_THAT(stage.exchange.result(b.id, result, at(0s)).error().message,
             Catch::Contains("which the worker does not hold"));
  result.items.push_back(result.items[0]);
  CHECK_THAT(stage.exchange.result(a.id, result, at(0s)).error().message,
             Catch::Contains("2 items for a job of 1"));
  result.items.pop_back();
  result.probabilities = {1, 2, 3};
  CHECK_THAT(stage.exchange.result(a.id, result, at(0s)).error().message,
             Catch::Contains("which asked for no probabilities"));
  auto const other = stage.exchange.attach({"c", "vgg", 3, "", 1}, {}, at(0s));
  CHECK(other.error().message == "worker c serves model \"vgg\"; this dispatcher serves \"resnet18\"");
}

TEST_CASE("a leaving worker gets no more jobs but may finish the one it holds") {
  Stage stage;
  auto& worker = stage.worker("w", 2);
  stage.ready(worker);
  stage.ready(worker);
  auto const request = stage.submit("1");
  stage.exchange.bye(worker.id);
  stage.submit("2");
  CHECK(worker.jobs.size() == 1);
  stage.answer(worker, at(1s));
  CHECK(label(*request) == "1");
}

TEST_CASE("a worker that holds a job for too long is dropped") {
  Stage stage({.job_timeout = 60s});
  auto& worker = stage.worker("w");
  stage.ready(worker);
  auto const request = stage.submit("1", at(0s), 90s);
  CHECK(stage.exchange.next_tick() == at(60s));
  stage.exchange.tick(at(59s));
  CHECK(worker.dropped.empty());
  stage.exchange.tick(at(60s));
  CHECK(worker.dropped.size() == 1);
  stage.exchange.tick(at(61s));
  CHECK(worker.dropped.size() == 1);
  stage.exchange.detach(worker.id, at(61s));
  CHECK(stage.exchange.queue().size() == 1);
  CHECK_FALSE(request->outcome);
}

TEST_CASE("a job asks for the most labels that one of its requests wants, and each gets its own number") {
  ExchangeOptions options;
  options.batch.max_size = 2;
  options.top = 2;
  Stage stage(options);
  auto const usual = stage.submit("usual");
  auto const more = stage.request("more", at(30s));
  more->top = 3;
  REQUIRE(stage.exchange.submit(more, at(0s)).has_value());
  auto& worker = stage.worker("w");
  stage.ready(worker);
  REQUIRE(worker.jobs.size() == 1);
  CHECK(worker.jobs[0].top == 3);
  link::JobResult result;
  result.id = worker.jobs[0].id;
  std::vector<link::Prediction> const top{{"a", 0, 0.5}, {"b", 1, 0.3}, {"c", 2, 0.2}};
  result.items = {top, top};
  REQUIRE(stage.exchange.result(worker.id, result, at(1s)).has_value());
  CHECK(usual->outcome->value().at(0).top.size() == 2);
  CHECK(more->outcome->value().at(0).top == top);
}

TEST_CASE("two dispatchers that share a worker count together what it computed") {
  Stage first;
  Stage second;
  auto& of_first = first.worker("w");
  auto& of_second = second.worker("w");
  first.ready(of_first);
  second.ready(of_second);
  first.submit("1", at(0s));
  second.submit("2", at(0s));
  // The worker computes one second for each, one after the other.
  first.answer(of_first, at(1s));
  auto result = Stage::result_of(of_second.jobs.back());
  result.waited_ms = 1000;
  REQUIRE(second.exchange.result(of_second.id, std::move(result), at(2s)).has_value());
  CHECK(first.exchange.queue().counters().service_seconds == Approx(1));
  CHECK(second.exchange.queue().counters().service_seconds == Approx(1));
}

TEST_CASE("the late lane reckons with the wait in a shared worker, as an answer comes that much later") {
  Stage stage({.latency_target = 10s});
  auto& worker = stage.worker("w");
  stage.ready(worker);
  stage.submit("1", at(0s));
  auto result = Stage::result_of(worker.jobs.back());
  result.waited_ms = 1000;
  REQUIRE(stage.exchange.result(worker.id, std::move(result), at(2s)).has_value());
  CHECK(stage.exchange.queue().limits().late_after == 7800ms);
}

TEST_CASE("with a latency target, late requests let fresh ones pass") {
  Stage stage({.latency_target = 500ms});
  stage.submit("old", at(0s));
  stage.submit("fresh", at(600ms));
  auto& worker = stage.worker("w");
  stage.ready(worker, at(700ms));
  CHECK(worker.jobs.at(0).payload == "fresh");
}

TEST_CASE("a request that finds no worker is told how long it waited for one, and the next one nothing") {
  std::vector<Duration> told;
  ExchangeOptions options;
  options.on_cold_start = [&](Duration waited) { told.push_back(waited); };
  Stage stage(options);
  auto const cold = stage.submit("1", at(1s));
  auto& worker = stage.worker("w", 1, at(3s));
  stage.ready(worker, at(4s));
  stage.answer(worker, at(5s));
  CHECK(cold->outcome->value().at(0).cold_start == 2s);
  CHECK(cold->outcome->value().at(0).queued == 3s);
  auto const warm = stage.submit("2", at(6s));
  stage.ready(worker, at(6s));
  stage.answer(worker, at(7s));
  CHECK_FALSE(warm->outcome->value().at(0).cold_start);
  CHECK(told == std::vector<Duration>{2s});
}

TEST_CASE("a worker that leaves is none for who comes then") {
  Stage stage;
  auto& last = stage.worker("last", 1, at(0s), "0123456789ab");
  stage.exchange.bye(last.id);
  auto const request = stage.submit("1", at(1s));
  stage.exchange.detach(last.id, at(2s), Ended::Closed);
  CHECK(stage.exchange.last_version() == "0123456789ab");
  auto& next = stage.worker("next", 1, at(4s));
  stage.ready(next, at(4s));
  stage.answer(next, at(5s));
  CHECK(request->outcome->value().at(0).cold_start == 3s);
}

TEST_CASE("a request whose first worker was lost waited for that one alone") {
  std::vector<Duration> told;
  ExchangeOptions options;
  options.on_cold_start = [&](Duration waited) { told.push_back(waited); };
  Stage stage(options);
  auto const request = stage.submit("1", at(0s));
  auto& lost = stage.asking("lost", at(1s));
  REQUIRE(lost.jobs.size() == 1);
  stage.die(lost, at(2s));
  auto const later = stage.submit("2", at(3s));
  auto& next = stage.asking("next", at(10s));
  stage.answer(next, at(11s));
  stage.ready(next, at(11s));
  stage.answer(next, at(12s));
  CHECK(later->outcome->value().at(0).cold_start == 7s);
  CHECK(request->outcome->value().at(0).cold_start == 1s);
  CHECK(told == std::vector<Duration>{1s, 7s});
}

TEST_CASE("a cold start is told once for all pictures of a request, and not where one of them fails") {
  std::vector<Duration> told;
  ExchangeOptions options;
  options.batch.max_size = 2;
  options.on_cold_start = [&](Duration waited) { told.push_back(waited); };
  Stage stage(options);
  auto const answered = stage.submit("a", at(0s), 30s, 2);
  auto& worker = stage.asking("w", at(2s));
  REQUIRE(worker.jobs.at(0).items.size() == 2);
  stage.answer(worker, at(3s));
  CHECK(answered->outcome->value().at(0).cold_start == 2s);
  CHECK(answered->outcome->value().at(1).cold_start == 2s);
  CHECK(told == std::vector<Duration>{2s});
  stage.die(worker, at(4s), Ended::Closed);

  auto const failed = stage.submit("b", at(5s), 30s, 2);
  auto& next = stage.asking("next", at(6s));
  auto result = Stage::result_of(next.jobs.at(0));
  REQUIRE(result.items.size() == 2);
  result.items[1] = link::ItemError{400, "no picture"};
  REQUIRE(stage.exchange.result(next.id, result, at(7s)).has_value());
  CHECK(status(*failed) == 400);
  CHECK(told == std::vector<Duration>{2s});
}

TEST_CASE("who no worker came for is told why, as long as somebody says so") {
  Stage stage;
  auto const told = stage.submit("1", at(0s), 5s);
  stage.exchange.explain_no_worker("ImagePullBackOff", at(4s));
  stage.exchange.tick(at(5s));
  CHECK(told->outcome->error().message == "no worker came within the deadline: ImagePullBackOff");
  CHECK(status(*told) == 503);
  auto const later = stage.submit("2", at(9s), 6s);
  stage.exchange.tick(at(15s));
  CHECK(later->outcome->error().message == "no worker came within the deadline");
}

namespace {

FakeWorker& standby(Stage& stage, std::string const& name, Time now) {
  auto& fake = stage.worker(name, 1, now);
  stage.exchange.standby(fake.id, now);
  return fake;
}

}  // namespace

TEST_CASE("a standby gets no job and is no worker until it asks for one") {
  Stage stage;
  auto& worker = standby(stage, "w", at(0s));
  CHECK(stage.exchange.workers() == 0);
  CHECK(stage.exchange.standby_workers() == 1);
  auto const request = stage.submit("1", at(1s));
  CHECK(worker.jobs.empty());
  stage.ready(worker, at(2s));
  CHECK(stage.exchange.workers() == 1);
  CHECK(stage.exchange.standby_workers() == 0);
  REQUIRE(worker.jobs.size() == 1);
  stage.answer(worker, at(3s));
  CHECK(request->outcome->value().at(0).cold_start == Duration(1s));
}

TEST_CASE("a worker that becomes a standby takes back what it asked for, and answers what it holds") {
  Stage stage;
  auto& asking = stage.asking("asking", at(0s));
  stage.exchange.standby(asking.id, at(1s));
  auto& busy = stage.asking("busy", at(1s));
  auto const first = stage.submit("1", at(1s));
  REQUIRE(busy.jobs.size() == 1);
  stage.exchange.standby(busy.id, at(1s));
  CHECK(stage.exchange.busy_workers() == 1);
  CHECK(stage.exchange.standby_workers() == 1);
  stage.submit("2", at(1s));
  stage.answer(busy, at(2s));
  CHECK(label(*first) == "1");
  CHECK(asking.jobs.empty());
  CHECK(busy.jobs.size() == 1);
  CHECK(stage.exchange.standby_workers() == 2);
}

TEST_CASE("a worker that asks again while a job is under way to it asks once more behind its answer") {
  Stage stage;
  auto& worker = stage.asking("w", at(0s));
  stage.submit("1", at(0s));
  REQUIRE(worker.jobs.size() == 1);
  stage.exchange.standby(worker.id, at(0s));
  stage.ready(worker, at(0s));  // sent before the job was there
  stage.submit("2", at(0s));
  CHECK(worker.jobs.size() == 1);
  CHECK(stage.exchange.ready(worker.id, at(0s)).has_error());
  stage.answer(worker, at(1s));
  stage.ready(worker, at(1s));
  CHECK(worker.jobs.size() == 2);
}

TEST_CASE("a request that only standbys were there for ends with 503, as where no worker was") {
  Stage stage;
  auto& worker = standby(stage, "w", at(0s));
  auto const request = stage.submit("1", at(1s), 5s);
  stage.exchange.tick(at(6s));
  CHECK(status(*request) == 503);
  stage.die(worker, at(7s), Ended::Closed);
  CHECK(stage.exchange.standby_workers() == 0);
  CHECK(stage.exchange.workers() == 0);
}

TEST_CASE("workers are counted by what they serve and compute in, and by whether they compute") {
  Stage stage;
  auto& a = stage.worker("a", 1, at(0s), "a1");
  stage.worker("b", 1, at(0s), "b2");
  auto const attach = [&](std::string name, std::string precision, std::optional<double> agreement) {
    link::Hello hello{std::move(name), "resnet18", 3, "", 1, "scores", std::move(precision), agreement, "b2"};
    REQUIRE(stage.exchange.attach(std::move(hello), {}, at(0s)).has_value());
  };
  CHECK_FALSE(stage.exchange.least_agreement().has_value());
  attach("c", "int8", 0.75);
  attach("d", "int8", 0.5);
  CHECK(stage.exchange.workers_by_version() == std::map<std::string, std::size_t>{{"a1", 1}, {"b2", 3}});
  CHECK(stage.exchange.workers_by_output("scores") == 2);
  CHECK(stage.exchange.workers_by_precision("int8") == 2);
  CHECK(stage.exchange.workers_by_precision("fp32") == 0);
  CHECK(stage.exchange.least_agreement() == 0.5);
  CHECK(stage.exchange.busy_workers() == 0);
  stage.ready(a);
  stage.submit("1");
  CHECK(stage.exchange.busy_workers() == 1);
}
