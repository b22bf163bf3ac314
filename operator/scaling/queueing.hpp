#pragma once

namespace ei::scaling {

/// Erlang's C: the probability that an arrival has to wait in M/M/n.
/// `servers` n ≥ 0, `offered_load` R = λS ≥ 0 (busy servers on average). 1 when R ≥ n, else in [0, 1].
double erlang_c(int servers, double offered_load);

/// Share of requests that wait longer than `wait_seconds` in M/G/n: Erlang C times the exponential tail with
/// Kingman's variability factor, ErlangC(n, R)·exp(−2(n−R)w/((1+c²)S)) (Allen and Cunneen 1978; Whitt 1993).
/// 1 when R ≥ n.
double late_ratio(int servers, double offered_load, double service_seconds, double service_cv2,
                  double wait_seconds);

/// What arrives and what it takes; the least that a late share depends on.
struct Traffic {
  double offered_load = 0;     ///< R
  double service_seconds = 0;  ///< S
  double service_cv2 = 0;      ///< c²
  double wait_seconds = 0;     ///< the longest wait that is not late
};

/// From where and how far one looks.
struct Outlook {
  double queued_seconds = 0;    ///< work that waits now, Σ service seconds
  double seconds = 0;           ///< how far ahead
  double observed_seconds = 0;  ///< over how long R was measured: a short look leaves it uncertain
};

/// Share of requests that come then and wait too long, with that many servers from now on. The work in the
/// queue as a Brownian motion with drift R−n and variance RS(1+c²) a second, reflected at zero (its transient
/// law: Harrison 1985, eq. 3.6.1); its far end is `late_ratio`. Far fewer servers do for seconds than for
/// ever: at 95 % load and a twentieth of the allowed wait as service time, two minutes pass before as many
/// are late as the steady state has. What R may be off by from having been observed for so long is added to
/// the variance. In [0, 1].
double late_ratio_ahead(int servers, Traffic const& traffic, Outlook const& outlook);

/// Least n ≤ `limit` with `late_ratio_ahead` ≤ `accepted_ratio`; 0 when nothing is offered and nothing waits.
int least_servers_ahead(Traffic const& traffic, Outlook const& outlook, double accepted_ratio, int limit);

/// Least n ≤ `limit` with `late_ratio` ≤ `accepted_ratio`; `limit` when none is
/// enough; 0 when nothing is offered.
int least_servers(double offered_load, double service_seconds, double service_cv2, double wait_seconds,
                  double accepted_ratio, int limit);

}  // namespace ei::scaling
