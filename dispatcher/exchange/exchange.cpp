#include "dispatcher/exchange/exchange.hpp"

#include <algorithm>
#include <utility>

namespace ei::dispatcher {
namespace {

Error failure(ErrorKind kind, int status, std::string message) {
  Error error = make_error(kind, std::move(message));
  error.http_status = status;
  return error;
}

Error to_error(Refusal const& refusal, QueueLimits const& limits) {
  Error error;
  switch (refusal.reason) {
    case RefusalReason::Draining:
      error = failure(ErrorKind::Unavailable, 503, "this dispatcher is draining and takes no more requests");
      break;
    case RefusalReason::TooLarge:
      return failure(ErrorKind::Invalid, 413,
                     "the request is larger than the whole queue; allowed: at most " +
                         std::to_string(limits.capacity) + " pictures and " +
                         std::to_string(limits.capacity_bytes) + " bytes");
    case RefusalReason::Full:
      error = failure(ErrorKind::TooMany, 429,
                      "the queue is full: it holds at most " + std::to_string(limits.capacity) +
                          " requests and " + std::to_string(limits.capacity_bytes) + " bytes");
      break;
  }
  error.retry_after = std::chrono::duration_cast<std::chrono::milliseconds>(refusal.retry_after);
  return error;
}

std::size_t total_bytes(Submission const& submission) {
  std::size_t out = 0;
  for (auto const& picture : submission.pictures) out += picture.bytes.size();
  return out;
}

/// Retries at once, however many ended well: after a loss they double with each round, so that the jobs of a
/// lost node of 64 workers take seven.
constexpr std::size_t kMostTrials = 64;

Error worker_fault(std::string message) {
  return make_error(ErrorKind::Protocol, "worker link: " + std::move(message));
}

}  // namespace

Exchange::Exchange(ExchangeOptions options) : options_(std::move(options)), queue_(options_.queue) {
  if (!options_.digest) options_.digest = [](std::string_view bytes) { return std::string(bytes); };
  adapt_late_lane();
}

Result<void> Exchange::submit(std::shared_ptr<Submission> submission, Time now) {
  expire(now);  // what is over must not keep a place
  std::size_t const count = submission->pictures.size();
  std::vector<std::string> digests(count);
  if (auto error = refuse_quarantined(*submission, digests, now)) return std::move(*error);
  Offer const offer{count, total_bytes(*submission)};
  if (auto const refusal = consider(offer, queue_, draining_, service_, workers())) {
    queue_.refuse(count);
    auto& counter = refusal->reason == RefusalReason::Draining ? drops_.draining
                    : refusal->reason == RefusalReason::Full   ? drops_.full
                                                               : drops_.too_large;
    counter += count;
    return to_error(*refusal, queue_.limits());
  }
  submission->answers_.resize(count);
  submission->missing_ = count;
  ++open_;
  bool const cold = !anybody_serves();
  for (std::size_t i = 0; i < count; ++i) {
    // Room for all of them was made sure of above.
    Ticket const ticket =
        queue_.offer(now, submission->deadline, 0, submission->pictures[i].bytes.size()).value();
    submission->tickets_.push_back(ticket);
    if (ticket.slot >= pending_.size()) pending_.resize(ticket.slot + std::size_t{1});
    pending_[ticket.slot] = {submission, i, 0, std::move(digests[i]), false, cold, {}};
  }
  pump(now);
  return {};
}

void Exchange::cancel(std::shared_ptr<Submission> const& submission, Time now) {
  if (submission->outcome || submission->tickets_.empty()) return;
  fail(submission, failure(ErrorKind::Canceled, 499, "the client left"), &drops_.client_gone);
  pump(now);
}

Result<WorkerId> Exchange::attach(link::Hello hello, WorkerPort port, Time now) {
  if (hello.model != options_.model) {
    return make_error(ErrorKind::Conflict, "worker " + hello.worker + " serves model \"" + hello.model +
                                               "\"; this dispatcher serves \"" + options_.model + "\"");
  }
  if (!hello.standby && !anybody_serves()) note_served(now);
  last_version_ = hello.model_version;
  WorkerId const id = next_worker_++;
  Worker& worker = workers_[id];
  worker.standby = hello.standby;
  standbys_ += worker.standby ? 1 : 0;
  worker.hello = std::move(hello);
  worker.port = std::move(port);
  return id;
}

Result<void> Exchange::ready(WorkerId id, Time now) {
  auto const found = workers_.find(id);
  if (found == workers_.end()) return worker_fault("ready from a worker that is not attached");
  Worker& worker = found->second;
  if (worker.dropped) return {};
  bool const full = worker.asked + worker.jobs.size() >= worker.hello.slots;
  if (worker.standby) {
    if (!anybody_serves()) note_served(now);
    worker.standby = false;
    --standbys_;
    if (full) return {};  // it has crossed a job
  }
  if (full) {
    return worker_fault("ready for more than the " + std::to_string(worker.hello.slots) +
                        " slots of its hello");
  }
  ++worker.asked;
  idle_.push_back(id);
  pump(now);
  return {};
}

Result<void> Exchange::result(WorkerId id, link::JobResult result, Time now) {
  auto const found = jobs_.find(result.id);
  if (found == jobs_.end() || found->second.worker != id) {
    return worker_fault("a result for job " + std::to_string(result.id) + ", which the worker does not hold");
  }
  RunningJob const& running = found->second;
  link::Hello const& hello = workers_.at(id).hello;
  std::size_t const classes = hello.classes;
  if (result.items.size() != running.taken.size()) {
    return worker_fault("a result of " + std::to_string(result.items.size()) + " items for a job of " +
                        std::to_string(running.taken.size()));
  }
  if (running.probabilities != !result.probabilities.empty() ||
      (running.probabilities && result.probabilities.size() != running.taken.size() * classes)) {
    return worker_fault("a result of " + std::to_string(result.probabilities.size()) +
                        " probabilities for a job of " + std::to_string(running.taken.size()) +
                        " pictures and " + std::to_string(classes) + " classes" +
                        (running.probabilities ? "" : ", which asked for no probabilities"));
  }
  RunningJob const job = std::move(found->second);
  jobs_.erase(found);
  std::erase(workers_.at(id).jobs, result.id);
  // A worker asks each of its dispatchers for a job and computes them one after another. Counted as service,
  // the wait in between would make every dispatcher's work out of the others'.
  auto const waited =
      std::chrono::round<Duration>(std::chrono::duration<double, std::milli>(result.waited_ms));
  // The estimate keeps it: it says how long after a hand-out the answer comes and the worker asks again.
  double const seconds = std::chrono::duration<double>(now - job.started).count();
  for (std::size_t i = 0; i < job.taken.size(); ++i) {
    bool const awaited = queue_.complete(job.taken[i].ticket, now, job.taken.size(), waited);
    service_.add(seconds / static_cast<double>(job.taken.size()));
    if (awaited) answer(job, i, result, hello, now);
    land(job.taken[i].ticket.slot, result.items[i], now);
    pending_[job.taken[i].ticket.slot] = {};
  }
  if (job.trial) trials_ = std::min(trials_ + 1, kMostTrials);
  adapt_late_lane();
  pump(now);
  return {};
}

void Exchange::bye(WorkerId id) {
  auto const found = workers_.find(id);
  if (found == workers_.end()) return;
  found->second.asked = 0;
  found->second.leaving = true;
  std::erase(idle_, id);
}

Result<void> Exchange::overrun(WorkerId id, std::uint64_t job, Time now) {
  auto const found = workers_.find(id);
  if (found == workers_.end()) return worker_fault("an overrun from a worker that is not attached");
  Worker& worker = found->second;
  if (std::find(worker.jobs.begin(), worker.jobs.end(), job) == worker.jobs.end()) {
    return worker_fault("an overrun of job " + std::to_string(job) + ", which the worker does not hold");
  }
  worker.asked = 0;
  worker.dropped = true;  // it ends: nothing more is said to it
  std::erase(idle_, id);
  take_jobs(worker, DeathReason::Leaving, job, now);
  pump(now);
  return {};
}

void Exchange::abort() {
  Error error = failure(ErrorKind::Unavailable, 503, "this dispatcher left before the request was answered");
  error.retry_after = std::chrono::seconds(1);  // as for those whom a draining dispatcher refuses
  for (auto const& pending : pending_) {
    auto const submission = pending.submission;  // fail() empties its places
    if (submission) fail(submission, error, &drops_.draining);
  }
}

void Exchange::tick(Time now) {
  drop_stuck(now);
  judge(now);
  pump(now);
}

Time Exchange::next_tick() const {
  Time next = std::min(queue_.next_deadline(), suspects_.next_due());
  if (retry_ripe_) next = std::min(next, *retry_ripe_);
  if (batch_ripe_) next = std::min(next, *batch_ripe_);
  // The oldest job is the first: ids grow with time.
  for (auto const& [id, job] : jobs_) {
    auto const worker = workers_.find(job.worker);
    if (worker == workers_.end() || worker->second.dropped) continue;
    next = std::min(next, job.started + options_.job_timeout);
    break;
  }
  return next;
}

void Exchange::pump(Time now) {
  expire(now);
  batch_ripe_.reset();
  retry_ripe_.reset();
  while (!idle_.empty()) {
    bool const retries = queue_.retries() > 0 && retries_allowed(now);
    Batch const batch = plan_batch(queue_, options_.batch, now, retries);
    if (batch.size == 0) {
      batch_ripe_ = batch.wait_until;
      if (queue_.retries() > 0 && !retries) retry_ripe_ = retries_wait(now);
      return;
    }
    WorkerId const worker = idle_.front();
    idle_.pop_front();
    // Where nothing of what came next may go to a worker now, the next plan is made without it.
    if (!hand_out(worker, batch.size, now)) idle_.push_front(worker);
  }
}

// False: everything that was taken has to wait.
bool Exchange::hand_out(WorkerId id, std::size_t size, Time now) {
  Worker& worker = workers_.at(id);
  link::Job job;
  job.id = next_job_++;
  job.top = options_.top;
  RunningJob running;
  running.worker = id;
  running.started = now;
  Frame frame;
  std::vector<Refused> refused;
  Wanted wanted{link::kMaxPayloadBytes, queue_.retries() > 0 && retries_allowed(now)};
  Time last_deadline = now;
  while (running.taken.size() < size && !running.trial) {
    auto const taken = queue_.take(now, wanted);
    if (!taken) break;
    if (!may_go(*taken, job.id, refused, now)) continue;
    Pending& pending = pending_[taken->ticket.slot];
    pending.job = job.id;
    Work const& work = pending.submission->pictures[pending.index];
    flying_.emplace(work.bytes.size(), taken->ticket.slot);
    job.items.push_back({work.kind, work.bytes.size(), 1, pending.submission->tag});
    job.probabilities = job.probabilities || pending.submission->probabilities;
    job.top = std::max(job.top, pending.submission->top);
    frame.pictures.push_back(work.bytes);
    frame.submissions.push_back(pending.submission);
    wanted.max_bytes -= work.bytes.size();
    wanted.retries = false;
    running.trial = taken->alone;
    last_deadline = std::max(last_deadline, taken->deadline);
    running.taken.push_back(*taken);
  }
  bool const any = !running.taken.empty();
  if (any) {
    running.probabilities = job.probabilities;
    running.awaited = running.taken.size();
    job.deadline =
        std::min(std::chrono::ceil<std::chrono::milliseconds>(last_deadline - now), link::kMaxDeadline);
    --worker.asked;
    worker.jobs.push_back(job.id);
    jobs_.emplace(job.id, std::move(running));
    frame.head = link::encode_job_head(job);
    worker.port.send(std::move(frame));
  }
  for (auto const& [submission, error] : refused) fail(submission, error, &drops_.quarantined);
  return any;
}

void Exchange::expire(Time now) {
  while (auto const expired = queue_.expire(now)) {
    Pending const pending = pending_[expired->ticket.slot];
    if (expired->in_flight) {
      abandon_in_job(pending.job);
    } else {
      pending_[expired->ticket.slot] = {};
    }
    bool const nobody = workers() == 0 && (!last_worker_left_ || *last_worker_left_ < expired->arrived);
    std::string why = "no worker came within the deadline";
    if (!no_worker_.empty() && now - explained_ < kExplained) why += ": " + no_worker_;
    char const* const where = expired->in_flight ? "while a worker computed" : "while the request waited";
    fail(pending.submission,
         nobody ? failure(ErrorKind::Unavailable, 503, std::move(why))
                : failure(ErrorKind::Timeout, 504, std::string("the deadline passed ") + where),
         nobody ? &drops_.no_worker : &drops_.deadline);
  }
}

void Exchange::adapt_late_lane() {
  if (options_.latency_target.count() > 0) {
    queue_.set_late_after(longest_punctual_wait(options_.latency_target, service_));
  }
}

// Ends a submission without an answer and takes its other pictures back.
void Exchange::fail(std::shared_ptr<Submission> const& submission, Error const& error,
                    std::uint64_t* dropped) {
  if (submission->outcome) return;
  if (dropped != nullptr) *dropped += submission->missing_;
  for (Ticket const ticket : submission->tickets_) withdraw(ticket);
  finish(submission, error);
}

void Exchange::finish(std::shared_ptr<Submission> const& submission, Result<std::vector<Answer>> outcome) {
  submission->outcome = std::move(outcome);
  --open_;
  if (submission->on_done) submission->on_done();
}

void Exchange::withdraw(Ticket ticket) {
  std::uint64_t const job = pending_[ticket.slot].job;
  if (!queue_.cancel(ticket)) return;  // ended already, or abandoned already
  if (job == 0) {
    pending_[ticket.slot] = {};
  } else {
    abandon_in_job(job);
  }
}

// One picture of a job is no longer waited for; when it was the last, the worker may stop.
void Exchange::abandon_in_job(std::uint64_t id) {
  auto const found = jobs_.find(id);
  if (found == jobs_.end() || --found->second.awaited > 0) return;
  auto const worker = workers_.find(found->second.worker);
  if (worker != workers_.end() && !worker->second.dropped) {
    worker->second.port.send({link::encode(link::FromDispatcher(link::Cancel{id}))});
  }
}

void Exchange::answer(RunningJob const& job, std::size_t index, link::JobResult& result,
                      link::Hello const& from, Time now) {
  Pending const& pending = pending_[job.taken[index].ticket.slot];
  auto const submission = pending.submission;
  if (auto* error = std::get_if<link::ItemError>(&result.items[index])) {
    ErrorKind const kind = error->status < 500 ? ErrorKind::Invalid : ErrorKind::Unavailable;
    fail(submission, failure(kind, error->status, std::move(error->detail)));
    return;
  }
  Answer& answer = submission->answers_[pending.index];
  answer.top = std::get<std::vector<link::Prediction>>(std::move(result.items[index]));
  // Another request of the batch may have wanted more.
  std::size_t const wanted = std::max(options_.top, submission->top);
  if (answer.top.size() > wanted)
    answer.top.erase(answer.top.begin() + static_cast<std::ptrdiff_t>(wanted), answer.top.end());
  if (submission->probabilities) {
    auto const row = result.probabilities.begin() + static_cast<std::ptrdiff_t>(index * from.classes);
    answer.probabilities.assign(row, row + static_cast<std::ptrdiff_t>(from.classes));
  }
  answer.queued = job.started - job.taken[index].arrived;
  answer.service = now - job.started;
  if (pending.cold) {
    auto const came = std::min(pending.served_at.value_or(job.started), job.started);
    answer.cold_start = std::max(came - job.taken[index].arrived, Duration(0));
  }
  answer.inference_ms = result.inference_ms;
  answer.preprocess_ms = result.preprocess_ms;
  answer.model_version = from.model_version;
  if (--submission->missing_ > 0) return;
  // Its pictures arrived together, so that one of them tells of all.
  if (answer.cold_start && options_.on_cold_start) options_.on_cold_start(*answer.cold_start);
  finish(submission, std::move(submission->answers_));
}

void Exchange::drop_stuck(Time now) {
  for (auto& [id, job] : jobs_) {
    if (job.started + options_.job_timeout > now) break;  // ids, and so starts, only grow
    auto const worker = workers_.find(job.worker);
    if (worker == workers_.end() || worker->second.dropped) continue;
    worker->second.dropped = true;
    worker->second.asked = 0;
    std::erase(idle_, job.worker);
    worker->second.port.drop("the worker held job " + std::to_string(id) + " for longer than its limit");
  }
}

}  // namespace ei::dispatcher
