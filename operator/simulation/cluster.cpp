#include "operator/simulation/cluster.hpp"

#include <algorithm>

namespace ei::simulation {
namespace {

constexpr Duration kLongestOverrun =
    std::chrono::hours(6);  // what is not served by then counts as waiting until then

struct Event {
  enum class Kind { Ready, Finished, Died, Exited };
  Time at{};
  std::uint64_t sequence = 0;  // ties in the order of their making
  Kind kind{};
  int worker = 0;
  std::uint32_t job = 0;  // of Finished: stale when the worker died meanwhile

  bool operator>(Event const& other) const {
    return at != other.at ? at > other.at : sequence > other.sequence;
  }
};

class Cluster {
 public:
  Cluster(Scenario const& scenario, Scaler scaler)
      : scenario_(scenario),
        scaler_(std::move(scaler)),
        queue_(dispatcher::QueueLimits{.capacity = std::size_t{1} << 31,
                                       .capacity_bytes = std::size_t{1} << 40}),
        faults_(0xfa017 + scenario.fault_seed) {
    outcome_.latency_seconds.assign(scenario.arrivals.size(), -1.0F);
    current_ = scenario.min_replicas;
    // The service is up when the trace begins; its first workers took as long to start as any other.
    for (int i = 0; i < current_; ++i) become_ready(create(Time(-scenario.start_delay)));
  }

  Outcome run() {
    Time const trace_end = Time(scenario_.trace_length);
    Time const end = trace_end + scenario_.idle;
    for (;;) {
      Time const now = std::min(
          {next_arrival(), events_.empty() ? Time::max() : events_.top().at, scaler_.next(), next_second_});
      if (now >= end && served_ == scenario_.arrivals.size()) break;
      if (now >= end + kLongestOverrun) break;
      account(now, trace_end, end);
      now_ = now;
      step(now, trace_end);
    }
    account(end, trace_end, end);
    for (std::size_t i = 0; i < scenario_.arrivals.size(); ++i) {
      float& latency = outcome_.latency_seconds[i];
      if (latency < 0)
        latency = static_cast<float>(in_seconds(end + kLongestOverrun - scenario_.arrivals[i]));
    }
    return std::move(outcome_);
  }

 private:
  Time next_arrival() const {
    return arrived_ < scenario_.arrivals.size() ? scenario_.arrivals[arrived_] : Time::max();
  }

  /// One thing at a time, in a fixed order of kinds where instants are equal.
  void step(Time now, Time trace_end) {
    if (!events_.empty() && events_.top().at == now) {
      Event const event = events_.top();
      events_.pop();
      handle(event);
    } else if (next_arrival() == now) {
      admit();
    } else if (scaler_.next() == now) {
      View const view{queue_, workers_, current_, metrics_lost(now), late_};
      Order const order = scaler_.act(view, now);
      for (int const id : order.replace) replace(id);
      if (order.replicas) scale_to(*order.replicas, trace_end);
    } else {
      note_second();
    }
  }

  void account(Time now, Time trace_end, Time end) {
    auto const within = [&](Time limit) { return in_seconds(std::min(now, limit) - std::min(now_, limit)); };
    double const workers = static_cast<double>(workers_.size());
    outcome_.core_seconds += workers * within(trace_end);
    outcome_.core_seconds_with_idle += workers * within(end);
  }

  void note_second() {
    outcome_.replicas.push_back(current_);
    outcome_.ready.push_back(static_cast<int>(std::count_if(
        workers_.begin(), workers_.end(), [](auto const& w) { return w.serving() && !w.draining; })));
    outcome_.queue.push_back(static_cast<int>(queue_.size()));
    next_second_ += std::chrono::seconds(1);
  }

  bool metrics_lost(Time now) const {
    return std::any_of(scenario_.metrics_lost.begin(), scenario_.metrics_lost.end(),
                       [&](auto const& window) { return now >= window.from && now < window.to; });
  }

  void admit() {
    std::uint64_t const item = arrived_++;
    dispatcher::ServiceEstimate const& estimate = service_;
    if (dispatcher::consider({}, queue_, false, estimate, workers_.size())) {
      queue_.refuse(1);
      ++served_;  // with the latency of one that nobody ever answered
    } else {
      (void)queue_.offer(now_, Time::max(), item);
    }
    hand_out();
  }

  /// Idle workers take jobs in the order of their ids, which is as good as any: they are all alike.
  void hand_out() {
    if (idle_ == 0 || queue_.empty()) return;
    for (SimWorker& worker : workers_) {
      if (worker.state != WorkerState::Idle || worker.draining) continue;
      auto const taken = queue_.take(now_);
      if (!taken) return;
      worker.state = WorkerState::Busy;
      --idle_;
      worker.busy_since = now_;
      worker.ticket = taken->ticket;
      item_of_[static_cast<std::size_t>(worker.id)] = taken->item;
      schedule(now_ + scenario_.service[taken->item], Event::Kind::Finished, worker.id,
               ++job_of_[static_cast<std::size_t>(worker.id)]);
    }
  }

  void handle(Event const& event) {
    auto const found =
        std::find_if(workers_.begin(), workers_.end(), [&](auto const& w) { return w.id == event.worker; });
    if (found == workers_.end()) return;
    switch (event.kind) {
      case Event::Kind::Ready:
        if (!found->draining) become_ready(*found);
        break;
      case Event::Kind::Finished:
        if (event.job == job_of_[static_cast<std::size_t>(event.worker)]) finish(*found);
        break;
      case Event::Kind::Died:
        die(event.worker);
        break;
      case Event::Kind::Exited:
        workers_.erase(found);
        return;
    }
    hand_out();
  }

