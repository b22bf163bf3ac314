// The one central queue: who waits, who is being served, and who is next.
//
// The model. A request is offered once; the queue takes it or is full.
// A taken request waits in one of three lanes:
//
//   fresh      everybody, first come first served
//   retry      was handed out already, but its worker was lost, or is the like of such a one: served alone,
//              after the fresh. What took a worker may take the next, and that must not cost those who wait
//              behind it. It goes before the fresh once half of the time that it had left is over, at the
//              latest after `kLongestRetryWait`, so that it neither starves nor misses its deadline
//   late       has waited longer than `late_after`, the longest wait that still meets the latency target:
//              served, oldest first, only when no fresh one waits. The target is lost for it anyway, while
//              serving it now would make a fresh one late as well: under a burst this trades a few very late
//              answers for many punctual ones. Nobody starves for it: one that has waited twenty times as
//              long goes before the fresh, so a lasting overload, where no order makes many punctual, ends as
//              a FIFO. Without `late_after` there is no such lane and the queue is one FIFO.
//
// take() hands the next one out ("in flight"); complete() ends it and measures its service time; give_back()
// returns it after its worker was lost; defer() and hold() take back what was handed out but shall not reach
// a worker yet, to the retries or aside until release(); cancel() and expire() end the wait of one whose
// client left or whose deadline passed.
//
// Pure and deterministic: no clock (`now` never goes back), no payload (an opaque `item` stands for it), no
// allocation once grown to its capacity. Every operation is O(1) but for the deadline heap's O(log n).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "dispatcher/queue/deadline_heap.hpp"

namespace ei::dispatcher {

/// The dispatcher's clock; a simulator counts from the epoch.
using Time = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;

/// The longest that a retry lets fresh requests pass: a sixth of the default request timeout, and longer than
/// a burst over the capacity of one lost worker lasts, as its successor starts within a second or two.
inline constexpr Duration kLongestRetryWait = std::chrono::seconds(5);

/// Names one request from offer() until it ends; never reused, so a stale one is recognised and ignored.
struct Ticket {
  std::uint32_t slot = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t generation = 0;
  bool operator==(Ticket const&) const = default;
};

struct QueueLimits {
  std::size_t capacity = 1000;  ///< waiting requests, > 0
  /// The payloads of the waiting and of those in flight, which are kept in case that a worker is lost. Four
  /// times what 1,000 ordinary photographs (128 KiB) take; without it 1,000 pictures of the greatest size
  /// would be 10 GiB.
  std::size_t capacity_bytes = std::size_t{512} << 20;
  std::optional<Duration> late_after{};  ///< none: plain FIFO; see the model above
  bool operator==(QueueLimits const&) const = default;
};

/// A request as take() hands it out.
struct Taken {
  Ticket ticket;
  std::uint64_t item = 0;
  Time arrived{};
  Time deadline{};
  bool again = false;  ///< it was handed out before and given back
  bool alone = false;  ///< it comes from the retries: it goes into no batch with others
};

/// What take() may give.
struct Wanted {
  std::size_t max_bytes = std::numeric_limits<std::size_t>::max();
  bool retries = true;  ///< false: none from the retry lane
};

/// A request as expire() ends it.
struct Expired {
  Ticket ticket;
  std::uint64_t item = 0;
  Time arrived{};
  bool in_flight = false;  ///< a worker still computes: complete() or give_back() will end it
};

enum class GiveBack {
  Requeued,  ///< it waits among the retries
  Lost,      ///< it was given back before: it has ended, and its client must hear so
  Gone,      ///< nobody waited for it any more, or the ticket is stale
};

/// Sums since the start; none ever falls.
struct QueueCounters {
  std::uint64_t arrivals = 0;     ///< offered, whether taken or not
  std::uint64_t refused = 0;      ///< of these, not taken
  std::uint64_t completions = 0;  ///< complete()d
  std::uint64_t cancelled = 0;
  std::uint64_t expired = 0;
  std::uint64_t requeued = 0;
  std::uint64_t lost = 0;
  double service_seconds = 0;  ///< Σ service time of the completions
  double service_seconds_squared = 0;
  bool operator==(QueueCounters const&) const = default;
};

class RequestQueue {
 public:
  explicit RequestQueue(QueueLimits limits = {});

  /// Whether that many more requests with that many bytes together would be taken now.
  [[nodiscard]] bool fits(std::size_t requests, std::size_t bytes) const;

  /// Takes a request of `bytes` whose client waits until `deadline` (Time::max(): for ever), or none when
  /// full. `item` is the caller's own name for it.
  [[nodiscard]] std::optional<Ticket> offer(Time now, Time deadline, std::uint64_t item,
                                            std::size_t bytes = 0);

  /// Counts requests that admission turned away before offering them.
  void refuse(std::size_t requests);

  /// Hands out the next request, or none when nobody waits or the next has more than the wanted bytes. Never
  /// one whose deadline has passed: those are left for expire().
  [[nodiscard]] std::optional<Taken> take(Time now, Wanted const& wanted = {});

