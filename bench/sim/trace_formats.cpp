#include "bench/sim/trace_formats.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "runtime/core/units.hpp"

namespace ei::bench {
namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr std::size_t kMostMinutes = 31 * 1440;

std::string_view trimmed(std::string_view text) {
  auto const begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::string quoted(std::string_view text) {
  constexpr std::size_t kMost = 40;
  std::string out;
  for (char const c : text.substr(0, kMost)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return "'" + out + (text.size() > kMost ? "…'" : "'");
}

Error fault(std::size_t line, std::string_view value, std::string const& allowed) {
  return make_error(ErrorKind::Invalid,
                    "line " + std::to_string(line) + ": " + quoted(value) + ": " + allowed);
}

/// Calls `each(line number, trimmed line)` for lines that are neither empty nor a comment, until it fails.
template <class Each>
Result<void> for_each_line(std::string_view text, Each each) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // what spreadsheets put before UTF-8
  for (std::size_t number = 1; !text.empty(); ++number) {
    auto const end = text.find('\n');
    auto const line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.front() == '#') continue;
    auto const done = each(number, line);
    if (!done) return done;
  }
  return {};
}

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return {};
  return value;
}

std::optional<int> count_of(std::string_view text, int most) {
  int value = 0;
  auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool const whole = failed == std::errc{} && end == text.data() + text.size();
  return whole && value >= 0 && value <= most ? std::optional(value) : std::nullopt;
}

// ---- one integer for each second

Result<Trace> read_counts(std::string_view text) {
  Trace trace;
  auto const read = for_each_line(text, [&](std::size_t number, std::string_view line) -> Result<void> {
    while (!line.empty()) {
      auto const begin = line.find_first_not_of(", \t\r");
      if (begin == std::string_view::npos || line[begin] == '#') break;
      line.remove_prefix(begin);
      auto const word = line.substr(0, line.find_first_of(", \t\r#"));
      auto const count = count_of(word, kMostPerSecond);
      if (!count) return fault(number, word, "requests in a second: an integer from 0 to 1000000");
      if (static_cast<double>(trace.size()) >= kMostTraceSeconds)
        return fault(number, word, "the trace is longer than 31 days");
      trace.push_back(*count);
      line.remove_prefix(word.size());
    }
    return {};
  });
  if (!read) return read.error();
  return trace;
}

// ---- one instant a line

constexpr char const* kInstants =
    "an instant: RFC 3339 such as 2021-04-01T12:00:00Z, or a number of seconds, milliseconds (from 1e11), "
    "microseconds (from 1e14) or nanoseconds (from 1e17)";

std::optional<double> instant_of(std::string_view text) {
  if (auto const number = number_of(text)) {
    double const size = std::abs(*number);
    return *number / (size >= 1e17 ? 1e9 : size >= 1e14 ? 1e6 : size >= 1e11 ? 1e3 : 1);
  }
  std::string written(text);
  if (written.size() > 10 && written[10] == ' ') written[10] = 'T';
  auto const has_zone = written.find_first_of("Zz+", 10 < written.size() ? 10 : 0) != std::string::npos ||
                        (written.size() > 6 && written[written.size() - 6] == '-' && written.size() > 19);
  if (!has_zone) written += 'Z';  // only differences count
  auto const time = parse_rfc3339(written);
  if (!time) return {};
  return std::chrono::duration<double>(time->time_since_epoch()).count();
}

Result<Trace> read_timestamps(std::string_view text) {
  std::vector<double> instants;
  std::vector<std::size_t> lines;
  auto const read = for_each_line(text, [&](std::size_t number, std::string_view line) -> Result<void> {
    auto const instant = instant_of(trimmed(line.substr(0, line.find(','))));
    // A heading.
    if (!instant && instants.empty() && number == 1 && line.find_first_of("0123456789") == line.npos)
      return {};
    if (!instant) return fault(number, line, kInstants);
    instants.push_back(*instant);
    lines.push_back(number);
    return {};
  });
  if (!read) return read.error();
  if (instants.empty()) return Trace{};
  double const begin = *std::min_element(instants.begin(), instants.end());
  auto const last = std::max_element(instants.begin(), instants.end());
  if (*last - begin >= kMostTraceSeconds) {
    return fault(lines[static_cast<std::size_t>(last - instants.begin())], std::to_string(*last),
                 "more than 31 days after the first instant");
  }
  Trace trace(static_cast<std::size_t>(*last - begin) + 1);
  for (double const instant : instants) ++trace[static_cast<std::size_t>(instant - begin)];
  return trace;
}

// ---- a function a line, a minute a column