  void finish(SimWorker& worker) {
    auto const item = item_of_[static_cast<std::size_t>(worker.id)];
    queue_.complete(worker.ticket, now_);
    double const service_seconds = in_seconds(now_ - worker.busy_since);
    service_.add(service_seconds);
    if (scaler_.late_lane) {
      queue_.set_late_after(dispatcher::longest_punctual_wait(scenario_.latency_target, service_));
    }
    outcome_.latency_seconds[item] = static_cast<float>(in_seconds(now_ - scenario_.arrivals[item]));
    if (now_ - scenario_.arrivals[item] > scenario_.latency_target) ++late_;
    ++served_;
    worker.cpu_seconds += service_seconds;
    if (worker.draining) {
      leave(worker);
    } else {
      worker.state = WorkerState::Idle;
      ++idle_;
    }
  }

  SimWorker& create(Time now) {
    SimWorker& worker = workers_.emplace_back();
    worker.id = next_id_++;
    worker.created = worker.container_started = worker.not_ready_since = now;
    item_of_.push_back(0);
    job_of_.push_back(0);
    if (now < Time{}) return worker;
    worker.broken = faults_.uniform() < scenario_.start_failure_ratio;
    if (!worker.broken) schedule(now + scenario_.start_delay, Event::Kind::Ready, worker.id);
    return worker;
  }

  void become_ready(SimWorker& worker) {
    worker.state = WorkerState::Idle;
    ++idle_;
    worker.ready_since = now_;
    if (scenario_.mean_life_seconds > 0) {
      schedule(now_ + seconds(faults_.exponential(scenario_.mean_life_seconds)), Event::Kind::Died,
               worker.id);
    }
  }

  /// The process is gone at once; its job goes back to the queue, and the backend makes another worker.
  void die(int id) {
    auto const found =
        std::find_if(workers_.begin(), workers_.end(), [&](auto const& w) { return w.id == id; });
    bool const wanted = !found->draining;
    if (found->state == WorkerState::Idle && wanted) --idle_;
    if (found->state == WorkerState::Busy &&
        queue_.give_back(found->ticket, now_) == dispatcher::GiveBack::Lost)
      ++served_;
    workers_.erase(found);
    if (wanted) create(now_);
  }

  void replace(int id) {
    auto const found =
        std::find_if(workers_.begin(), workers_.end(), [&](auto const& w) { return w.id == id; });
    if (found == workers_.end() || found->draining) return;
    drain(*found);
    create(now_);
  }

  void scale_to(int replicas, Time trace_end) {
    if (replicas != current_ && now_ < trace_end) ++outcome_.scale_events;
    current_ = replicas;
    auto const wanted = [&] {
      return static_cast<int>(
          std::count_if(workers_.begin(), workers_.end(), [](auto const& w) { return !w.draining; }));
    };
    for (int missing = current_ - wanted(); missing > 0; --missing) create(now_);
    for (int spare = wanted() - current_; spare > 0; --spare) drain(*least_useful());
  }

  /// As a ReplicaSet chooses: those not ready first, then the youngest.
  std::vector<SimWorker>::iterator least_useful() {
    auto const rank = [](SimWorker const& w) { return std::pair(w.serving() ? 0 : 1, w.id); };
    auto best = workers_.end();
    for (auto it = workers_.begin(); it != workers_.end(); ++it) {
      if (!it->draining && (best == workers_.end() || rank(*it) > rank(*best))) best = it;
    }
    return best;
  }

  void drain(SimWorker& worker) {
    worker.draining = true;
    if (worker.state == WorkerState::Idle) --idle_;
    if (worker.state != WorkerState::Busy) leave(worker);
  }

  void leave(SimWorker& worker) {
    worker.state = WorkerState::Gone;
    schedule(now_ + scenario_.exit_delay, Event::Kind::Exited, worker.id);
  }

  void schedule(Time at, Event::Kind kind, int worker, std::uint32_t job = 0) {
    events_.push(Event{at, next_sequence_++, kind, worker, job});
  }

  Scenario const& scenario_;
  Scaler scaler_;
  dispatcher::RequestQueue queue_;
  dispatcher::ServiceEstimate service_;
  Rng faults_;
  Outcome outcome_;
  std::vector<SimWorker> workers_;
  std::vector<std::uint64_t> item_of_;  // by worker id
  std::vector<std::uint32_t> job_of_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  Time now_{};
  Time next_second_{};
  std::size_t arrived_ = 0;
  std::size_t served_ = 0;
  std::uint64_t late_ = 0;
  int current_ = 0;
  int idle_ = 0;
  int next_id_ = 0;
  std::uint64_t next_sequence_ = 0;
};

}  // namespace

std::vector<Duration> service_times(std::size_t count, double mean_seconds, double cv2, Rng& rng) {
  std::vector<Duration> times;
  times.reserve(count);
  for (std::size_t i = 0; i < count; ++i) times.push_back(seconds(rng.lognormal(mean_seconds, cv2)));
  return times;
}

Outcome simulate(Scenario const& scenario, Scaler scaler) {
  return Cluster(scenario, std::move(scaler)).run();
}

}  // namespace ei::simulation