  /// Ends a request in flight with an answer. Its service time, hand-out to now without the time `waited` in
  /// the worker behind the work of others, counts divided by `batch`, the number of requests that were served
  /// together. True when its client still waits.
  bool complete(Ticket ticket, Time now, std::size_t batch = 1, Duration waited = Duration::zero());

  /// The worker of a request in flight was lost.
  GiveBack give_back(Ticket ticket, Time now);

  /// Moves a request that was just taken among the retries, without counting it as given back. False: nobody
  /// waits for it any more, and it has ended.
  bool defer(Ticket ticket, Time now);

  /// Sets a request in flight aside: it waits, keeps its deadline, and take() passes it over until release().
  /// False: nobody waited for it any more, and it has ended.
  bool hold(Ticket ticket);

  /// False for a stale ticket.
  [[nodiscard]] bool is_held(Ticket ticket) const;

  /// Lets requests that were set aside wait for a worker again, in their old places; stale tickets are
  /// ignored. `as_retries`: among the retries, else only those go there that were given back before.
  void release(std::vector<Ticket> const& tickets, Time now, bool as_retries);

  /// The client left. A waiting request ends; one in flight is only marked, as its worker computes on.
  /// False for a stale ticket.
  bool cancel(Ticket ticket);

  /// Ends the wait of one request whose deadline is at or before `now`; call until none is left.
  [[nodiscard]] std::optional<Expired> expire(Time now);

  /// When expire() next has something to do; Time::max() for never.
  [[nodiscard]] Time next_deadline() const;

  /// Changes the late lane from the next take() on; who is late stays late.
  void set_late_after(std::optional<Duration> late_after) { limits_.late_after = late_after; }

  [[nodiscard]] std::size_t size() const { return waiting_; }  ///< waiting, all lanes
  [[nodiscard]] bool empty() const { return waiting_ == 0; }
  [[nodiscard]] std::size_t bytes() const { return waiting_bytes_; }  ///< of the waiting
  [[nodiscard]] std::size_t in_flight() const { return in_flight_; }
  /// Waiting in the fresh and the late lane.
  [[nodiscard]] std::size_t fresh() const { return waiting_ - retrying_ - held_; }
  [[nodiscard]] std::size_t retries() const { return retrying_; }  ///< waiting in the retry lane
  [[nodiscard]] std::size_t held() const { return held_; }         ///< waiting, set aside
  /// When the request that waits longest in the fresh or the late lane arrived.
  [[nodiscard]] std::optional<Time> oldest_fresh() const;
  /// When the first retry goes before the fresh; none without retries.
  [[nodiscard]] std::optional<Time> retry_due() const;
  /// When the request that waits longest arrived; none when nobody waits.
  [[nodiscard]] std::optional<Time> oldest() const;
  [[nodiscard]] QueueLimits const& limits() const { return limits_; }
  [[nodiscard]] QueueCounters const& counters() const { return counters_; }

 private:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  enum class State : std::uint8_t { Free, Retry, Fresh, Late, Held, InFlight, Abandoned };

  struct Slot {
    Time arrived{};
    Time deadline{};
    Time handed_out{};
    Time retry_due{};  // in the retry lane: goes before the fresh from then on
    std::uint64_t item = 0;
    std::uint64_t sequence = 0;  // of the offer: the order among equals
    std::size_t bytes = 0;
    std::uint32_t generation = 0;
    std::uint32_t previous = kNone;
    std::uint32_t next = kNone;
    std::uint32_t heap_position = kNone;
    State state = State::Free;
    bool again = false;
  };
  struct Lane {
    std::uint32_t head = kNone;
    std::uint32_t tail = kNone;
  };

  Slot* find(Ticket ticket);
  Lane& lane_of(State state);
  std::uint32_t allocate();
  void release(std::uint32_t index);
  void link_after(Lane& lane, std::uint32_t before, std::uint32_t index);
  void unlink(Lane& lane, std::uint32_t index);
  void leave_waiting(std::uint32_t index);
  void join_retries(std::uint32_t index, Time now);
  bool take_back(Ticket ticket);
  void age(Time now);
  bool is_starving(Time now) const;
  std::uint32_t first_alive(Lane const& lane, Time now) const;
  void schedule(std::uint32_t index);
  void unschedule(std::uint32_t index);

  QueueLimits limits_;
  QueueCounters counters_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  Lane retry_;  // by due time
  Lane fresh_;  // by arrival
  Lane late_;   // by arrival
  DeadlineHeap deadlines_;
  std::size_t waiting_ = 0;
  std::size_t waiting_bytes_ = 0;
  std::size_t held_bytes_ = 0;  // of the waiting and of those in flight
  std::size_t retrying_ = 0;
  std::size_t held_ = 0;
  std::size_t in_flight_ = 0;
  std::uint64_t next_sequence_ = 0;
};

}  // namespace ei::dispatcher
