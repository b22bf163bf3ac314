#include <catch2/catch.hpp>

#include "tests/dispatcher/exchange_stage.hpp"

using namespace ei;
using namespace ei::dispatcher;
using namespace ei::dispatcher::test;
using namespace std::chrono_literals;

TEST_CASE("a request goes to an idle worker and its answer comes back with the times it took") {
  Stage stage;
  auto& worker = stage.worker("w");
  auto const request = stage.submit("cat", at(0s));
  CHECK(worker.jobs.empty());
  stage.ready(worker, at(1s));
  REQUIRE(worker.jobs.size() == 1);
  CHECK(worker.jobs[0].payload == "cat");
  CHECK(worker.jobs[0].deadline == 29s);
  CHECK(worker.jobs[0].top == 5);
  CHECK_FALSE(request->outcome);
  stage.answer(worker, at(3s));
  CHECK(label(*request) == "cat");
  auto const& answer = (*request->outcome)->at(0);
  CHECK(answer.queued == 1s);
  CHECK(answer.service == 2s);
  CHECK(answer.inference_ms == 7);
  CHECK(stage.done["cat"] == 1);
  CHECK(stage.exchange.open() == 0);
  CHECK(stage.exchange.queue().counters().service_seconds == Approx(2));
}

TEST_CASE("an answer says which weights gave it, and workers are counted by theirs") {
  Stage stage;
  auto& old_one = stage.worker("old", 1, at(0s), "aaaaaaaaaaaa");
  auto& new_one = stage.worker("new", 1, at(0s), "bbbbbbbbbbbb");
  CHECK(stage.exchange.workers_by_version() ==
        std::map<std::string, std::size_t>{{"aaaaaaaaaaaa", 1}, {"bbbbbbbbbbbb", 1}});
  stage.ready(old_one);
  stage.ready(new_one);
  auto const first = stage.submit("1");
  auto const second = stage.submit("2");
  stage.answer(new_one, at(1s));
  stage.answer(old_one, at(2s));
  CHECK((*first->outcome)->at(0).model_version == "aaaaaaaaaaaa");
  CHECK((*second->outcome)->at(0).model_version == "bbbbbbbbbbbb");
  stage.exchange.detach(old_one.id, at(3s));
  CHECK(stage.exchange.workers_by_version() == std::map<std::string, std::size_t>{{"bbbbbbbbbbbb", 1}});
}

TEST_CASE("a worker gets nothing that it did not ask for, and who asked first is served first") {
  Stage stage;
  auto& a = stage.worker("a");
  auto& b = stage.worker("b");
  stage.submit("1");
  stage.ready(b);
  stage.ready(a);
  stage.submit("2");
  stage.submit("3");
  CHECK(b.jobs.size() == 1);
  REQUIRE(a.jobs.size() == 1);
  CHECK(a.jobs[0].payload == "2");
  CHECK(stage.exchange.queue().size() == 1);
  CHECK(stage.exchange.busy_workers() == 2);
}

TEST_CASE("a client that leaves takes its waiting request with it") {
  Stage stage;
  auto const gone = stage.submit("1");
  stage.submit("2");
  stage.exchange.cancel(gone, at(1s));
  stage.exchange.cancel(gone, at(1s));
  CHECK(stage.exchange.drops().client_gone == 1);
  auto& worker = stage.worker("w");
  stage.ready(worker, at(2s));
  REQUIRE(worker.jobs.size() == 1);
  CHECK(worker.jobs[0].payload == "2");
}

TEST_CASE("a worker is told when nobody waits for its job any more, and its late answer is welcome") {
  Stage stage;
  auto& worker = stage.worker("w");
  stage.ready(worker);
  auto const request = stage.submit("1");
  stage.exchange.cancel(request, at(1s));
  CHECK(worker.cancelled == std::vector<std::uint64_t>{worker.jobs[0].id});
  stage.answer(worker, at(2s));
  CHECK(stage.exchange.queue().counters().completions == 1);
  CHECK(stage.exchange.queue().in_flight() == 0);
}

TEST_CASE("a deadline gives 504 where a worker was there, and 503 where none came") {
  Stage stage;
  auto const early = stage.submit("early", at(0s), 1s);
  stage.exchange.tick(at(1s));
  CHECK(status(*early) == 503);
  auto& worker = stage.worker("w", 1, at(1s));
  auto const waiting = stage.submit("waiting", at(2s), 3s);
  CHECK(stage.exchange.next_tick() == at(5s));
  stage.exchange.tick(at(4s));
  CHECK_FALSE(waiting->outcome);
  stage.exchange.tick(at(5s));
  CHECK(status(*waiting) == 504);
  stage.ready(worker, at(6s));
  auto const computed = stage.submit("computed", at(6s), 1s);
  stage.exchange.tick(at(7s));
  CHECK(status(*computed) == 504);
  CHECK(worker.cancelled.size() == 1);
  auto const left = stage.submit("left", at(7s), 10s);
  stage.exchange.detach(worker.id, at(8s));
  auto const after = stage.submit("after", at(9s), 10s);
  stage.exchange.tick(at(20s));
  CHECK(status(*left) == 504);
  CHECK(status(*after) == 503);
  CHECK(stage.exchange.drops().deadline == 3);
  CHECK(stage.exchange.drops().no_worker == 2);
  CHECK(stage.exchange.next_tick() == Time::max());
}

