#include "operator/simulation/cluster.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace ei::simulation {

Cluster::Cluster(ClusterSettings settings, Scaler scaler, OnAnswer on_answer)
    : settings_(std::move(settings)),
      scaler_(std::move(scaler)),
      on_answer_(std::move(on_answer)),
      queue_(dispatcher::QueueLimits{.capacity = settings_.queue_capacity,
                                     .capacity_bytes = std::size_t{1} << 40}),
      faults_(0xfa017 + settings_.fault_seed),
      current_(settings_.replicas) {
  // The service is up when the time begins; its first workers took as long to start as any other.
  for (int i = 0; i < current_; ++i) become_ready(create(Time(-settings_.start_delay)));
}

void Cluster::offer(Time arrival, Duration service, double requests) {
  jobs_.push_back({arrival, service, requests});
}

void Cluster::set_bounds(int least, int most) {
  if (scaler_.bound) scaler_.bound(least, most);
}

int Cluster::ready() const {
  return static_cast<int>(std::count_if(workers_.begin(), workers_.end(),
                                        [](auto const& w) { return w.serving() && !w.draining; }));
}

void Cluster::run(Time limit, bool with_limit) {
  for (;;) {
    Time const next = std::min({next_arrival(), events_.empty() ? Time::max() : events_.top().at,
                                scaler_.next(), queue_.next_deadline()});
    if (next > limit || (next == limit && !with_limit)) break;
    account(next);
    step(next);
  }
  account(limit);
}

Time Cluster::next_arrival() const {
  auto const at = static_cast<std::size_t>(arrived_ - first_job_);
  return at < jobs_.size() ? jobs_[at].arrived : Time::max();
}

/// One thing at a time, in a fixed order of kinds where instants are equal.
void Cluster::step(Time now) {
  if (!events_.empty() && events_.top().at == now) {
    Event const event = events_.top();
    events_.pop();
    handle(event);
  } else if (queue_.next_deadline() <= now) {
    expire();
  } else if (next_arrival() == now) {
    admit();
  } else {
    View const view{queue_, counts_, workers_, current_, metrics_lost(now)};
    Order const order = scaler_.act(view, now);
    for (int const id : order.replace) replace(id);
    if (order.replicas) scale_to(*order.replicas, order);
    keep_standbys(order);
  }
}

void Cluster::account(Time now) {
  auto cores = static_cast<double>(workers_.size());
  process_seconds_ += cores * in_seconds(now - now_);
  if (with_standbys_) {
    cores = std::accumulate(workers_.begin(), workers_.end(), 0.0,
                            [](double sum, SimWorker const& each) { return sum + each.cores(); });
  }
  core_seconds_ += cores * in_seconds(now - now_);
  now_ = now;
}

bool Cluster::metrics_lost(Time now) const {
  return std::any_of(settings_.metrics_lost.begin(), settings_.metrics_lost.end(),
                     [&](auto const& window) { return now >= window.from && now < window.to; });
}

void Cluster::admit() {
  std::uint64_t const number = arrived_++;
  Job const& arriving = job(number);
  counts_.arrivals += arriving.requests;
  bool const cold = std::none_of(workers_.begin(), workers_.end(),
                                 [](auto const& w) { return w.serving() && !w.draining; });
  if (cold) counts_.cold += arriving.requests;
  bool const forever = settings_.request_timeout == Duration::max();
  Time const deadline = forever ? Time::max() : now_ + settings_.request_timeout;
  bool const fits = counts_.waiting + arriving.requests <= static_cast<double>(settings_.queue_capacity);
  if (!fits || dispatcher::consider({}, queue_, false, service_, workers_.size())) {
    queue_.refuse(1);
    counts_.lost += arriving.requests;
    end(number);  // simulate(): with the latency of one that nobody ever answered
  } else if (queue_.offer(now_, deadline, number)) {
    counts_.waiting += arriving.requests;
  }
  hand_out();
}

void Cluster::expire() {
  while (auto const expired = queue_.expire(now_)) {
    counts_.lost += job(expired->item).requests;
    if (expired->in_flight) continue;  // its worker computes on
    counts_.waiting -= job(expired->item).requests;
    end(expired->item);
  }
}

/// Idle workers take jobs in the order of their ids, which is as good as any: they are all alike.
void Cluster::hand_out() {
  while (!idle_.empty() && !queue_.empty()) {
    auto const taken = queue_.take(now_);
    if (!taken) return;
    auto const worker = find(idle_.back());
    idle_.pop_back();
    counts_.waiting -= job(taken->item).requests;
    worker->state = WorkerState::Busy;
    worker->busy_since = now_;
    worker->ticket = taken->ticket;
    worker->job = taken->item;
    schedule(now_ + job(taken->item).service, Event::Kind::Finished, worker->id, ++worker->jobs_had);
  }
}