/// The columns of a heading that are minutes: those whose name is a number.
Result<std::vector<bool>> minutes_of(std::string_view heading, std::size_t line) {
  std::vector<bool> minutes;
  for (auto rest = heading;;) {
    auto const comma = rest.find(',');
    minutes.push_back(count_of(trimmed(rest.substr(0, comma)), 1 << 30).has_value());
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  auto const count = static_cast<std::size_t>(std::count(minutes.begin(), minutes.end(), true));
  if (count == 0 || count > kMostMinutes)
    return fault(line, heading,
                 "a heading such as HashOwner,HashApp,HashFunction,Trigger,1,2,3 has 1 to 44640 minutes");
  return minutes;
}

Result<void> add_function(std::string_view row, std::size_t line, std::vector<bool> const& minutes,
                          std::vector<double>& sums) {
  std::size_t minute = 0;
  auto const whole = row;
  for (std::size_t column = 0; column < minutes.size(); ++column) {
    auto const comma = row.find(',');
    auto const cell = trimmed(row.substr(0, comma));
    bool const last = column + 1 == minutes.size();
    if ((comma == std::string_view::npos) != last) {
      return fault(line, whole,
                   "as many columns as the heading has are needed: " + std::to_string(minutes.size()));
    }
    if (minutes[column]) {
      auto const count = count_of(cell, 1 << 30);
      if (!count) return fault(line, cell, "invocations in a minute: an integer of at least 0");
      sums[minute++] += *count;
    }
    if (!last) row.remove_prefix(comma + 1);
  }
  return {};
}

Result<Trace> read_invocations(std::string_view text, std::uint64_t seed) {
  std::vector<bool> minutes;
  std::vector<double> sums;
  auto const read = for_each_line(text, [&](std::size_t number, std::string_view line) -> Result<void> {
    if (!minutes.empty()) return add_function(line, number, minutes, sums);
    auto columns = minutes_of(line, number);
    if (!columns) return columns.error();
    minutes = *std::move(columns);
    sums.assign(static_cast<std::size_t>(std::count(minutes.begin(), minutes.end(), true)), 0.0);
    return {};
  });
  if (!read) return read.error();
  constexpr double kMostPerMinute = 60.0 * kMostPerSecond;
  Trace trace(60 * sums.size());
  Rng rng(seed);
  for (std::size_t minute = 0; minute < sums.size(); ++minute) {
    if (sums[minute] > kMostPerMinute) {
      return make_error(ErrorKind::Invalid, "minute " + std::to_string(minute + 1) + ": " +
                                                std::to_string(sums[minute]) +
                                                " invocations: at most 60000000 can be played");
    }
    for (auto left = static_cast<long>(sums[minute]); left > 0; --left) {
      auto const second = std::min<std::size_t>(59, static_cast<std::size_t>(60 * rng.uniform()));
      ++trace[60 * minute + second];
    }
  }
  return trace;
}

}  // namespace

TraceFormat guess_format(std::string_view text) {
  TraceFormat format = TraceFormat::Counts;
  bool first = true;
  (void)for_each_line(text, [&](std::size_t, std::string_view line) -> Result<void> {
    auto const stop = [] { return make_error(ErrorKind::Canceled, "enough was seen"); };
    if (line.find("HashFunction") != std::string_view::npos) {
      format = TraceFormat::Invocations;
      return stop();
    }
    auto const word = trimmed(line.substr(0, line.find(',')));
    bool const heading = first && line.find_first_of("0123456789") == std::string_view::npos;
    first = false;
    if (heading) return {};
    auto const number = number_of(word);
    bool const date = word.size() >= 19 && word[4] == '-' && word[7] == '-';
    bool const instant = number && (word.find('.') != std::string_view::npos || *number > kMostPerSecond);
    if (date || instant) format = TraceFormat::Timestamps;
    return stop();
  });
  return format;
}

Result<Trace> read_trace(std::string_view text, TraceFormat format, std::uint64_t seed) {
  if (format == TraceFormat::Auto) format = guess_format(text);
  auto trace = format == TraceFormat::Timestamps    ? read_timestamps(text)
               : format == TraceFormat::Invocations ? read_invocations(text, seed)
                                                    : read_counts(text);
  if (!trace) return trace;
  if (trace->empty()) return make_error(ErrorKind::Invalid, "the trace is empty");
  auto const most = std::max_element(trace->begin(), trace->end());
  if (*most > kMostPerSecond) {
    return make_error(ErrorKind::Invalid, "second " + std::to_string(most - trace->begin()) + " has " +
                                              std::to_string(*most) +
                                              " requests: at most 1000000 can be played");
  }
  return trace;
}

Result<Window> read_window(std::string_view text) {
  auto const wrong = [&] {
    return make_error(ErrorKind::Invalid, "--window " + quoted(text) +
                                              ": it must be START+LENGTH in whole seconds, such as 1h30m+21m "
                                              "or 5400+1260, with a length of at least 1 s");
  };
  auto const seconds_of = [](std::string_view part) -> std::optional<std::size_t> {
    if (auto const number = count_of(part, static_cast<int>(kMostTraceSeconds)))
      return static_cast<std::size_t>(*number);
    auto const duration = parse_duration(part);
    if (!duration || duration->count() % 1000 != 0 ||
        static_cast<double>(duration->count()) > 1000 * kMostTraceSeconds)
      return {};
    return static_cast<std::size_t>(duration->count() / 1000);
  };
  auto const plus = text.find('+');
  if (plus == std::string_view::npos) return wrong();
  auto const from = seconds_of(text.substr(0, plus));
  auto const length = seconds_of(text.substr(plus + 1));
  if (!from || !length || *length == 0) return wrong();
  return Window{*from, *length};
}

Result<Trace> cut(Trace const& trace, Window const& window) {
  if (window.from + window.length > trace.size()) {
    return make_error(ErrorKind::Invalid, "--window ends at second " +
                                              std::to_string(window.from + window.length) +
                                              ": the trace has " + std::to_string(trace.size()) + " seconds");
  }
  auto const begin = trace.begin() + static_cast<std::ptrdiff_t>(window.from);
  return Trace(begin, begin + static_cast<std::ptrdiff_t>(window.length));
}

Result<Trace> scale_to(Trace const& trace, double peak_rps) {
  int const most = *std::max_element(trace.begin(), trace.end());
  if (most == 0)
    return make_error(ErrorKind::Invalid, "--scale-to: the trace has no request that could be scaled");
  return scale(trace, peak_rps / most);
}

}  // namespace ei::bench
