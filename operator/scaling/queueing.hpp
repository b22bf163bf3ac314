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

/// Least n ≤ `limit` with `late_ratio` ≤ `accepted_ratio`; `limit` when none is enough; 0 when nothing is
/// offered.
int least_servers(double offered_load, double service_seconds, double service_cv2, double wait_seconds,
                  double accepted_ratio, int limit);

}  // namespace ei::scaling
