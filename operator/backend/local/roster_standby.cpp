#include <algorithm>

#include "operator/backend/local/roster.hpp"

namespace ei::backend::local {

// Up: standbys that are warm, then those that have started longest. An outdated one would only be replaced.
void Roster::promote(std::size_t count, Command const& wanted, Moment now) {
  auto const rank = [](Slot const& slot) {
    return std::pair(slot.current->ready ? 0 : 1, slot.current->created);
  };
  while (workers_.size() < count) {
    auto best = standbys_.end();
    for (auto it = standbys_.begin(); it != standbys_.end(); ++it) {
      if (!it->current || !same_template(it->current->command, wanted)) continue;
      if (best == standbys_.end() || rank(*it) < rank(*best)) best = it;
    }
    if (best == standbys_.end()) return;
    auto& instance = *best->current;
    instance.standby = false;
    if (instance.ready) {  // it is again once it has asked for a job
      instance.ready = false;
      instance.not_ready_since = now.wall;
    }
    orders_.emplace_back(Resize{best->current});
    workers_.push_back(std::move(*best));
    standbys_.erase(best);
  }
}

// Down: where standbys are kept, who is given up is one, and is taken back at once while it is.
void Roster::demote(std::size_t position, Moment now) {
  auto slot = std::move(workers_[position]);
  workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(position));
  leave(slot.next, now, kUnreadyGrace);
  if (spec_->scaling.standby == 0 || !slot.current || slot.current->quota_file.empty()) {
    leave(slot.current, now);
    return;
  }
  slot.current->standby = true;
  slot.standby_since = now.steady;
  orders_.emplace_back(Resize{slot.current});
  standbys_.push_back(std::move(slot));
}

// Those that are not wanted leave when the cooldown has passed in which they were not needed either, places
// without a process first. All at once where the spec has none.
void Roster::release_standbys(Moment now) {
  auto const wanted = static_cast<std::size_t>(standbys_wanted_);
  milliseconds const keep = spec_->scaling.standby == 0 ? milliseconds(0) : spec_->scaling.cooldown;
  std::stable_sort(standbys_.begin(), standbys_.end(), [](Slot const& a, Slot const& b) {
    return std::pair(a.current != nullptr, a.standby_since) <
           std::pair(b.current != nullptr, b.standby_since);
  });
  while (standbys_.size() > wanted) {
    auto& slot = standbys_.front();
    if (slot.current && now.steady < slot.standby_since + keep) {
      due(slot.standby_since + keep);
      return;
    }
    leave(slot.current, now);
    standbys_.erase(standbys_.begin());
  }
}

void Roster::step_standbys(Command const& wanted, Moment now) {
  release_standbys(now);
  while (standbys_.size() < static_cast<std::size_t>(standbys_wanted_)) {
    standbys_.emplace_back().standby_since = now.steady;
  }
  for (auto& slot : standbys_) {
    // It serves nobody, so nobody waits for the one that takes over.
    if (slot.current && !same_template(slot.current->command, wanted)) leave(slot.current, now);
    if (!slot.current) {
      if (may_start(slot, now)) slot.current = start_worker(now, true);
    } else if (slot.current->ready) {
      slot.trouble.reset();
    }
  }
}

void Roster::observe_standbys(std::optional<Command> const& wanted, Moment now,
                              plan::Observation& seen) const {
  int waiting = 0;
  for (auto const& slot : standbys_) {
    plan::WorkerInstance worker;
    if (slot.current) {
      worker = observed_worker(*slot.current);
      worker.outdated = wanted && !same_template(slot.current->command, *wanted);
    } else {
      worker.name = key_.name + "-standby-waiting-" + std::to_string(++waiting);
      worker.created = now.wall;
    }
    worker.trouble = slot.trouble;
    seen.standbys.push_back(std::move(worker));
  }
}

}  // namespace ei::backend::local
