#include "dispatcher/queue/request_queue.hpp"

#include <algorithm>
#include <initializer_list>

namespace ei::dispatcher {

RequestQueue::RequestQueue(QueueLimits limits) : limits_(limits) {
  // A lane may briefly hold more (given-back requests keep their place), so this only saves the growing. The
  // bound keeps "practically unlimited" capacities from allocating what they will not use.
  std::size_t const expected = std::min<std::size_t>(limits_.capacity, 4096);
  slots_.reserve(expected);
  free_.reserve(expected);
  deadlines_.reserve(expected);
}

bool RequestQueue::fits(std::size_t requests, std::size_t bytes) const {
  return waiting_ <= limits_.capacity && requests <= limits_.capacity - waiting_ &&
         waiting_bytes_ <= limits_.capacity_bytes && bytes <= limits_.capacity_bytes - waiting_bytes_;
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
  schedule(index);
  return Ticket{index, slot.generation};
}

void RequestQueue::refuse(std::size_t requests) {
  counters_.arrivals += requests;
  counters_.refused += requests;
}

std::optional<Taken> RequestQueue::take(Time now, std::size_t max_bytes) {
  age(now);
  bool const starving = is_starving(now);
  for (Lane const* lane : {&returned_, starving ? &late_ : &fresh_, starving ? &fresh_ : &late_}) {
    std::uint32_t const index = first_alive(*lane, now);
    if (index == kNone) continue;
    if (slots_[index].bytes > max_bytes) return std::nullopt;
    leave_waiting(index);
    Slot& slot = slots_[index];
    slot.state = State::InFlight;
    slot.handed_out = now;
    ++in_flight_;
    return Taken{Ticket{index, slot.generation}, slot.item, slot.arrived, slot.deadline, slot.again};
  }
  return std::nullopt;
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

GiveBack RequestQueue::give_back(Ticket ticket) {
  Slot* slot = find(ticket);
  if (slot == nullptr) return GiveBack::Gone;
  if (slot->state == State::Abandoned) {
    --in_flight_;
    release(ticket.slot);
    return GiveBack::Gone;
  }
  if (slot->state != State::InFlight) return GiveBack::Gone;
  --in_flight_;
  if (slot->again) {
    ++counters_.lost;
    release(ticket.slot);
    return GiveBack::Lost;
  }
  slot->again = true;
  slot->state = State::Returned;
  // Oldest first among the returned; they are at most the jobs of the workers that just died.
  std::uint32_t before = returned_.tail;
  while (before != kNone && slots_[before].sequence > slot->sequence) before = slots_[before].previous;
  link_after(returned_, before, ticket.slot);
  ++waiting_;
  waiting_bytes_ += slot->bytes;
  ++counters_.requeued;
  return GiveBack::Requeued;
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
  std::optional<Time> out;
  // Each lane is in the order of arrival.
  for (Lane const* lane : {&returned_, &fresh_, &late_}) {
    if (lane->head != kNone && (!out || slots_[lane->head].arrived < *out)) out = slots_[lane->head].arrived;
  }
  return out;
}

RequestQueue::Slot* RequestQueue::find(Ticket ticket) {
  if (ticket.slot >= slots_.size()) return nullptr;
  Slot& slot = slots_[ticket.slot];
  return slot.generation == ticket.generation && slot.state != State::Free ? &slot : nullptr;
}

RequestQueue::Lane& RequestQueue::lane_of(State state) {
  return state == State::Returned ? returned_ : state == State::Fresh ? fresh_ : late_;
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
  unlink(lane_of(slots_[index].state), index);
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
    link_after(late_, late_.tail, index);
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
