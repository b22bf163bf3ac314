#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "dispatcher/exchange/exchange.hpp"
#include "tests/dispatcher/seed.hpp"

using namespace ei;
using namespace ei::dispatcher;
using namespace std::chrono_literals;

namespace {

constexpr Time at(Duration since_start) {
  return Time{since_start};
}

// A worker that only remembers what it was sent.
struct FakeWorker {
  WorkerId id = 0;
  std::vector<link::Job> jobs;
  std::vector<std::uint64_t> cancelled;
  std::vector<std::string> dropped;
};

struct Stage {
  ExchangeOptions options;
  Exchange exchange;
  std::map<std::string, FakeWorker> workers;
  std::map<std::string, int> done;

  explicit Stage(ExchangeOptions given = {}) : options(given), exchange(given) {}

  FakeWorker& worker(std::string const& name, std::size_t slots = 1, Time now = at(0s)) {
    FakeWorker& fake = workers[name];
    fake = {};
    WorkerPort port{[&fake](std::string frame) {
                      auto message = link::decode_from_dispatcher(frame);
                      REQUIRE(message.has_value());
                      if (auto* job = std::get_if<link::Job>(&*message)) fake.jobs.push_back(std::move(*job));
                      if (auto* cancel = std::get_if<link::Cancel>(&*message))
                        fake.cancelled.push_back(cancel->id);
                    },
                    [&fake](std::string reason) { fake.dropped.push_back(std::move(reason)); }};
    auto id = exchange.attach({name, "resnet18", 3, "", slots}, std::move(port), now);
    REQUIRE(id.has_value());
    fake.id = *id;
    return fake;
  }

  std::shared_ptr<Submission> submit(std::string const& name, Time now = at(0s), Duration timeout = 30s,
                                     std::size_t pictures = 1, bool probabilities = false) {
    auto submission = request(name, now + timeout, pictures, probabilities);
    REQUIRE(exchange.submit(submission, now).has_value());
    return submission;
  }

  std::shared_ptr<Submission> request(std::string const& name, Time deadline, std::size_t pictures = 1,
                                      bool probabilities = false) {
    auto submission = std::make_shared<Submission>();
    for (std::size_t i = 0; i < pictures; ++i) {
      submission->pictures.push_back(
          {link::ItemKind::Image, pictures == 1 ? name : name + std::to_string(i)});
    }
    submission->probabilities = probabilities;
    submission->deadline = deadline;
    submission->on_done = [this, name] { ++done[name]; };
    return submission;
  }

  void ready(FakeWorker const& worker, Time now = at(0s)) {
    REQUIRE(exchange.ready(worker.id, now).has_value());
  }

  // The worker answers its last job with one label per picture: the picture's own bytes.
  static link::JobResult result_of(link::Job const& job) {
    link::JobResult result;
    result.id = job.id;
    for (auto const part : link::parts(job)) {
      result.items.push_back(std::vector<link::Prediction>{{std::string(part), 1, 0.5}});
      if (job.probabilities) result.probabilities.insert(result.probabilities.end(), {0.25f, 0.5f, 0.25f});
    }
    result.inference_ms = 7;
    return result;
  }
  void answer(FakeWorker const& worker, Time now) {
    REQUIRE(exchange.result(worker.id, result_of(worker.jobs.back()), now).has_value());
  }
};

std::string label(Submission const& submission, std::size_t index = 0) {
  REQUIRE(submission.outcome);
  REQUIRE(submission.outcome->has_value());
  return (*submission.outcome)->at(index).top.at(0).label;
}

int status(Submission const& submission) {
  REQUIRE(submission.outcome);
  REQUIRE(submission.outcome->has_error());
  return submission.outcome->error().http_status;
}

}  // namespace

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

TEST_CASE("requests of a dead worker go before all others, and to another worker") {
  Stage stage;
  auto& a = stage.worker("a");
  stage.ready(a);
  auto const first = stage.submit("1");
  auto const second = stage.submit("2");
  stage.exchange.detach(a.id, at(1s));
  CHECK(stage.exchange.workers() == 0);
  CHECK(stage.exchange.queue().size() == 2);
  auto& b = stage.worker("b");
  stage.ready(b, at(2s));
  CHECK(b.jobs.back().payload == "1");
  stage.answer(b, at(3s));
  CHECK(label(*first) == "1");
  CHECK_FALSE(second->outcome);
}

