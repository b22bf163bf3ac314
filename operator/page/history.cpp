#include "operator/page/history.hpp"

#include <algorithm>

namespace ei::page {

void History::add(std::int64_t second, Sample const& sample, std::size_t most) {
  if (!changes_.empty()) {
    auto& last = changes_.back();
    if (second < last.second) return;
    if (last.sample == sample) return;
    if (second == last.second) {
      last.sample = sample;
      return;
    }
  }
  changes_.push_back({second, sample});
  // The first one in the window is what held at its begin, so it may be older.
  auto const begin = second - kWindowSeconds;
  while (changes_.size() > 1 && (changes_.size() > most || changes_[1].second <= begin)) changes_.pop_front();
}

std::vector<Since> History::since(std::int64_t second) const {
  std::vector<Since> out;
  auto const after = std::upper_bound(changes_.begin(), changes_.end(), second,
                                      [](std::int64_t at, Since const& each) { return at < each.second; });
  if (after != changes_.begin()) {
    out.push_back(*std::prev(after));
    out.back().second = std::max(out.back().second, second);
  }
  out.insert(out.end(), after, changes_.end());
  return out;
}

std::size_t most_entries(std::size_t services) {
  constexpr std::size_t kLeast = 60;
  auto const share = kMostHistoryBytes / sizeof(Since) / std::max<std::size_t>(services, 1);
  // One more than seconds: what held at the window's begin.
  return std::clamp(share, kLeast, static_cast<std::size_t>(kWindowSeconds + 1));
}

}  // namespace ei::page
