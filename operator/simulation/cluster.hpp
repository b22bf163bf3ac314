#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <optional>
#include <queue>
#include <vector>

#include "dispatcher/queue/admission.hpp"
#include "dispatcher/queue/request_queue.hpp"
#include "operator/scaling/snapshot.hpp"
#include "operator/simulation/rng.hpp"
#include "operator/simulation/scenario.hpp"

namespace ei::simulation {

enum class WorkerState { Starting, Idle, Busy, Promoted, Gone };

/// One worker: a pod or a process with one core. Ids are given in the order of creation and never again.
struct SimWorker {
  int id = 0;
  WorkerState state = WorkerState::Starting;
  bool draining = false;  ///< told to leave: finishes its job, takes no other
  bool standby = false;   ///< waits, warm, or will: takes no job
  Time standby_since{};
  bool broken = false;  ///< crash loop: it will never be ready
  Time created{};
  Time container_started{};         ///< its CPU counter counts from here
  std::optional<Time> ready_since;  ///< empty until it is ready
  Time not_ready_since{};
  double cpu_seconds = 0;  ///< of finished jobs since container_started
  Time busy_since{};
  dispatcher::Ticket ticket;
  std::uint64_t job = 0;       ///< the number of the one it serves
  std::uint32_t jobs_had = 0;  ///< so far

  bool warm() const { return state == WorkerState::Idle || state == WorkerState::Busy; }
  bool serving() const { return warm() && !standby; }
  double cores() const { return standby && state == WorkerState::Idle ? scaling::kStandbyCores : 1; }
  /// Cumulative, as the kernel counts it: jobs only, one core while one runs.
  double cpu_until(Time now) const {
    return cpu_seconds + (state == WorkerState::Busy ? in_seconds(now - busy_since) : 0);
  }
};

/// What is counted and waits, in requests. A job is one request, or several that come together.
struct Counts {
  double arrivals = 0;
  double completions = 0;
  double service_seconds = 0;
  double service_seconds_squared = 0;
  double late = 0;  ///< answered after the target
  double lost = 0;  ///< refused, or not answered before their deadline
  double waiting = 0;
  double cold = 0;  ///< found no worker
  bool operator==(Counts const&) const = default;
};

/// What a scaler sees. Draining workers are in the list (they still use CPU) but are not wanted.
struct View {
  dispatcher::RequestQueue const& queue;  ///< of jobs
  Counts const& counts;
  std::vector<SimWorker> const& workers;  ///< none that is gone
  int current = 0;                        ///< the replica count in force
  bool metrics_lost = false;
};

/// What a scaler answers; empty for nothing.
struct Order {
  std::optional<int> replicas;
  std::vector<int> replace;  ///< ids
  int standby = 0;           ///< beside them; those beyond leave `standby_keep` after they became standbys
  Duration standby_keep{};
};

/// A scaler as the simulator sees it: it is called at `next()` and then names a later instant.
struct Scaler {
  std::function<Time()> next;
  std::function<Order(View const&, Time)> act;
  bool late_lane = false;  ///< whether its dispatcher's queue has one
  /// Changes the least and the most that it asks for; empty where its bounds are fixed.
  std::function<void(int, int)> bound{};
};

/// What a cluster is like from its first instant.
struct ClusterSettings {
  int replicas = 1;  ///< there and ready at the beginning
  Duration start_delay{std::chrono::seconds(3)};
  Duration promotion_delay{seconds(scaling::kPromotionSeconds)};
  Duration exit_delay{std::chrono::milliseconds(200)};
  Duration latency_target{std::chrono::milliseconds(500)};
  std::size_t queue_capacity = std::size_t{1} << 31;  ///< waiting requests; more are refused
  Duration request_timeout = Duration::max();         ///< of a request, from its arrival
  std::vector<Scenario::Window> metrics_lost{};
  double start_failure_ratio = 0;
  double mean_life_seconds = 0;
  std::uint64_t fault_seed = 0;
};

/// A service in virtual time: the production queue, workers, and the scaler that decides how many. It begins
/// at Time{} and goes on as far as run_before() and run_through() say. The same calls give the same result,
/// bit by bit. Not to be copied or moved: events name its parts.
class Cluster {
 public:
  /// Job `number` was answered so long after its arrival.
  using OnAnswer = std::function<void(std::uint64_t number, Duration latency)>;

  Cluster(ClusterSettings settings, Scaler scaler, OnAnswer on_answer = {});
  Cluster(Cluster const&) = delete;
  Cluster& operator=(Cluster const&) = delete;

  /// A job of `requests` that come together and are served one after the other by one worker, in `service`
  /// altogether. Jobs are numbered from 0. Precondition: none is offered that arrives before an earlier one,
  /// or before the instant reached.
  void offer(Time arrival, Duration service, double requests = 1);

