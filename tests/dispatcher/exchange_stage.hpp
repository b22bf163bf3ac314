#pragma once

#include <catch2/catch.hpp>
#include <map>

#include "dispatcher/exchange/exchange.hpp"

namespace ei::dispatcher::test {

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
  std::vector<Death> deaths;
  std::vector<Quarantine> quarantines;

  explicit Stage(ExchangeOptions given = {}) : options(listening(std::move(given))), exchange(options) {}

  ExchangeOptions listening(ExchangeOptions given) {
    given.on_death = [this](Death const& death) { deaths.push_back(death); };
    given.on_quarantine = [this](Quarantine const& picture) { quarantines.push_back(picture); };
    return given;
  }

  FakeWorker& worker(std::string const& name, std::size_t slots = 1, Time now = at(Duration{0}),
                     std::string version = "1") {
    FakeWorker& fake = workers[name];
    fake = {};
    WorkerPort port{[&fake](Frame frame) {
                      for (auto const picture : frame.pictures) frame.head += picture;
                      auto message = link::decode_from_dispatcher(frame.head);
                      REQUIRE(message.has_value());
                      if (auto* job = std::get_if<link::Job>(&*message)) fake.jobs.push_back(std::move(*job));
                      if (auto* cancel = std::get_if<link::Cancel>(&*message))
                        fake.cancelled.push_back(cancel->id);
                    },
                    [&fake](std::string reason) { fake.dropped.push_back(std::move(reason)); }};
    auto id = exchange.attach({name, "resnet18", 3, "", slots, "", "", {}, std::move(version)},
                              std::move(port), now);
    REQUIRE(id.has_value());
    fake.id = *id;
    return fake;
  }

  std::shared_ptr<Submission> submit(std::string const& name, Time now = at(Duration{0}),
                                     Duration timeout = std::chrono::seconds{30}, std::size_t pictures = 1,
                                     bool probabilities = false) {
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

  // Another request with the same bytes.
  std::shared_ptr<Submission> copy(std::string const& name, std::string const& bytes, Time now) {
    auto submission = request(name, now + std::chrono::seconds{30});
    submission->pictures[0].bytes = bytes;
    REQUIRE(exchange.submit(submission, now).has_value());
    return submission;
  }

  // A new worker that asks for a job.
  FakeWorker& asking(std::string const& name, Time now) {
    auto& fake = worker(name, 1, now);
    ready(fake, now);
    return fake;
  }
  void die(FakeWorker const& worker, Time now, Ended how = Ended::Lost) {
    exchange.detach(worker.id, now, how);
  }
  // The connection ends while it holds exactly this picture.
  void die_under(std::string const& name, std::string const& bytes, Time now) {
    auto& fake = asking(name, now);
    REQUIRE(fake.jobs.size() == 1);
    REQUIRE(fake.jobs.back().payload == bytes);
    die(fake, now);
  }

  void ready(FakeWorker const& worker, Time now = at(Duration{0})) {
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

inline std::string label(Submission const& submission, std::size_t index = 0) {
  REQUIRE(submission.outcome);
  REQUIRE(submission.outcome->has_value());
  return (*submission.outcome)->at(index).top.at(0).label;
}

inline int status(Submission const& submission) {
  REQUIRE(submission.outcome);
  REQUIRE(submission.outcome->has_error());
  return submission.outcome->error().http_status;
}

}  // namespace ei::dispatcher::test
