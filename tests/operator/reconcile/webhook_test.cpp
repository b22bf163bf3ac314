#include "operator/reconcile/webhook.hpp"

#include "tests/operator/reconcile/world.hpp"

namespace api = ei::api;
namespace reconcile = ei::reconcile;
using namespace std::chrono_literals;
using ei::reconcile::example::World;
using ei::scaling::Answer;

namespace {

Answer answered(int replicas) {
  return {replicas, "Because", "", ""};
}

Answer failed() {
  return {0, "", "", "HTTP status 503"};
}

/// One service that a webhook decides about, with metrics.
struct Asking : World {
  api::ServiceKey key = add("a");
  int wanted = 3;

  Asking() {
    sample = ei::scaling::Sample{};
    webhook = [this] { return std::optional(answered(wanted)); };
    spec().scaling.policy = ei::scaling::Policy::Webhook;
    spec().webhook = {{"http://policy.example/", 0ms, ""}};
  }
  api::Spec& spec() { return *services[key].spec; }
  int workers() { return services[key].worker_replicas.value_or(0); }
};

}  // namespace

TEST_CASE(
    "A webhook is asked once an interval, with what was measured then, and a new number counts at once") {
  Asking world;
  world.run_for(0ms);
  CHECK(world.workers() == 3);
  CHECK(world.condition(world.key, "WebhookAvailable") == "True Answered");
  world.wanted = 5;
  world.run_for(10s);
  CHECK(world.workers() == 5);
  REQUIRE(world.posts.size() == 11);
  CHECK(world.posts.back().deadline == 500ms);
  CHECK_THAT(world.posts.back().question, Catch::Contains(R"("service":"default/a")"));
  CHECK_THAT(world.posts.back().question, Catch::Contains(R"("current":5)"));
  // One decision a beat, and one more for each new number.
  CHECK(world.ids.size() == 11 + 2);
}

TEST_CASE("A webhook that hangs has one post under way, and keeps nobody from being decided about") {
  Asking world;
  world.webhook = [] { return std::nullopt; };
  auto const other = world.add("b");
  world.run_for(10s);
  CHECK(world.posts.size() == 1);
  CHECK(world.services[other].worker_replicas == 1);
  CHECK(world.ids.size() == 22);
  CHECK(world.condition(world.key, "WebhookAvailable") == "absent");
  world.answer_late(world.key, answered(4));
  world.run_for(0ms);
  CHECK(world.workers() == 4);
}

TEST_CASE("A failure is in the condition, an event and the decision, and its end is told") {
  Asking world;
  world.run_for(2s);
  world.webhook = [] { return std::optional(failed()); };
  world.run_for(2s);
  CHECK(world.workers() == 3);
  CHECK(world.condition(world.key, "WebhookAvailable") == "False NoUsableAnswer");
  CHECK(std::count(world.told.begin(), world.told.end(), "WebhookFailed") == 1);
  CHECK(world.formula == "no usable answer of the webhook: HTTP status 503");
  world.webhook = [] { return std::optional(answered(2)); };
  world.run_for(5s);
  CHECK(world.workers() == 2);
  CHECK(world.condition(world.key, "WebhookAvailable") == "True Answered");
  CHECK(std::count(world.told.begin(), world.told.end(), "WebhookAnswered") == 1);
}

TEST_CASE("A webhook that fails on and on is asked less often, but at least four times a minute") {
  Asking world;
  world.webhook = [] { return std::optional(failed()); };
  world.run_for(60s);
  auto const first_minute = world.posts.size();
  CHECK(first_minute < 15);
  world.run_for(10min);
  CHECK(world.posts.size() - first_minute >= 37);
  CHECK(world.posts.size() - first_minute <= 41);
}

TEST_CASE("onFailure: Latency lets Latency decide, and says why") {
  Asking world;
  world.spec().scaling.on_webhook_failure = ei::scaling::WebhookFailure::Latency;
  world.webhook = [] { return std::optional(failed()); };
  world.run_for(2s);
  CHECK_THAT(world.formula,
             Catch::StartsWith("no usable answer of the webhook: HTTP status 503; Latency instead: "));
}

TEST_CASE("After an edit the answers of the webhook before it count no more") {
  Asking world;
  world.run_for(2s);
  REQUIRE(world.workers() == 3);
  world.webhook = [] { return std::nullopt; };
  world.run_for(1s);  // a post to the old one is under way
  world.spec().webhook.front().url = "http://other.example/";
  auto const posts = world.posts.size();
  world.run_for(1s);
  CHECK(world.posts.size() == posts);
  world.answer_late(world.key, answered(6));
  world.webhook = [] { return std::optional(answered(2)); };
  world.run_for(0ms);
  CHECK(world.workers() == 3);
  world.run_for(1s);
  CHECK(world.posts.back().webhook.url == "http://other.example/");
  CHECK(world.workers() == 2);
}

TEST_CASE("Another policy forgets the webhook and takes its condition away") {
  Asking world;
  world.run_for(2s);
  world.spec().scaling.policy = ei::scaling::Policy::Latency;
  world.spec().webhook.clear();
  world.run_for(2s);
  CHECK(world.condition(world.key, "WebhookAvailable") == "absent");
  auto const posts = world.posts.size();
  world.run_for(5s);
  CHECK(world.posts.size() == posts);
}

TEST_CASE("An answer that is older than three intervals counts no more") {
  reconcile::Consulted memory;
  ei::SteadyTime const now{1h};
  CHECK_FALSE(reconcile::answer_of(&memory, 1s, now));
  CHECK(reconcile::take_answer(memory, answered(4), now));
  CHECK(reconcile::answer_of(&memory, 1s, now + 3s)->failure.empty());
  CHECK(reconcile::answer_of(&memory, 1s, now + 4s)->failure == "its last answer is 4s old");
}

TEST_CASE("An answer has the given time, at most the interval, and half of it where none is given") {
  CHECK(reconcile::answer_deadline({"", 0ms, ""}, 1s) == 500ms);
  CHECK(reconcile::answer_deadline({"", 300ms, ""}, 1s) == 300ms);
  CHECK(reconcile::answer_deadline({"", 2s, ""}, 1s) == 1s);
  CHECK(reconcile::answer_deadline({"", 0ms, ""}, 5min) == 30s);
}
