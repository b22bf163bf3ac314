#include "operator/simulation/ray.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ei::simulation {

int Ray::decide(double ongoing, int current) {
  auto const ticks = [&](Duration duration) { return static_cast<int>(duration / settings_.tick); };
  ongoing_.push_back(ongoing);
  if (ongoing_.size() > static_cast<std::size_t>(ticks(settings_.look_back))) ongoing_.pop_front();
  double const mean =
      std::accumulate(ongoing_.begin(), ongoing_.end(), 0.0) / static_cast<double>(ongoing_.size());
  int const wanted = static_cast<int>(std::clamp(std::ceil(mean / settings_.target_ongoing_requests),
                                                 static_cast<double>(settings_.min_replicas),
                                                 static_cast<double>(settings_.max_replicas)));
  ticks_up_ = wanted > current ? ticks_up_ + 1 : 0;
  ticks_down_ = wanted < current ? ticks_down_ + 1 : 0;
  if (ticks_up_ <= ticks(settings_.upscale_delay) && ticks_down_ <= ticks(settings_.downscale_delay))
    return current;
  ticks_up_ = ticks_down_ = 0;
  return wanted;
}

}  // namespace ei::simulation
