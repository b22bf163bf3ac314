#include "operator/reconcile/workqueue.hpp"

#include <algorithm>
#include <cassert>

namespace ei::reconcile {

void Workqueue::add(Key const& key, SteadyTime when) {
  auto& entry = entries_[key];
  if (entry.due && *entry.due <= when) return;
  if (entry.due && !entry.running) due_.erase({*entry.due, entry.order, key});
  entry.due = when;
  entry.order = next_order_++;
  if (!entry.running) due_.insert({when, entry.order, key});
}

std::optional<Workqueue::Key> Workqueue::take(SteadyTime now) {
  if (due_.empty() || std::get<SteadyTime>(*due_.begin()) > now) return {};
  Key key = std::get<Key>(*due_.begin());
  due_.erase(due_.begin());
  auto& entry = entries_[key];
  entry.due.reset();
  entry.running = true;
  ++running_;
  return key;
}

std::optional<SteadyTime> Workqueue::next_due() const {
  if (due_.empty()) return {};
  return std::get<SteadyTime>(*due_.begin());
}

Workqueue::Entry& Workqueue::finish(Key const& key) {
  auto const found = entries_.find(key);
  assert(found != entries_.end() && found->second.running);
  found->second.running = false;
  --running_;
  if (found->second.due) due_.insert({*found->second.due, found->second.order, key});
  return found->second;
}

/// Forgets an entry that says nothing any more.
void Workqueue::settle(Key const& key) {
  auto const found = entries_.find(key);
  if (found == entries_.end()) return;
  auto const& entry = found->second;
  if (!entry.due && !entry.running && entry.failures == 0) entries_.erase(found);
}

void Workqueue::done(Key const& key) {
  finish(key).failures = 0;
  settle(key);
}

milliseconds Workqueue::delay_after(int failures, milliseconds retry_after) {
  // 5 ms · 2^14 is already over the ceiling; shifting further would overflow.
  auto const doubled = kFirstDelay * (1 << std::clamp(failures - 1, 0, 14));
  return std::max(std::min(doubled, kLongestDelay), retry_after);
}

milliseconds Workqueue::failed(Key const& key, SteadyTime now, milliseconds retry_after) {
  auto& entry = finish(key);
  auto const delay = delay_after(++entry.failures, retry_after);
  add(key, now + delay);
  return delay;
}

void Workqueue::forget(Key const& key) {
  auto const found = entries_.find(key);
  if (found == entries_.end()) return;
  auto& entry = found->second;
  if (entry.due && !entry.running) due_.erase({*entry.due, entry.order, key});
  entry.due.reset();
  entry.failures = 0;
  settle(key);
}

int Workqueue::failures(Key const& key) const {
  auto const found = entries_.find(key);
  return found == entries_.end() ? 0 : found->second.failures;
}

std::size_t Workqueue::waiting() const {
  auto const wishes = std::count_if(entries_.begin(), entries_.end(),
                                    [](auto const& each) { return each.second.due.has_value(); });
  return static_cast<std::size_t>(wishes);
}

}  // namespace ei::reconcile