void Cluster::handle(Event const& event) {
  auto const found = find(event.worker);
  if (found == workers_.end()) return;
  switch (event.kind) {
    case Event::Kind::Ready:
      if (!found->draining) become_ready(*found);
      break;
    case Event::Kind::Serves:
      if (found->state == WorkerState::Promoted && !found->draining) become_idle(*found);
      break;
    case Event::Kind::Finished:
      if (event.job == found->jobs_had && found->state == WorkerState::Busy) finish(*found);
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

void Cluster::finish(SimWorker& worker) {
  Job const& done = job(worker.job);
  bool const awaited = queue_.complete(worker.ticket, now_);
  double const job_seconds = in_seconds(now_ - worker.busy_since);
  double const service_seconds = job_seconds / done.requests;
  service_.add(job_seconds);
  counts_.completions += done.requests;
  counts_.service_seconds += job_seconds;
  counts_.service_seconds_squared += job_seconds * service_seconds;
  if (scaler_.late_lane) {
    queue_.set_late_after(dispatcher::longest_punctual_wait(settings_.latency_target, service_));
  }
  Duration const latency = now_ - done.arrived;
  if (awaited) {
    if (latency > settings_.latency_target) counts_.late += done.requests;
    if (on_answer_) on_answer_(worker.job, latency);
  }
  end(worker.job);
  worker.cpu_seconds += job_seconds;
  if (worker.draining) {
    leave(worker);
  } else {
    become_idle(worker);
  }
}

void Cluster::end(std::uint64_t number) {
  ++ended_;
  job(number).ended = true;
  while (!jobs_.empty() && jobs_.front().ended) {
    jobs_.pop_front();
    ++first_job_;
  }
}

Cluster::Workers::iterator Cluster::find(int id) {
  auto const found =
      std::lower_bound(workers_.begin(), workers_.end(), id, [](auto const& w, int of) { return w.id < of; });
  return found != workers_.end() && found->id == id ? found : workers_.end();
}

SimWorker& Cluster::create(Time now, bool standby) {
  SimWorker& worker = workers_.emplace_back();
  worker.id = next_id_++;
  worker.created = worker.container_started = worker.not_ready_since = worker.standby_since = now;
  worker.standby = standby;
  with_standbys_ = with_standbys_ || standby;
  if (now < Time{}) return worker;
  worker.broken = faults_.uniform() < settings_.start_failure_ratio;
  if (!worker.broken) schedule(now + settings_.start_delay, Event::Kind::Ready, worker.id);
  return worker;
}

void Cluster::become_ready(SimWorker& worker) {
  become_idle(worker);
  worker.ready_since = now_;
  if (settings_.mean_life_seconds > 0) {
    schedule(now_ + seconds(faults_.exponential(settings_.mean_life_seconds)), Event::Kind::Died, worker.id);
  }
}

void Cluster::become_idle(SimWorker& worker) {
  worker.state = WorkerState::Idle;
  if (worker.standby) return;
  idle_.insert(std::lower_bound(idle_.begin(), idle_.end(), worker.id, std::greater<>()), worker.id);
}

void Cluster::leave_idle(SimWorker const& worker) {
  if (worker.state == WorkerState::Idle) std::erase(idle_, worker.id);
}

/// The process is gone at once; its job goes back to the queue, and the backend makes another worker.
void Cluster::die(int id) {
  auto const found = find(id);
  bool const wanted = !found->draining;
  if (found->state == WorkerState::Busy) {
    auto const requests = job(found->job).requests;
    switch (queue_.give_back(found->ticket, now_)) {
      case dispatcher::GiveBack::Requeued:
        counts_.waiting += requests;
        break;
      case dispatcher::GiveBack::Lost:
        counts_.lost += requests;
        end(found->job);
        break;
      case dispatcher::GiveBack::Gone:  // counted when its deadline passed
        end(found->job);
        break;
    }
  }
  bool const standby = found->standby;
  leave_idle(*found);
  workers_.erase(found);
  if (wanted) create(now_, standby);
}

void Cluster::replace(int id) {
  auto const found = find(id);
  if (found == workers_.end() || found->draining) return;
  bool const standby = found->standby;
  drain(*found);
  create(now_, standby);
}

/// As a ReplicaSet chooses: those not ready first, then the youngest.
Cluster::Workers::iterator Cluster::least_useful() {
  auto const rank = [](SimWorker const& w) { return std::pair(w.serving() ? 0 : 1, w.id); };
  auto best = workers_.end();
  for (auto it = workers_.begin(); it != workers_.end(); ++it) {
    if (!it->draining && !it->standby && (best == workers_.end() || rank(*it) > rank(*best))) best = it;
  }
  return best;
}

void Cluster::drain(SimWorker& worker) {
  worker.draining = true;
  leave_idle(worker);
  if (worker.state != WorkerState::Busy) leave(worker);
}

void Cluster::leave(SimWorker& worker) {
  worker.state = WorkerState::Gone;
  schedule(now_ + settings_.exit_delay, Event::Kind::Exited, worker.id);
}

void Cluster::schedule(Time at, Event::Kind kind, int worker, std::uint32_t job) {
  events_.push(Event{at, next_sequence_++, kind, worker, job});
}

}  // namespace ei::simulation
