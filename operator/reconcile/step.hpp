#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "operator/advice/advice.hpp"
#include "operator/plan/plan.hpp"
#include "operator/reconcile/webhook.hpp"
#include "operator/scaling/state.hpp"
#include "operator/scrape/reading.hpp"

namespace ei::reconcile {

// One reconcile of one service as a pure machine: it is told what happened and says what to do next. The
// shell that performs the actions is Reconciler.
//
//   Observe ──► (Scrape) ──► (Post) ──► Apply children ──► Apply events and status ──► Done
//      │                                     └─ fails ─► Apply the count alone ─┘
//      └─ the service is gone ─► Apply ──► Done
//
// A child that cannot be written stops neither scaling nor the status. Until its next try is due, reconciles
// write the count alone.

/// Both clocks, read once for each input.
struct Now {
  SteadyTime steady{};
  WallTime wall{};
};

/// A write of children that fails again and again.
struct FailedWrite {
  Error error;      ///< the last one
  std::string uid;  ///< of the service; with `generation` what was to be written
  std::int64_t generation = 0;
  SteadyTime since{};
  int tries = 0;
  SteadyTime next_try{};
};

/// A refusal is told at once, any other failure once it has lasted so long: what a lost race or a restarting
/// API server causes is over by then, and the owner still looks at what the edit does.
inline constexpr milliseconds kToldAfter{3'000};
/// And somebody's help is asked for after this: the pod of an admission webhook is back by then.
inline constexpr milliseconds kLastingAfter{60'000};

/// What is remembered of a service between its reconciles.
struct Memory {
  bool known = false;  ///< it was observed at least once
  scaling::State state;
  scrape::LatencyWindow latency;
  scrape::Scrape last_scrape;
  scrape::QuarantineNews quarantine;
  std::optional<SteadyTime> scraped_at;      ///< when last_scrape was tried
  std::optional<SteadyTime> sampled_at;      ///< when a scrape last gave a sample
  std::optional<SteadyTime> status_written;  ///< by this process
  std::optional<api::DecisionRecord> unrecorded;
  SteadyTime tick_due{};  ///< the next beat of its interval
  bool called = false;    ///< a request has come while no worker ran, and none was started yet
  bool watched = false;   ///< each of its dispatchers will tell of the next request at once
  std::unique_ptr<FailedWrite> failed_write;  ///< by pointer, as most services have none
  std::unique_ptr<Consulted> webhook;         ///< likewise
  std::unique_ptr<advice::Advice> advice;     ///< likewise

  /// When it is to be looked at again: at the next beat, or earlier to try a write again.
  [[nodiscard]] SteadyTime due() const {
    return failed_write ? std::min(tick_due, failed_write->next_try) : tick_due;
  }
};

/// A service without workers is looked at this often, and up to half as often again more seldom, so that
/// thousands do not keep step: nobody asks for anything there, and a client waits 30 s where nothing else is
/// said. Where its dispatchers will tell of a request, five times as seldom: then it guards against what
/// nobody has thought of.
inline constexpr milliseconds kIdleLook{10'000};
inline constexpr int kWatchedFactor = 5;

/// Ids of decisions, unique over services and, by the prefix, over restarts.
struct DecisionIds {
  std::string prefix;
  std::uint64_t given = 0;

  std::string next() { return prefix + "-" + std::to_string(++given); }
};

/// One decision with all that it was made from; valid until the step's next input.
struct Decided {
  plan::Observation const& seen;
  plan::Verdict const& verdict;
  plan::Plan const& plan;
  scaling::Settings const& settings;
  scaling::Snapshot const& snapshot;
  SteadyTime now;
  WallTime wall_now;
};

// ---- what the shell is asked to do ----

struct Observe {};

/// Asks the dispatchers for their metrics, or, with a query, Prometheus for the queue's length.
struct Scrape {
  std::vector<scrape::Target> targets;
  int wanted = 1;  ///< dispatchers; fewer targets give no sample
  std::string query;
  milliseconds deadline{};
};

/// Posts a question to the service's webhook, and does not wait for the answer: see take_answer().
struct Post {
  api::Webhook webhook;
  std::string question;
  milliseconds deadline{};
};

/// Either children, or events and the status. What is pointed to lives until the next input.
struct Apply {
  plan::Observation const* seen = nullptr;
  plan::Actions const* actions = nullptr;
  Decided const* decided = nullptr;  ///< to be told before it is applied; null where nothing was decided
};

enum class Next {
  Tick,  ///< again at Memory::due()
  Wait,  ///< only a change brings it back: there is nothing to decide
  Gone,  ///< the service does not exist any more, and nothing of it runs
};

struct Done {
  Result<Next> outcome;
  plan::Actions const* applied = nullptr;  ///< whose events may be told now; null after a failure
  /// The write of children that failed in this reconcile though the rest went on.
  FailedWrite const* failed = nullptr;
  /// No worker is wanted: the next request is to be told at once, by Memory::called and a reconcile.
  bool idle = false;
  std::vector<scrape::Awaited> awaited = {};  ///< where it may come; empty: as the last reconcile said
};

using Action = std::variant<Observe, Scrape, Post, Apply, Done>;

// ---- what the shell reports ----

struct Observed {
  Result<plan::Observation> seen;
};
struct Scraped {
  scrape::Scrape scrape;
};
struct Posted {};
struct Applied {
  Result<void> outcome;
};

using Input = std::variant<Observed, Scraped, Posted, Applied>;

/// How long the dispatchers have to answer: half an interval, else the next decision is late; at least 50 ms
/// and at most 2 s.
[[nodiscard]] milliseconds scrape_deadline(milliseconds interval);

class Step {
 public:
  /// `memory` and `ids` must outlive the step.
  Step(api::ServiceKey key, Memory& memory, DecisionIds& ids);
  Step(Step const&) = delete;  // actions point into it
  Step& operator=(Step const&) = delete;

  [[nodiscard]] Action start() const { return Observe{}; }
  /// Takes the outcome of the last action, gives the next one. Precondition: the last action was not Done,
  /// and `input` is of its kind.
  [[nodiscard]] Action take(Input input, Now now);

 private:
  enum class State { Observing, Scraping, Posting, Removing, Applying, Scaling, Telling };

  Action observed(Result<plan::Observation> seen, Now now);
  Action scraped(scrape::Scrape scrape, Now now);
  Action applied(Result<void> outcome, Now now);
  Action remove();
  Action ask(Now now);
  Action decide(Now now);
  void advise(Now now);
  Action plan_and_apply(Now now);
  void make_plan(Now now);
  Action children_failed(Error const& error, Now now);
  Action tell();
  [[nodiscard]] Action done() const;
  void note_failed_write(Error const& error, SteadyTime now);
  [[nodiscard]] bool wants_scrape(SteadyTime now);
  void settle_idle(SteadyTime now);

  api::ServiceKey key_;
  Memory& memory_;
  DecisionIds& ids_;
  State state_ = State::Observing;
  plan::Observation seen_;
  schedule::InForce in_force_;
  std::vector<scrape::Target> targets_;  ///< of this reconcile's scrape
  std::vector<double> arrivals_;         ///< at each of them
  scaling::Snapshot snapshot_;
  plan::Verdict verdict_;
  plan::Plan plan_;
  std::optional<Decided> decided_;
  plan::Actions children_;            ///< of plan_: all but those
  plan::Actions telling_;             ///< of plan_: events and the status
  std::optional<Error> count_error_;  ///< why not even the count could be written
  bool due_ = false;                  ///< the beat of its interval is this reconcile
  bool tried_again_ = false;          ///< a write of children failed in this reconcile
  bool idle_ = false;                 ///< no worker is wanted
};

}  // namespace ei::reconcile
