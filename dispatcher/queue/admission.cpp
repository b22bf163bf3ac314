#include "dispatcher/queue/admission.hpp"

#include <algorithm>
#include <cmath>

namespace ei::dispatcher {
namespace {

// When half the queue is served there is room for clients that return; sooner only means another refusal. At
// most a minute, as by then there will be more workers.
std::chrono::seconds retry_after(RequestQueue const& queue, ServiceEstimate const& service,
                                 std::size_t workers) {
  double const each = service.mean_seconds().value_or(0);
  double const seconds = std::ceil(static_cast<double>(queue.size()) / 2 * each /
                                   static_cast<double>(std::max<std::size_t>(workers, 1)));
  return std::chrono::seconds(static_cast<int>(std::clamp(seconds, 1.0, 60.0)));
}

}  // namespace

void ServiceEstimate::add(double seconds) {
  constexpr double kWeight = 1.0 / 32;
  mean_ = any_ ? mean_ + kWeight * (seconds - mean_) : seconds;
  mean_square_ = any_ ? mean_square_ + kWeight * (seconds * seconds - mean_square_) : seconds * seconds;
  any_ = true;
}

std::optional<double> ServiceEstimate::mean_seconds() const {
  return any_ ? std::optional(mean_) : std::nullopt;
}

double ServiceEstimate::variation() const {
  if (!any_ || mean_ <= 0) return 0;
  return std::sqrt(std::max(0.0, mean_square_ / (mean_ * mean_) - 1));
}

std::optional<Refusal> consider(Offer const& offer, RequestQueue const& queue, bool draining,
                                ServiceEstimate const& service, std::size_t workers) {
  // Whoever comes back in a second reaches another dispatcher, or this one's successor.
  if (draining) return Refusal{RefusalReason::Draining, std::chrono::seconds(1)};
  if (offer.requests > queue.limits().capacity || offer.bytes > queue.limits().capacity_bytes) {
    return Refusal{RefusalReason::TooLarge, std::chrono::seconds(0)};
  }
  if (!queue.fits(offer.requests, offer.bytes))
    return Refusal{RefusalReason::Full, retry_after(queue, service, workers)};
  return std::nullopt;
}

Duration longest_punctual_wait(Duration target, ServiceEstimate const& service) {
  double const d = std::chrono::duration<double>(target).count();
  double const s = service.mean_seconds().value_or(0);
  double const wait = std::max(0.98 * d - s * (1 + 0.7 * service.variation()), 0.05 * d);
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(wait));
}

}  // namespace ei::dispatcher
