#include "operator/scaling/queueing.hpp"

#include <algorithm>
#include <cmath>

namespace ei::scaling {
namespace {

// Erlang B by its recursion, which unlike the textbook sums neither over- nor underflows.
double next_erlang_b(double previous, double offered_load, int servers) {
  return offered_load * previous / (servers + offered_load * previous);
}

double c_from_b(double b, double offered_load, int servers) {
  return servers * b / (servers - offered_load * (1 - b));
}

double tail(double c, double offered_load, int servers, double service_seconds, double cv2,
            double wait_seconds) {
  return c * std::exp(-2 * (servers - offered_load) * wait_seconds / ((1 + cv2) * service_seconds));
}

double normal_cdf(double x) {
  return 0.5 * std::erfc(-x / std::sqrt(2.0));
}

constexpr double kMostExponent = 600;  // short of overflow; what it is multiplied with is then nothing

}  // namespace

double erlang_c(int servers, double offered_load) {
  if (offered_load <= 0) return 0;
  if (offered_load >= servers) return 1;
  double b = 1;
  for (int k = 1; k <= servers; ++k) b = next_erlang_b(b, offered_load, k);
  return c_from_b(b, offered_load, servers);
}

double late_ratio(int servers, double offered_load, double service_seconds, double service_cv2,
                  double wait_seconds) {
  if (offered_load <= 0) return 0;
  if (offered_load >= servers) return 1;
  return tail(erlang_c(servers, offered_load), offered_load, servers, service_seconds, service_cv2,
              wait_seconds);
}

double late_ratio_ahead(int servers, Traffic const& traffic, Outlook const& outlook) {
  double const load = traffic.offered_load;
  if (load <= 0 && outlook.queued_seconds <= 0) return 0;
  if (servers <= 0) return 1;
  double const drift = load - servers;
  double const too_much = servers * traffic.wait_seconds;
  double const uncertainty = 1 + outlook.seconds / outlook.observed_seconds;
  double const variance = load * traffic.service_seconds * (1 + traffic.service_cv2) * uncertainty;
  // No arrivals, no variance; a hair of it keeps the quotients finite.
  double const spread = std::sqrt(std::max(variance * outlook.seconds, 1e-12));
  double const steady = load < servers ? late_ratio(servers, load, traffic.service_seconds,
                                                    traffic.service_cv2, traffic.wait_seconds)
                                       : std::exp(std::min(2 * drift * too_much / variance, kMostExponent));
  double const grown = outlook.queued_seconds + drift * outlook.seconds;
  double const straight = normal_cdf((grown - too_much) / spread);
  double const reflected = steady * normal_cdf(-(grown + too_much) / spread);
  return std::min(1.0, straight + reflected);
}

int least_servers_ahead(Traffic const& traffic, Outlook const& outlook, double accepted_ratio, int limit) {
  if (traffic.offered_load <= 0 && outlook.queued_seconds <= 0) return 0;
  for (int n = 1; n < limit; ++n) {
    if (late_ratio_ahead(n, traffic, outlook) <= accepted_ratio) return n;
  }
  return std::max(limit, 0);
}

int least_servers(double offered_load, double service_seconds, double service_cv2, double wait_seconds,
                  double accepted_ratio, int limit) {
  if (offered_load <= 0) return 0;
  double b = 1;
  for (int n = 1; n < limit; ++n) {
    b = next_erlang_b(b, offered_load, n);
    if (offered_load >= n) continue;
    double const c = c_from_b(b, offered_load, n);
    if (tail(c, offered_load, n, service_seconds, service_cv2, wait_seconds) <= accepted_ratio) return n;
  }
  return std::max(limit, 0);
}

}  // namespace ei::scaling