TEST_CASE("a full queue refuses with 429 and when to come back, a draining one with 503") {
  Stage stage({.queue = {.capacity = 2, .capacity_bytes = 10, .late_after = {}}});
  stage.submit("1");
  auto const two = stage.request("x", at(30s), 2);
  auto const refused = stage.exchange.submit(two, at(0s));
  REQUIRE(refused.has_error());
  CHECK(refused.error().http_status == 429);
  CHECK(refused.error().retry_after == 1000ms);
  auto const huge = stage.exchange.submit(stage.request("y", at(30s), 3), at(0s));
  CHECK(huge.error().http_status == 413);
  CHECK(stage.exchange.queue().counters().arrivals == 6);
  CHECK(stage.exchange.drops().full == 2);
  stage.exchange.drain();
  auto const draining = stage.exchange.submit(stage.request("z", at(30s)), at(0s));
  CHECK(draining.error().http_status == 503);
  CHECK(stage.exchange.open() == 1);
}

TEST_CASE("whoever is left when a drain ends is told so, in the queue and at a worker") {
  Stage stage;
  auto& worker = stage.worker("w");
  stage.ready(worker);
  auto const computed = stage.submit("1");
  auto const waiting = stage.submit("2", at(0s), 30s, 2);
  stage.exchange.drain();
  stage.exchange.abort();
  for (auto const& request : {computed, waiting}) {
    CHECK(status(*request) == 503);
    CHECK(request->outcome->error().retry_after == 1000ms);
  }
  CHECK(stage.done == std::map<std::string, int>{{"1", 1}, {"2", 1}});
  CHECK(stage.exchange.open() == 0);
  CHECK(stage.exchange.queue().empty());
  CHECK(stage.exchange.drops().draining == 3);
  stage.answer(worker, at(1s));  // late, and welcome
}

TEST_CASE("requests over their deadline leave their place to new ones at once") {
  Stage stage({.queue = {.capacity = 1, .capacity_bytes = 10, .late_after = {}}});
  auto const old = stage.submit("1", at(0s), 1s);
  stage.submit("2", at(1s));
  CHECK(status(*old) == 503);
}

TEST_CASE("several pictures of one request are served by several workers and answered in their order") {
  Stage stage;
  auto& a = stage.worker("a");
  auto& b = stage.worker("b");
  stage.ready(a);
  stage.ready(b);
  auto const request = stage.submit("p", at(0s), 30s, 2, true);
  stage.answer(b, at(1s));
  CHECK_FALSE(request->outcome);
  stage.answer(a, at(2s));
  CHECK(label(*request, 0) == "p0");
  CHECK(label(*request, 1) == "p1");
  CHECK((*request->outcome)->at(1).probabilities == std::vector<float>{0.25f, 0.5f, 0.25f});
}

TEST_CASE(
    "a picture that a worker cannot decode fails its request with the worker's status and frees the rest") {
  Stage stage;
  auto& worker = stage.worker("w");
  stage.ready(worker);
  auto const request = stage.submit("p", at(0s), 30s, 3);
  CHECK(stage.exchange.queue().size() == 2);
  link::JobResult result;
  result.id = worker.jobs[0].id;
  result.items = {link::ItemError{400, "the JPEG is broken"}};
  REQUIRE(stage.exchange.result(worker.id, result, at(1s)).has_value());
  CHECK(status(*request) == 400);
  CHECK(request->outcome->error().message == "the JPEG is broken");
  CHECK(stage.exchange.queue().empty());
  CHECK(stage.exchange.open() == 0);
}

TEST_CASE("pictures are batched as far as the job's payload has room") {
  Stage stage({.batch = {.max_size = 4, .max_delay = 10ms}});
  auto& worker = stage.worker("w");
  stage.ready(worker);
  auto const one = stage.submit("one", at(0ms));
  auto const two = stage.submit("two", at(1ms), 30s, 1, true);
  CHECK(worker.jobs.empty());
  CHECK(stage.exchange.next_tick() == at(10ms));
  stage.exchange.tick(at(10ms));
  REQUIRE(worker.jobs.size() == 1);
  CHECK(worker.jobs[0].items.size() == 2);
  stage.answer(worker, at(20ms));
  CHECK(label(*one) == "one");
  CHECK(label(*two) == "two");
  CHECK((*one->outcome)->at(0).probabilities.empty());
  CHECK((*two->outcome)->at(0).probabilities.size() == 3);
  CHECK(stage.exchange.queue().counters().service_seconds == Approx(0.010));

  for (int i = 0; i < 4; ++i) stage.submit(std::string(std::size_t{20} << 20, 'x'), at(30ms));
  stage.ready(worker, at(30ms));
  CHECK(worker.jobs.back().items.size() == 3);
  CHECK(stage.exchange.queue().size() == 1);
}
