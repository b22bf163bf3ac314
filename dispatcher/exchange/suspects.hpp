// What is remembered of pictures by their bytes: which took workers with them, and which were answered. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dispatcher/queue/request_queue.hpp"

namespace ei::dispatcher {

/// A suspicion lasts as long as a client may come back with the same bytes by a retry of its own (minutes),
/// and short enough that an innocent picture that nobody sends again is forgotten.
inline constexpr Duration kSuspectedFor = std::chrono::minutes(5);
/// Then the bytes may be tried again, on two more workers at most: one every five minutes is less than what a
/// service loses to its nodes' upkeep.
inline constexpr Duration kQuarantinedFor = std::chrono::minutes(10);
/// Entries of at most 300 bytes: 0.3 MB. To push one of its own out, a client would have to take a thousand
/// workers down within minutes.
inline constexpr std::size_t kMostSuspects = 1024;
/// What ends several workers at once (a node, a network) is seen to end them within this time: the kernel
/// resets all connections of a process that is gone within milliseconds.
inline constexpr Duration kSameCause = std::chrono::milliseconds(250);

/// One picture's record, by the digest of its bytes.
struct Suspect {
  std::string digest;
  std::size_t bytes = 0;
  bool proven = false;  ///< the last that came of it was an answer
  int deaths = 0;       ///< workers lost under it since its last answer; those lost together count once
  bool alone = false;   ///< the last of these computed nothing else
  Time last_started{};  ///< of the last death's job
  Time last_death{};
  std::optional<Time> judge_at;     ///< whether it is guilty is decided then
  std::optional<Time> release_at;   ///< those set aside may try again then, though nothing has ended
  std::optional<Time> quarantined;  ///< until then the bytes are refused
  Time forget_at{};
  std::vector<Ticket> held;  ///< copies that wait for what comes of those in flight
  std::vector<Ticket> lost;  ///< that two workers were lost under, and that wait for the verdict
};

/// The records, at most kMostSuspects.
class Suspects {
 public:
  /// Whether anything but good is remembered of a picture of that size:
  /// only then is its digest worth its time.
  [[nodiscard]] bool doubts(std::size_t bytes) const;
  /// Whether a picture of that size is in quarantine.
  [[nodiscard]] bool quarantines(std::size_t bytes, Time now) const;

  /// Null: nothing is remembered.
  [[nodiscard]] Suspect* find(std::size_t bytes, std::string const& digest, Time now);
  /// Finds or begins a record. Null: the table is full of records that are in use.
  [[nodiscard]] Suspect* open(std::size_t bytes, std::string const& digest, Time now);

  /// One worker more was lost under it, which began its job at `started`.
  void accuse(Suspect& suspect, Time started, bool alone, Time now);
  /// It was answered.
  static void prove(Suspect& suspect, Time now);
  /// Sets release_at.
  void release_at(Suspect& suspect, Time at);

  /// Whoever is due at `now` by judge_at, or else by release_at; null: nobody.
  [[nodiscard]] Suspect* due(Time now);
  /// When due() next gives one; Time::max() for never.
  [[nodiscard]] Time next_due() const;
  /// Whether a verdict is awaited.
  [[nodiscard]] bool judging() const;
  [[nodiscard]] std::size_t quarantined(Time now) const;
  [[nodiscard]] std::size_t size() const { return records_.size(); }

 private:
  using Key = std::pair<std::size_t, std::string>;  // bytes, digest
  void make_room(Time now);
  void forget(std::map<Key, Suspect>::iterator record);
  void time(Suspect& suspect);

  std::map<Key, Suspect> records_;
  std::vector<Suspect*> timed_;  // all that have judge_at or release_at, and some that had
};

}  // namespace ei::dispatcher
