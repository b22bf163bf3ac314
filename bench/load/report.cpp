#include "bench/load/report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace ei::bench {
namespace {

double to_ms(std::chrono::microseconds duration) {
  return static_cast<double>(duration.count()) / 1000;
}
double to_seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

double rounded(double value) {
  return std::round(value * 1000) / 1000;
}

/// RFC 4180: quoted where it must be.
std::string csv_field(std::string const& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (char const c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

}  // namespace

Second& Report::second(std::chrono::nanoseconds at) {
  auto const index = static_cast<std::size_t>(
      std::max<std::int64_t>(0, std::chrono::floor<std::chrono::seconds>(at).count()));
  if (index >= seconds_.size()) seconds_.resize(index + 1);
  return seconds_[index];
}

void Report::add(Finished const& finished) {
  // Grows first, so that the reference below stays valid.
  bool const answered = finished.status != 0;
  if (answered) {
    ++answered_;
    ++second(finished.ended).completed;
  }
  Second& second_of = second(finished.intended);
  ++second_of.offered;
  ++(finished.ok() ? ok_ : errors_);
  ++(finished.ok() ? second_of.ok : second_of.errors);
  if (!finished.ok()) ++faults_[finished.fault];
  if (finished.ok() || finished.fault == kTimedOut) {
    latency_.record(finished.latency());
    second_of.latency.record(finished.latency());
  }
  if (finished.sent) send_delay_.record(*finished.sent - finished.intended);
  if (finished.right) {
    ++labelled_;
    if (*finished.right) ++right_;
  }
  last_intended_ = std::max(last_intended_, finished.intended);
  last_ended_ = std::max(last_ended_, finished.ended);
}

std::optional<double> Report::accuracy() const {
  if (labelled_ == 0) return {};
  return static_cast<double>(right_) / static_cast<double>(labelled_);
}

boost::json::object Report::summary() const {
  boost::json::object faults;
  for (auto const& [fault, count] : faults_) faults[fault] = count;
  // A run shorter than a millisecond has no rate worth telling.
  auto const rate = [](std::uint64_t count, std::chrono::nanoseconds time) {
    return rounded(static_cast<double>(count) / std::max(0.001, to_seconds(time)));
  };
  boost::json::object out{{"requests", requests()},
                          {"ok", ok_},
                          {"errors", errors_},
                          {"faults", std::move(faults)},
                          {"seconds", rounded(to_seconds(last_ended_))},
                          {"offered_rps", rate(requests(), last_intended_)},
                          {"completed_rps", rate(answered_, last_ended_)}};
  out["mean_ms"] = rounded(1000 * latency_.mean_seconds());
  out["p50_ms"] = to_ms(latency_.percentile(0.5));
  out["p90_ms"] = to_ms(latency_.percentile(0.9));
  out["p95_ms"] = to_ms(latency_.percentile(0.95));
  out["p99_ms"] = to_ms(latency_.percentile(0.99));
  out["p99_9_ms"] = to_ms(latency_.percentile(0.999));
  out["max_ms"] = to_ms(latency_.max());
  out["send_delay_p99_ms"] = to_ms(send_delay_.percentile(0.99));
  out["labelled"] = labelled_;
  if (auto const share = accuracy()) {
    out["accuracy"] = *share;
  } else {
    out["accuracy"] = nullptr;
  }
  return out;
}

std::string Report::seconds_csv() const {
  std::string out = "second,offered,completed,ok,errors,p50_ms,p99_ms,max_ms\n";
  for (std::size_t i = 0; i < seconds_.size(); ++i) {
    Second const& row = seconds_[i];
    out += std::to_string(i) + "," + std::to_string(row.offered) + "," + std::to_string(row.completed) + "," +
           std::to_string(row.ok) + "," + std::to_string(row.errors) + ",";
    if (row.latency.count() == 0) {
      out += ",,\n";
      continue;
    }
    out += fixed(to_ms(row.latency.percentile(0.5)), 3) + "," +
           fixed(to_ms(row.latency.percentile(0.99)), 3) + "," + fixed(to_ms(row.latency.max()), 3) + "\n";
  }
  return out;
}

std::string requests_csv_head() {
  return "request,file,intended_s,sent_s,ended_s,latency_ms,status,fault,label,right\n";
}

std::string requests_csv_line(Finished const& finished, std::string const& file) {
  std::string out = std::to_string(finished.number) + "," + csv_field(file) + "," +
                    fixed(to_seconds(finished.intended), 6) + ",";
  if (finished.sent) out += fixed(to_seconds(*finished.sent), 6);
  out += "," + fixed(to_seconds(finished.ended), 6) + "," + fixed(1000 * to_seconds(finished.latency()), 3) +
         "," + std::to_string(finished.status) + "," + finished.fault + "," + csv_field(finished.label) + ",";
  if (finished.right) out += *finished.right ? "1" : "0";
  return out + "\n";
}

}  // namespace ei::bench
