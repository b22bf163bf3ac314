// What happens to pictures whose worker was lost, and to their copies.
#include <algorithm>
#include <utility>

#include "dispatcher/exchange/exchange.hpp"

namespace ei::dispatcher {
namespace {

/// A copy of a picture that was never answered waits this long for the first one's answer: twenty times what
/// a picture takes, and longer than a crash does. Only pictures that are sent
/// several times at once ever wait.
constexpr Duration kTwinPatience = std::chrono::seconds(1);
/// Retries run one at a time after a loss, so that each loss has one suspect; but one that takes longer than
/// this does not keep the innocent ones behind it from being answered in time.
constexpr Duration kTrialPatience = std::chrono::seconds(1);

/// So often are bytes given the benefit of the doubt where others were lost with each: two are an accident,
/// three are a habit.
constexpr int kMostDeaths = 3;

Error died_error() {
  Error error = make_error(ErrorKind::Unavailable,
                           "two workers died while they computed this request, which may not be its fault");
  error.http_status = 502;
  error.retry_after = std::chrono::seconds(1);
  return error;
}

Error quarantine_error(Suspect const& suspect, Time now) {
  auto const left = std::chrono::ceil<std::chrono::seconds>(*suspect.quarantined - now);
  Error error = make_error(ErrorKind::Invalid, "two workers ended while they computed this picture (" +
                                                   std::to_string(suspect.bytes) + " bytes, SHA-256 " +
                                                   suspect.digest + "); the same bytes are refused for " +
                                                   std::to_string(left.count()) + " more seconds");
  error.http_status = 422;
  return error;
}

bool blames(DeathReason reason) {
  return reason == DeathReason::Crash || reason == DeathReason::Overrun;
}

}  // namespace

std::string_view to_string(DeathReason reason) {
  switch (reason) {
    case DeathReason::Crash:
      return "crash";
    case DeathReason::Overrun:
      return "overrun";
    case DeathReason::Leaving:
      return "leaving";
    case DeathReason::Protocol:
      return "protocol";
    case DeathReason::Idle:
      return "idle";
  }
  return "unknown";
}

std::string_view Exchange::bytes_of(Pending const& pending) {
  return pending.submission->pictures[pending.index].bytes;
}

std::string const& Exchange::digest_of(Pending& pending) {
  if (pending.digest.empty()) pending.digest = options_.digest(bytes_of(pending));
  return pending.digest;
}

// `digests` gets those that had to be made.
std::optional<Error> Exchange::refuse_quarantined(Submission const& submission,
                                                  std::vector<std::string>& digests, Time now) {
  for (std::size_t i = 0; i < submission.pictures.size(); ++i) {
    std::string const& bytes = submission.pictures[i].bytes;
    if (!suspects_.quarantines(bytes.size(), now)) continue;
    digests[i] = options_.digest(bytes);
    Suspect const* suspect = suspects_.find(bytes.size(), digests[i], now);
    if (suspect == nullptr || !(suspect->quarantined > now)) continue;
    queue_.refuse(submission.pictures.size());
    drops_.quarantined += submission.pictures.size();
    return quarantine_error(*suspect, now);
  }
  return std::nullopt;
}

// Whether what was just taken may go to a worker in this job. Else it waits elsewhere,
// or is one of `refused`.
bool Exchange::may_go(Taken const& taken, std::uint64_t job, std::vector<Refused>& refused, Time now) {
  Pending& pending = pending_[taken.ticket.slot];
  std::size_t const bytes = bytes_of(pending).size();
  Suspect* suspect = suspects_.doubts(bytes) ? suspects_.find(bytes, digest_of(pending), now) : nullptr;
  if (suspect != nullptr && suspect->quarantined > now) {
    queue_.hold(taken.ticket);
    refused.emplace_back(pending.submission, quarantine_error(*suspect, now));
    return false;
  }
  if (suspect != nullptr && suspect->deaths > 0) {
    if (suspect->judge_at || flies(*suspect)) {
      if (queue_.hold(taken.ticket)) suspect->held.push_back(taken.ticket);
      return false;
    }
    if (!taken.alone) queue_.defer(taken.ticket, now);
    return taken.alone;
  }
  return taken.alone || !wait_for_twins(taken, job, now);
}

// Sets a copy aside while as many as may be unproven are at workers. Bytes are compared, as copies are rare;
// a digest is made only to remember an answer beyond the time that a copy is at a worker.
bool Exchange::wait_for_twins(Taken const& taken, std::uint64_t job, Time now) {
  Pending& pending = pending_[taken.ticket.slot];
  std::string_view const bytes = bytes_of(pending);
  std::vector<std::uint32_t> twins;
  Time first = Time::max();
  auto const [begin, end] = flying_.equal_range(bytes.size());
  for (auto each = begin; each != end; ++each) {
    Pending const& twin = pending_[each->second];
    if (twin.job == job || bytes_of(twin) != bytes) continue;
    pending.proven = pending.proven || twin.proven;
    if (pending.proven) return false;
    twins.push_back(each->second);
    first = std::min(first, jobs_.at(twin.job).started);
  }
  bool const patient = now - first < kTwinPatience;
  if (twins.empty() || (twins.size() == 1 && !patient)) return false;
  Suspect* suspect = suspects_.open(bytes.size(), digest_of(pending), now);
  if (suspect == nullptr) return false;
  for (std::uint32_t const slot : twins) {
    pending_[slot].digest = pending.digest;
    pending_[slot].proven = suspect->proven;
  }
  pending.proven = suspect->proven;
  if (suspect->proven || !queue_.hold(taken.ticket)) return false;
  suspect->held.push_back(taken.ticket);
  if (twins.size() == 1) suspects_.release_at(*suspect, first + kTwinPatience);
  return true;
}

// While a verdict is awaited nothing else may be lost for it. Otherwise as many at once as the last retries
// allow: one after a loss, one more with each that ends well, so that those of a lost node are soon done.
bool Exchange::retries_allowed(Time now) const {
  if (suspects_.judging()) return false;
  auto const running = std::count_if(jobs_.begin(), jobs_.end(), [&](auto const& entry) {
    return entry.second.trial && now - entry.second.started < kTrialPatience;
  });
  return static_cast<std::size_t>(running) < trials_;
}

// When that may change without anything happening.
std::optional<Time> Exchange::retries_wait(Time now) const {
  for (auto const& [id, job] : jobs_) {  // by start
    if (job.trial && now - job.started < kTrialPatience) return job.started + kTrialPatience;
  }
  return std::nullopt;
}

bool Exchange::flies(Suspect const& suspect) const {
  auto const [begin, end] = flying_.equal_range(suspect.bytes);
  return std::any_of(begin, end,
                     [&](auto const& entry) { return pending_[entry.second].digest == suspect.digest; });
}

void Exchange::leave_worker(std::uint32_t slot) {
  auto const [begin, end] = flying_.equal_range(bytes_of(pending_[slot]).size());
  auto const found = std::find_if(begin, end, [&](auto const& entry) { return entry.second == slot; });
  if (found != end) flying_.erase(found);
}

void Exchange::release(Suspect& suspect, Time now) {
  if (suspect.judge_at) return;
  suspect.release_at.reset();
  queue_.release(std::exchange(suspect.held, {}), now, suspect.deaths > 0);
}

// A picture came back from a worker that lives. A worker's own fault (5xx) says nothing of the picture.
void Exchange::land(std::uint32_t slot, link::ItemResult const& item, Time now) {
  leave_worker(slot);
  Pending& pending = pending_[slot];
  if (pending.digest.empty()) return;
  Suspect* suspect = suspects_.find(bytes_of(pending).size(), pending.digest, now);
  if (suspect == nullptr || suspect->quarantined > now) return;
  auto const* error = std::get_if<link::ItemError>(&item);
  if (error == nullptr || error->status < 500) {
    Suspects::prove(*suspect, now);
    for (Ticket const ticket : std::exchange(suspect->lost, {})) fail_held(ticket, died_error());
  }
  if (suspect->deaths == 0 || !flies(*suspect)) release(*suspect, now);
}

void Exchange::detach(WorkerId id, Time now, Ended how) {
  auto const found = workers_.find(id);
  if (found == workers_.end()) return;
  Worker worker = std::move(found->second);
  workers_.erase(found);
  std::erase(idle_, id);
  if (worker.standby) {
    --standbys_;
  } else {
    last_worker_left_ = now;
  }
  DeathReason reason = DeathReason::Crash;
  if (worker.dropped) {
    reason = DeathReason::Overrun;
  } else if (worker.leaving || how == Ended::Closed) {
    reason = DeathReason::Leaving;
  } else if (how == Ended::Broken) {
    reason = DeathReason::Protocol;
  }
  take_jobs(worker, reason, {}, now);
  pump(now);
}

// A worker is lost for `reason`; with `overrun`, for that job, and its others have only lost their worker.
void Exchange::take_jobs(Worker& worker, DeathReason reason, std::optional<std::uint64_t> overrun, Time now) {
  std::vector<std::uint64_t> const jobs = std::exchange(worker.jobs, {});
  if (jobs.empty() && reason != DeathReason::Crash) return;  // it left, or was taken for lost before
  Death death{worker.hello.worker, jobs.empty() ? DeathReason::Idle : reason, {}};
  if (overrun) death.reason = DeathReason::Overrun;
  Loss loss{now, {}};
  for (std::uint64_t const id : jobs) {
    RunningJob const job = std::move(jobs_.extract(id).mapped());
    bool const blamed = blames(overrun == id ? DeathReason::Overrun : reason);
    for (Taken const& taken : job.taken) leave_worker(taken.ticket.slot);
    for (Taken const& taken : job.taken) {
      Pending& pending = pending_[taken.ticket.slot];
      if (blamed) accuse(taken.ticket.slot, job, now);
      death.pictures.push_back(
          {blamed ? pending.digest : std::string(), bytes_of(pending).size(), pending.submission->tag.id});
      if (blamed) loss.digests.push_back(pending.digest);
    }
    for (Taken const& taken : job.taken) return_picture(taken, blamed, now);
  }
  if (reason == DeathReason::Crash || overrun || blames(reason)) {
    std::erase_if(losses_, [&](Loss const& each) { return now - each.at > 4 * kSameCause; });
    losses_.push_back(std::move(loss));
  }
  ++deaths_[static_cast<std::size_t>(death.reason)];
  if (options_.on_death) options_.on_death(death);
}

void Exchange::accuse(std::uint32_t slot, RunningJob const& job, Time now) {
  trials_ = 1;
  Pending& pending = pending_[slot];
  std::string_view const bytes = bytes_of(pending);
  Suspect* suspect = suspects_.open(bytes.size(), digest_of(pending), now);
  if (suspect == nullptr || suspect->quarantined > now) return;
  suspects_.accuse(*suspect, job.started, job.taken.size() == 1, now);
  auto const [begin, end] = flying_.equal_range(bytes.size());
  for (auto each = begin; each != end; ++each) {
    Pending& twin = pending_[each->second];
    if (bytes_of(twin) != bytes) continue;
    twin.digest = pending.digest;
    twin.proven = false;
  }
}

// The picture waits for another worker, for a verdict, or ends.
void Exchange::return_picture(Taken const& taken, bool blamed, Time now) {
  Pending& pending = pending_[taken.ticket.slot];
  auto const submission = pending.submission;
  pending.proven = false;
  Suspect* suspect =
      pending.digest.empty() ? nullptr : suspects_.find(bytes_of(pending).size(), pending.digest, now);
  if (taken.again && blamed && suspect != nullptr && suspect->judge_at) {
    pending.job = 0;
    if (queue_.hold(taken.ticket)) {
      suspect->lost.push_back(taken.ticket);
    } else {
      pending = {};
    }
    return;
  }
  GiveBack const outcome = queue_.give_back(taken.ticket, now);
  pending.job = 0;
  if (outcome != GiveBack::Requeued) pending = {};
  if (suspect != nullptr && (suspect->deaths == 0 || !flies(*suspect))) release(*suspect, now);
  if (outcome == GiveBack::Lost) fail(submission, died_error(), &drops_.worker_died);
}

// Everything whose time has come.
void Exchange::judge(Time now) {
  while (Suspect* suspect = suspects_.due(now)) {
    if (!suspect->judge_at || *suspect->judge_at > now) {
      release(*suspect, now);
      suspect->release_at.reset();
      continue;
    }
    suspect->judge_at.reset();
    Time const from = std::max(suspect->last_started, suspect->last_death - kSameCause);
    bool const others = std::any_of(losses_.begin(), losses_.end(), [&](Loss const& loss) {
      return loss.at > from && loss.at <= suspect->last_death + kSameCause &&
             std::find(loss.digests.begin(), loss.digests.end(), suspect->digest) == loss.digests.end();
    });
    if (!others || suspect->deaths >= kMostDeaths) {
      condemn(*suspect, now);
      continue;
    }
    for (Ticket const ticket : std::exchange(suspect->lost, {})) fail_held(ticket, died_error());
    if (!flies(*suspect)) release(*suspect, now);
  }
}

void Exchange::fail_held(Ticket ticket, Error const& error) {
  if (!queue_.is_held(ticket)) return;  // its client left, or its deadline passed
  fail(std::shared_ptr(pending_[ticket.slot].submission), error, &drops_.worker_died);
}

// The bytes are refused from now on, also to those who wait with the same.
void Exchange::condemn(Suspect& suspect, Time now) {
  suspect.quarantined = now + kQuarantinedFor;
  suspect.forget_at = *suspect.quarantined;
  suspect.release_at.reset();
  ++quarantines_;
  Error const error = quarantine_error(suspect, now);
  std::vector<Ticket> tickets = std::exchange(suspect.lost, {});
  tickets.insert(tickets.end(), suspect.held.begin(), suspect.held.end());
  suspect.held.clear();
  if (options_.on_quarantine) options_.on_quarantine({suspect.digest, suspect.bytes, suspect.deaths});
  std::vector<std::shared_ptr<Submission>> refused;
  std::string bytes;
  for (Ticket const ticket : tickets) {
    if (!queue_.is_held(ticket)) continue;
    Pending const& pending = pending_[ticket.slot];
    if (bytes.empty()) bytes = bytes_of(pending);
    refused.push_back(pending.submission);
  }
  // Bytes are compared, as that is quicker than a digest of each.
  for (Pending const& pending : pending_) {
    if (pending.submission == nullptr || pending.job != 0) continue;
    bool const same = pending.digest.empty() ? !bytes.empty() && bytes_of(pending) == bytes
                                             : pending.digest == suspect.digest;
    if (same) refused.push_back(pending.submission);
  }
  for (auto const& submission : refused) fail(submission, error, &drops_.quarantined);
}

}  // namespace ei::dispatcher
