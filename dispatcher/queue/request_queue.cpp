#include "dispatcher/queue/request_queue.hpp"

#include <algorithm>

namespace ei::dispatcher {

RequestQueue::RequestQueue(QueueLimits limits) : limits_(limits) {
  // A lane may briefly hold more (given-back requests find room), so this only saves the growing. The
  // bound keeps "practically unlimited" capacities from allocating what they will not use.
  std::size_t const expected = std::min<std::size_t>(limits_.capacity, 4096);
  slots_.reserve(expected);
  free_.reserve(expected);
  deadlines_.reserve(expected);
}

bool RequestQueue::fits(std::size_t requests, std::size_t bytes) const {
  return waiting_ <= limits_.capacity && requests <= limits_.capacity - waiting_ &&
         held_bytes_ <= limits_.capacity_bytes && bytes <= limits_.capacity_bytes - held_bytes_;
}

std::optional<Ticket> RequestQueue::offer(Time now, Time deadline, std::uint64_t item, std::size_t bytes) {
  ++counters_.arrivals;
  if (!fits(1, bytes)) {
    ++counters_.refused;
    return std::nullopt;
  }
  std::uint32_t const index = allocate();
  Slot& slot = slots_[index];
  slot.arrived = now;
  slot.deadline = deadline;
  slot.item = item;
  slot.sequence = next_sequence_++;
  slot.bytes = bytes;
  slot.state = State::Fresh;
  slot.again = false;
  link_after(fresh_, fresh_.tail, index);
  ++waiting_;
  waiting_bytes_ += bytes;
  held_bytes_ += bytes;
  schedule(index);
  return Ticket{index, slot.generation};
}

void RequestQueue::refuse(std::size_t requests) {
  counters_.arrivals += requests;
  counters_.refused += requests;
}

std::optional<Taken> RequestQueue::take(Time now, Wanted const& wanted) {
  age(now);
  bool const starving = is_starving(now);
  std::uint32_t const retry = wanted.retries ? first_alive(retry_, now) : kNone;
  std::uint32_t index = retry != kNone && slots_[retry].retry_due <= now ? retry : kNone;
  if (index == kNone) index = first_alive(starving ? late_ : fresh_, now);
  if (index == kNone && starving) index = first_alive(fresh_, now);
  if (index == kNone) index = retry;
  if (index == kNone) index = first_alive(late_, now);
  if (index == kNone || slots_[index].bytes > wanted.max_bytes) return std::nullopt;
  leave_waiting(index);
  Slot& slot = slots_[index];
  bool const alone = slot.state == State::Retry;
  slot.state = State::InFlight;
  slot.handed_out = now;
  ++in_flight_;
  return Taken{Ticket{index, slot.generation}, slot.item, slot.arrived, slot.deadline, slot.again, alone};
}

bool RequestQueue::complete(Ticket ticket, Time now, std::size_t batch, Duration waited) {
  Slot* slot = find(ticket);
  if (slot == nullptr || (slot->state != State::InFlight && slot->state != State::Abandoned)) return false;
  bool const awaited = slot->state == State::InFlight;
  Duration const service = std::max(now - slot->handed_out - waited, Duration::zero());
  double const seconds = std::chrono::duration<double>(service).count() / static_cast<double>(batch);
  ++counters_.completions;
  counters_.service_seconds += seconds;
  counters_.service_seconds_squared += seconds * seconds;
  --in_flight_;
  release(ticket.slot);
  return awaited;
}

// Ends the flight of a request that somebody still waits for; one that nobody waits for ends altogether.
bool RequestQueue::take_back(Ticket ticket) {
  Slot* slot = find(ticket);
  if (slot == nullptr || (slot->state != State::InFlight && slot->state != State::Abandoned)) return false;
  --in_flight_;
  if (slot->state == State::InFlight) return true;
  release(ticket.slot);
  return false;
}

GiveBack RequestQueue::give_back(Ticket ticket, Time now) {
  if (!take_back(ticket)) return GiveBack::Gone;
  Slot& slot = slots_[ticket.slot];
  if (slot.again) {
    ++counters_.lost;
    release(ticket.slot);
    return GiveBack::Lost;
  }
  slot.again = true;
  ++counters_.requeued;
  ++waiting_;
  waiting_bytes_ += slot.bytes;
  join_retries(ticket.slot, now);
  return GiveBack::Requeued;
}

bool RequestQueue::defer(Ticket ticket, Time now) {
  if (!take_back(ticket)) return false;
  ++waiting_;
  waiting_bytes_ += slots_[ticket.slot].bytes;
  join_retries(ticket.slot, now);
  return true;
}

bool RequestQueue::hold(Ticket ticket) {
  if (!take_back(ticket)) return false;
  Slot& slot = slots_[ticket.slot];
  slot.state = State::Held;
  ++held_;
  ++waiting_;
  waiting_bytes_ += slot.bytes;
  return true;
}

bool RequestQueue::is_held(Ticket ticket) const {
  return ticket.slot < slots_.size() && slots_[ticket.slot].generation == ticket.generation &&
         slots_[ticket.slot].state == State::Held;
}

void RequestQueue::release(std::vector<Ticket> const& tickets, Time now, bool as_retries) {
  std::vector<std::uint32_t> fresh;
  for (Ticket const ticket : tickets) {
    Slot const* slot = find(ticket);
    if (slot == nullptr || slot->state != State::Held) continue;
    --held_;
    if (as_retries || slot->again) {
      join_retries(ticket.slot, now);
    } else {
      fresh.push_back(ticket.slot);
    }
  }
  std::sort(fresh.begin(), fresh.end(),
            [this](auto a, auto b) { return slots_[a].sequence < slots_[b].sequence; });
  // One walk for all of them: they were taken from the lane's head, so it is short.
  std::uint32_t before = kNone;
  std::uint32_t after = fresh_.head;
  for (std::uint32_t const index : fresh) {
    while (after != kNone && slots_[after].sequence < slots_[index].sequence) {
      before = after;
      after = slots_[after].next;
    }
    slots_[index].state = State::Fresh;
    link_after(fresh_, before, index);
    before = index;
  }
}

// Waits there already, as far as the counts go.
void RequestQueue::join_retries(std::uint32_t index, Time now) {
  Slot& slot = slots_[index];
  Duration const half = slot.deadline == Time::max() ? kLongestRetryWait : (slot.deadline - now) / 2;
  slot.retry_due = now + std::clamp(half, Duration::zero(), kLongestRetryWait);
  slot.state = State::Retry;
  ++retrying_;
  std::uint32_t before = retry_.tail;
  auto const later = [&](Slot const& other) {
    return other.retry_due != slot.retry_due ? other.retry_due > slot.retry_due
                                             : other.sequence > slot.sequence;
  };
  while (before != kNone && later(slots_[before])) before = slots_[before].previous;
  link_after(retry_, before, index);
}

bool RequestQueue::cancel(Ticket ticket) {
  Slot* slot = find(ticket);
  if (slot == nullptr || slot->state == State::Abandoned) return false;
  ++counters_.cancelled;
  if (slot->state == State::InFlight) {
    unschedule(ticket.slot);
    slot->state = State::Abandoned;
    return true;
  }
  leave_waiting(ticket.slot);
  release(ticket.slot);
  return true;
}

std::optional<Expired> RequestQueue::expire(Time now) {
  if (deadlines_.empty() || deadlines_.top().deadline > now) return std::nullopt;
  std::uint32_t const index = deadlines_.top().slot;
  Slot& slot = slots_[index];
  Expired out{Ticket{index, slot.generation}, slot.item, slot.arrived, slot.state == State::InFlight};
  ++counters_.expired;
  if (out.in_flight) {
    unschedule(index);
    slot.state = State::Abandoned;
  } else {
    leave_waiting(index);
    release(index);
  }
  return out;
}

Time RequestQueue::next_deadline() const {
  return deadlines_.empty() ? Time::max() : deadlines_.top().deadline;
}

std::optional<Time> RequestQueue::oldest() const {
  std::optional<Time> out = oldest_fresh();
  auto const look_at = [&](Slot const& slot) {
    if (!out || slot.arrived < *out) out = slot.arrived;
  };
  for (std::uint32_t i = retry_.head; i != kNone; i = slots_[i].next) look_at(slots_[i]);
  if (held_ == 0) return out;
  for (Slot const& slot : slots_) {
    if (slot.state == State::Held) look_at(slot);
  }
  return out;
}

std::optional<Time> RequestQueue::oldest_fresh() const {
  std::optional<Time> out;
  for (Lane const* lane : {&fresh_, &late_}) {  // each in the order of arrival
    if (lane->head != kNone && (!out || slots_[lane->head].arrived < *out)) out = slots_[lane->head].arrived;
  }
  return out;
}

std::optional<Time> RequestQueue::retry_due() const {
  return retry_.head == kNone ? std::nullopt : std::optional(slots_[retry_.head].retry_due);
}

RequestQueue::Slot* RequestQueue::find(Ticket ticket) {
  if (ticket.slot >= slots_.size()) return nullptr;
  Slot& slot = slots_[ticket.slot];
  return slot.generation == ticket.generation && slot.state != State::Free ? &slot : nullptr;
}

RequestQueue::Lane& RequestQueue::lane_of(State state) {
  return state == State::Retry ? retry_ : state == State::Fresh ? fresh_ : late_;
}

std::uint32_t RequestQueue::allocate() {
  if (free_.empty()) {
    slots_.emplace_back();
    return static_cast<std::uint32_t>(slots_.size() - 1);
  }
  std::uint32_t const index = free_.back();
  free_.pop_back();
  return index;
}

void RequestQueue::release(std::uint32_t index) {
  unschedule(index);
  held_bytes_ -= slots_[index].bytes;
  slots_[index].state = State::Free;
  ++slots_[index].generation;
  free_.push_back(index);
}

void RequestQueue::link_after(Lane& lane, std::uint32_t before, std::uint32_t index) {
  Slot& slot = slots_[index];
  slot.previous = before;
  slot.next = before == kNone ? lane.head : slots_[before].next;
  (slot.previous == kNone ? lane.head : slots_[slot.previous].next) = index;
  (slot.next == kNone ? lane.tail : slots_[slot.next].previous) = index;
}

void RequestQueue::unlink(Lane& lane, std::uint32_t index) {
  Slot& slot = slots_[index];
  (slot.previous == kNone ? lane.head : slots_[slot.previous].next) = slot.next;
  (slot.next == kNone ? lane.tail : slots_[slot.next].previous) = slot.previous;
}

void RequestQueue::leave_waiting(std::uint32_t index) {
  State const state = slots_[index].state;
  if (state == State::Held) {
    --held_;
  } else {
    unlink(lane_of(state), index);
    if (state == State::Retry) --retrying_;
  }
  --waiting_;
  waiting_bytes_ -= slots_[index].bytes;
}

// Moves those who have become late; each request moves at most once, so this is O(1) per request.
void RequestQueue::age(Time now) {
  if (!limits_.late_after) return;
  while (fresh_.head != kNone && now - slots_[fresh_.head].arrived > *limits_.late_after) {
    std::uint32_t const index = fresh_.head;
    unlink(fresh_, index);
    slots_[index].state = State::Late;
    // At the end, but for those that were set aside while younger ones became late.
    std::uint32_t before = late_.tail;
    while (before != kNone && slots_[before].sequence > slots_[index].sequence)
      before = slots_[before].previous;
    link_after(late_, before, index);
  }
}

// Twenty waits: a surge that workers which start in 10 s answer is over by then, so its fresh requests do not
// pay for it. Simulated, ten make half as many more answers of such a surge late.
bool RequestQueue::is_starving(Time now) const {
  constexpr int kMostWaits = 20;
  std::uint32_t const oldest = limits_.late_after ? first_alive(late_, now) : kNone;
  return oldest != kNone && now - slots_[oldest].arrived > kMostWaits * *limits_.late_after;
}

std::uint32_t RequestQueue::first_alive(Lane const& lane, Time now) const {
  std::uint32_t index = lane.head;
  while (index != kNone && slots_[index].deadline <= now) index = slots_[index].next;
  return index;
}

void RequestQueue::schedule(std::uint32_t index) {
  if (slots_[index].deadline == Time::max()) return;
  deadlines_.push({slots_[index].deadline, index}, [this](std::uint32_t slot, std::uint32_t position) {
    slots_[slot].heap_position = position;
  });
}

void RequestQueue::unschedule(std::uint32_t index) {
  if (slots_[index].heap_position == kNone) return;
  deadlines_.remove(slots_[index].heap_position, [this](std::uint32_t slot, std::uint32_t position) {
    slots_[slot].heap_position = position;
  });
  slots_[index].heap_position = kNone;
}

}  // namespace ei::dispatcher