TEST_CASE("a request whose second worker died too fails with 502") {
  Stage stage;
  auto const request = stage.submit("1");
  for (int i = 0; i < 2; ++i) {
    auto& worker = stage.worker("w" + std::to_string(i));
    stage.ready(worker);
    REQUIRE(worker.jobs.size() == 1);
    stage.exchange.detach(worker.id, at(1s));
  }
  CHECK(status(*request) == 502);
  CHECK(stage.exchange.drops().worker_died == 1);
  CHECK(stage.exchange.open() == 0);
  CHECK(stage.done["1"] == 1);
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
             Catch::Contains("that asked for none"));
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

TEST_CASE("with a latency target, late requests let fresh ones pass") {
  Stage stage({.latency_target = 500ms});
  stage.submit("old", at(0s));
  stage.submit("fresh", at(600ms));
  auto& worker = stage.worker("w");
  stage.ready(worker, at(700ms));
  CHECK(worker.jobs.at(0).payload == "fresh");
}

TEST_CASE("whatever happens, every request has exactly one outcome") {
  auto const seed = test_seed();
  INFO("EI_SEED=" << seed);
  std::mt19937 random(seed);
  for (int run = 0; run < 30; ++run) {
    Stage stage({.queue = {.capacity = 1 + random() % 20, .capacity_bytes = 1 << 20, .late_after = {}},
                 .batch = {.max_size = 1 + random() % 3, .max_delay = 2ms},
                 .latency_target = run % 2 == 0 ? 0ms : 20ms,
                 .job_timeout = 300ms});
    std::vector<std::pair<std::string, std::shared_ptr<Submission>>> requests;
    std::vector<std::string> alive;
    Time now{};
    int accepted = 0;
    for (int step = 0; step < 1500; ++step) {
      now += std::chrono::microseconds(random() % 3000);
      FakeWorker* worker = alive.empty() ? nullptr : &stage.workers.at(alive[random() % alive.size()]);
      switch (random() % 10) {
        case 0:
        case 1:
        case 2: {
          std::string const name = "r" + std::to_string(step) + "-";
          auto request =
              stage.request(name, now + std::chrono::milliseconds(1 + random() % 200), 1 + random() % 3);
          if (stage.exchange.submit(request, now)) {
            ++accepted;
            requests.emplace_back(name, request);
          }
          break;
        }
        case 3:
          if (alive.size() < 4) {
            std::string const name = "w" + std::to_string(step);
            stage.worker(name, 1 + random() % 2, now);
            alive.push_back(name);
          }
          break;
        case 4:
        case 5:
          if (worker != nullptr) (void)stage.exchange.ready(worker->id, now);
          break;
        case 6:
        case 7:
          if (worker != nullptr && !worker->jobs.empty()) {
            auto const job = worker->jobs.front();
            worker->jobs.erase(worker->jobs.begin());
            REQUIRE(stage.exchange.result(worker->id, Stage::result_of(job), now).has_value());
          }
          break;
        case 8:
          if (worker != nullptr && random() % 4 == 0) {
            stage.exchange.detach(worker->id, now);
            std::erase_if(alive, [&](auto const& name) { return &stage.workers.at(name) == worker; });
          } else if (!requests.empty()) {
            stage.exchange.cancel(requests[random() % requests.size()].second, now);
          }
          break;
        default:
          if (stage.exchange.next_tick() <= now) stage.exchange.tick(now);
          REQUIRE(stage.exchange.next_tick() > now);
          break;
      }
    }
    now += 1s;
    stage.exchange.tick(now);
    CHECK(stage.exchange.open() == 0);
    CHECK(stage.exchange.queue().empty());
    CHECK(stage.done.size() == static_cast<std::size_t>(accepted));
    for (auto const& [name, request] : requests) {
      REQUIRE(request->outcome);
      REQUIRE(stage.done.at(name) == 1);
      if (request->outcome->has_error()) continue;
      auto const& answers = **request->outcome;
      REQUIRE(answers.size() == request->pictures.size());
      for (std::size_t i = 0; i < answers.size(); ++i) {
        REQUIRE(answers[i].top.at(0).label == request->pictures[i].bytes);  // nobody gets another's answer
      }
    }
  }
}
