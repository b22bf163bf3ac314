#include "operator/scaling/words.hpp"

#include <catch2/catch.hpp>

#include "operator/scaling/json.hpp"
#include "runtime/core/json.hpp"

using namespace ei::scaling;

TEST_CASE("what was measured is one sentence, and leaves out what is not known") {
  Inputs inputs;
  inputs.ready = 1;
  CHECK(measured_in_words(inputs) == "there is no usable sample (Missing); 1 worker is ready");
  inputs.sample = SampleUse::Fresh;
  inputs.arrival_rps = 31.54;
  inputs.burst_rps = 50.0;
  inputs.service_seconds = 0.0214;
  inputs.offered_load = 0.675;
  inputs.queue = 12;
  inputs.in_flight = 2;
  inputs.oldest_age_seconds = 0.3;
  inputs.ready = 2;
  inputs.starting = 3;
  inputs.overdue = 1;
  CHECK(
      measured_in_words(inputs) ==
      "31.5 requests/s arrive; they rise towards 50.0 requests/s; one takes 0.021 s; that keeps 0.68 workers "
      "busy; 12 wait and 2 are being computed, the oldest for 0.30 s; 2 workers are ready, 3 start (1 of "
      "them "
      "for far too long)");
}

TEST_CASE("each term that asked for workers is named, and the one that won") {
  Inputs inputs;
  CHECK(terms_in_words(inputs, "").empty());
  CHECK(terms_in_words(inputs, "None").empty());
  CHECK(terms_in_words(inputs, "Wake") == "the term Wake won");
  inputs.load_workers = 5;
  inputs.spare_workers = 1;
  inputs.backlog_workers = 3;
  inputs.held_workers = 4;
  CHECK(
      terms_in_words(inputs, "Load") ==
      "the load 5 (1 of them because starts are slow), the backlog 3, the most within the hold window 4; the "
      "term Load won");
}

TEST_CASE("every limit has words, and a limit of a later release keeps its name") {
  for (auto const limit : {Limit::None, Limit::Minimum, Limit::Maximum, Limit::HoldWindow, Limit::FirstWindow,
                           Limit::Cooldown, Limit::WorkersNotReady, Limit::Interval, Limit::NoData,
                           Limit::IdleAfter, Limit::Paused, Limit::Advice}) {
    CAPTURE(name(limit));
    CHECK(limit_in_words(name(limit)) != name(limit));
  }
  CHECK(limit_in_words("Budget") == "Budget");
}

TEST_CASE("the inputs of a logged decision are read back, and a log of another release as far as it goes") {
  Decision decision;
  decision.inputs.sample = SampleUse::CounterReset;
  decision.inputs.queue = 3.5;
  decision.inputs.load_workers = 2;
  auto const record = log_record({}, {}, decision, {});
  CHECK(inputs_from_json(record.at("decision").at("inputs")) == decision.inputs);
  auto const other = ei::parse_json(R"({"sample": "Guessed", "queue": "many", "ready": 2, "more": 1})");
  Inputs expected;
  expected.ready = 2;
  CHECK(inputs_from_json(*other) == expected);
}
