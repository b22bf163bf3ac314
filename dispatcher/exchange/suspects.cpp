#include "dispatcher/exchange/suspects.hpp"

#include <algorithm>

namespace ei::dispatcher {
namespace {

bool in_use(Suspect const& suspect) {
  return suspect.judge_at || suspect.release_at || !suspect.held.empty() || !suspect.lost.empty();
}

}  // namespace

bool Suspects::doubts(std::size_t bytes) const {
  for (auto each = records_.lower_bound({bytes, {}}); each != records_.end() && each->first.first == bytes;
       ++each) {
    if (!each->second.proven) return true;
  }
  return false;
}

bool Suspects::quarantines(std::size_t bytes, Time now) const {
  for (auto each = records_.lower_bound({bytes, {}}); each != records_.end() && each->first.first == bytes;
       ++each) {
    if (each->second.quarantined > now) return true;
  }
  return false;
}

Suspect* Suspects::find(std::size_t bytes, std::string const& digest, Time now) {
  auto const found = records_.find({bytes, digest});
  if (found == records_.end()) return nullptr;
  if (found->second.forget_at > now || in_use(found->second)) return &found->second;
  forget(found);
  return nullptr;
}

Suspect* Suspects::open(std::size_t bytes, std::string const& digest, Time now) {
  if (Suspect* known = find(bytes, digest, now)) return known;
  if (records_.size() >= kMostSuspects) make_room(now);
  if (records_.size() >= kMostSuspects) return nullptr;
  Suspect& suspect = records_[{bytes, digest}];
  suspect.digest = digest;
  suspect.bytes = bytes;
  suspect.forget_at = now + kSuspectedFor;
  return &suspect;
}

// Forgets what is over, or else what would be forgotten first; quarantine outlasts suspicion.
void Suspects::make_room(Time now) {
  for (auto each = records_.begin(); each != records_.end();) {
    auto const next = std::next(each);
    if (each->second.forget_at <= now && !in_use(each->second)) forget(each);
    each = next;
  }
  if (records_.size() < kMostSuspects) return;
  auto first = records_.end();
  for (auto each = records_.begin(); each != records_.end(); ++each) {
    if (in_use(each->second)) continue;
    if (first == records_.end() || each->second.forget_at < first->second.forget_at) first = each;
  }
  if (first != records_.end()) forget(first);
}

void Suspects::forget(std::map<Key, Suspect>::iterator record) {
  std::erase(timed_, &record->second);
  records_.erase(record);
}

void Suspects::accuse(Suspect& suspect, Time started, bool alone, Time now) {
  bool const same =
      suspect.deaths > 0 && started < suspect.last_death && now - suspect.last_death <= kSameCause;
  if (!same) ++suspect.deaths;
  suspect.proven = false;
  suspect.alone = alone;
  suspect.last_started = started;
  suspect.last_death = now;
  suspect.forget_at = now + kSuspectedFor;
  // In company it may have been another's fault: it is tried once more, alone.
  if (suspect.deaths < 2 || !alone) return;
  suspect.judge_at = now + kSameCause;
  time(suspect);
}

void Suspects::prove(Suspect& suspect, Time now) {
  suspect.proven = true;
  suspect.deaths = 0;
  suspect.judge_at.reset();
  suspect.quarantined.reset();
  suspect.forget_at = now + kSuspectedFor;
}

void Suspects::release_at(Suspect& suspect, Time at) {
  suspect.release_at = at;
  time(suspect);
}

void Suspects::time(Suspect& suspect) {
  std::erase_if(timed_, [&](Suspect const* each) {
    return each == &suspect || (!each->judge_at && !each->release_at);
  });
  timed_.push_back(&suspect);
}

Suspect* Suspects::due(Time now) {
  for (Suspect* suspect : timed_) {
    if (suspect->judge_at && *suspect->judge_at <= now) return suspect;
    if (suspect->release_at && *suspect->release_at <= now) return suspect;
  }
  return nullptr;
}

Time Suspects::next_due() const {
  Time next = Time::max();
  for (Suspect const* suspect : timed_) {
    if (suspect->judge_at) next = std::min(next, *suspect->judge_at);
    if (suspect->release_at) next = std::min(next, *suspect->release_at);
  }
  return next;
}

bool Suspects::judging() const {
  return std::any_of(timed_.begin(), timed_.end(),
                     [](auto const* each) { return each->judge_at.has_value(); });
}

std::size_t Suspects::quarantined(Time now) const {
  return static_cast<std::size_t>(std::count_if(
      records_.begin(), records_.end(), [&](auto const& entry) { return entry.second.quarantined > now; }));
}

}  // namespace ei::dispatcher