  /// Everything before `limit` happens; the instant reached is `limit`.
  void run_before(Time limit) { run(limit, false); }
  /// Everything up to and at `limit` happens.
  void run_through(Time limit) { run(limit, true); }

  /// From now on.
  void set_start_delay(Duration delay) { settings_.start_delay = delay; }
  /// The scaler's next decision keeps within them.
  void set_bounds(int least, int most);

  [[nodiscard]] Time now() const { return now_; }
  [[nodiscard]] int current() const { return current_; }  ///< the replica count in force
  [[nodiscard]] int ready() const;                        ///< workers that serve and are wanted
  [[nodiscard]] std::size_t queued() const { return queue_.size(); }
  [[nodiscard]] std::uint64_t ended() const { return ended_; }  ///< jobs, in whichever way
  /// A warm standby counts with scaling::kStandbyCores, but for its start, which takes a core.
  [[nodiscard]] double core_seconds() const { return core_seconds_; }
  /// Of processes, standbys as well: what memory goes by.
  [[nodiscard]] double process_seconds() const { return process_seconds_; }
  [[nodiscard]] int scale_events() const { return scale_events_; }
  [[nodiscard]] Counts const& counts() const { return counts_; }

 private:
  struct Event {
    enum class Kind { Ready, Finished, Died, Exited, Serves };
    Time at{};
    std::uint64_t sequence = 0;  // ties in the order of their making
    Kind kind{};
    int worker = 0;
    std::uint32_t job = 0;  // of Finished: stale when the worker died meanwhile

    bool operator>(Event const& other) const {
      return at != other.at ? at > other.at : sequence > other.sequence;
    }
  };
  struct Job {
    Time arrived{};
    Duration service{};
    double requests = 1;
    bool ended = false;
  };
  using Workers = std::vector<SimWorker>;

  void run(Time limit, bool with_limit);
  Time next_arrival() const;
  void step(Time now);
  void account(Time now);
  bool metrics_lost(Time now) const;
  void admit();
  void expire();
  void hand_out();
  void handle(Event const& event);
  void finish(SimWorker& worker);
  void end(std::uint64_t number);
  Job& job(std::uint64_t number) { return jobs_[static_cast<std::size_t>(number - first_job_)]; }
  Workers::iterator find(int id);
  SimWorker& create(Time now, bool standby = false);
  void become_ready(SimWorker& worker);
  void become_idle(SimWorker& worker);
  void leave_idle(SimWorker const& worker);
  void die(int id);
  void replace(int id);
  void scale_to(int replicas, Order const& order);
  void keep_standbys(Order const& order);
  bool promote_one();
  void promote(SimWorker& worker);
  void demote(SimWorker& worker);
  int wanted() const;
  Workers::iterator least_useful();
  void drain(SimWorker& worker);
  void leave(SimWorker& worker);
  void schedule(Time at, Event::Kind kind, int worker, std::uint32_t job = 0);

  ClusterSettings settings_;
  Scaler scaler_;
  OnAnswer on_answer_;
  dispatcher::RequestQueue queue_;
  dispatcher::ServiceEstimate service_;
  Rng faults_;
  Workers workers_;       // ids ascend
  std::deque<Job> jobs_;  // from first_job_ on; those that ended are dropped from the front
  std::uint64_t first_job_ = 0;
  std::uint64_t arrived_ = 0;  // number of the next job to arrive
  std::uint64_t ended_ = 0;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::vector<int> idle_;  // ids of the idle that are wanted, the lowest last
  Counts counts_;
  Time now_{};
  double core_seconds_ = 0;
  double process_seconds_ = 0;
  int scale_events_ = 0;
  bool with_standbys_ = false;  // any there was
  int current_ = 0;
  int next_id_ = 0;
  std::uint64_t next_sequence_ = 0;
};

struct Outcome {
  std::vector<float> latency_seconds;  ///< of every request, in the order of arrival
  double core_seconds = 0;             ///< allocated during the trace
  double core_seconds_with_idle = 0;
  double process_seconds = 0;  ///< during the trace, standbys as well: what memory goes by
  double cold_starts = 0;      ///< requests that found no worker
  int scale_events = 0;        ///< changes of the replica count during the trace
  std::vector<int> replicas;   ///< wanted, at each whole second, idle time included
  std::vector<int> ready;
  std::vector<int> queue;
};

/// Runs the production queue under a scaler in virtual time until the idle time is over and all is served.
/// The same arguments give the same result, bit by bit.
Outcome simulate(Scenario const& scenario, Scaler scaler);

}  // namespace ei::simulation
