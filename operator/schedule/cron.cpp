#include "operator/schedule/cron.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <span>
#include <string>
#include <vector>

namespace ei::schedule {
namespace {

constexpr std::array<std::string_view, 12> kMonths{"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                   "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
constexpr std::array<std::string_view, 7> kWeekdays{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kMacros{{{"@hourly", "0 * * * *"},
                                                                                {"@daily", "0 0 * * *"},
                                                                                {"@midnight", "0 0 * * *"},
                                                                                {"@weekly", "0 0 * * 0"},
                                                                                {"@monthly", "0 0 1 * *"},
                                                                                {"@yearly", "0 0 1 1 *"},
                                                                                {"@annually", "0 0 1 1 *"}}};
constexpr std::array<unsigned, 13> kLongestMonth{0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

struct Field {
  std::string_view name;
  unsigned least;
  unsigned most;
  std::span<std::string_view const> words;  ///< for least, least + 1, …
};
constexpr std::array<Field, 5> kFields{{{"minute", 0, 59, {}},
                                        {"hour", 0, 23, {}},
                                        {"day of month", 1, 31, {}},
                                        {"month", 1, 12, kMonths},
                                        {"day of week", 0, 7, kWeekdays}}};

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  for (;;) {
    auto const end = text.find_first_of(separators);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::string_view> words_of(std::string_view text) {
  auto parts = split(text, " \t");
  std::erase(parts, std::string_view{});
  return parts;
}

std::optional<unsigned> number(std::string_view text) {
  unsigned value = 0;
  auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool same_word(std::string_view one, std::string_view other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](unsigned char a, unsigned char b) { return std::toupper(a) == std::toupper(b); });
}

std::optional<unsigned> value_of(Field const& field, std::string_view text) {
  auto const word =
      std::find_if(field.words.begin(), field.words.end(), [&](auto each) { return same_word(each, text); });
  if (word != field.words.end()) return field.least + static_cast<unsigned>(word - field.words.begin());
  auto const value = number(text);
  if (!value || text.size() > 2 || *value < field.least || *value > field.most) return std::nullopt;
  return value;
}

/// Adds what one part of a list names, such as `5`, `MON-FRI`, `*/15` or `0-30/10`; false when it is none.
template <std::size_t N>
bool add_part(Field const& field, std::string_view part, std::bitset<N>& into) {
  auto const slash = part.find('/');
  auto const range = part.substr(0, slash);
  unsigned step = 1;
  if (slash != part.npos) {
    auto const given = number(part.substr(slash + 1));
    if (!given || *given == 0) return false;
    step = *given;
  }
  unsigned first = field.least;
  unsigned last = field.most;
  if (range != "*") {
    auto const dash = range.find('-');
    auto const begin = value_of(field, range.substr(0, dash));
    if (!begin) return false;
    first = last = *begin;
    if (dash != range.npos) {
      auto const end = value_of(field, range.substr(dash + 1));
      if (!end || *end < first) return false;
      last = *end;
    } else if (slash != part.npos) {
      last = field.most;  // `5/15` is `5-59/15`, as everywhere
    }
  }
  for (std::uint64_t value = first; value <= last; value += step) into.set(value % N);
  return true;
}

template <std::size_t N>
Result<void> read_field(std::size_t at, std::string_view text, std::bitset<N>& into) {
  Field const& field = kFields.at(at);
  for (auto const part : split(text, ",")) {
    if (add_part(field, part, into)) continue;
    std::string const words = field.words.empty() ? std::string{}
                                                  : " or " + std::string(field.words.front()) + " to " +
                                                        std::string(field.words.back());
    return make_error(ErrorKind::Invalid, "the " + std::string(field.name) + " '" + std::string(part) +
                                              "' is none of: *, " + std::to_string(field.least) + " to " +
                                              std::to_string(field.most) + words +
                                              ", a range a-b that rises, each with a step /n from 1 on");
  }
  return {};
}

bool ever_comes(Cron const& cron) {
  // A weekday comes in every month.
  if (cron.any_day || !cron.any_weekday) return true;
  for (unsigned month = 1; month <= 12; ++month) {
    if (!cron.months.test(month)) continue;
    for (unsigned day = 1; day <= kLongestMonth.at(month); ++day) {
      if (cron.days.test(day)) return true;
    }
  }
  return false;
}

}  // namespace

bool Cron::on_day(unsigned month, unsigned day, unsigned weekday) const {
  if (!months.test(month)) return false;
  bool const named_day = days.test(day);
  bool const named_weekday = weekdays.test(weekday);
  return any_day || any_weekday ? named_day && named_weekday : named_day || named_weekday;
}

Result<Cron> parse_cron(std::string_view text) {
  auto fields = words_of(text);
  if (fields.size() == 1 && fields.front().starts_with('@')) {
    auto const* const macro = std::find_if(kMacros.begin(), kMacros.end(), [&](auto const& each) {
      return same_word(each.first, fields.front());
    });
    if (macro == kMacros.end()) {
      return make_error(ErrorKind::Invalid,
                        "'" + std::string(fields.front()) +
                            "' is none of: @hourly, @daily, @midnight, @weekly, @monthly, "
                            "@yearly, @annually");
    }
    fields = words_of(macro->second);
  }
  if (fields.size() != kFields.size()) {
    return make_error(ErrorKind::Invalid,
                      "has " + std::to_string(fields.size()) +
                          " fields; allowed: five (minute, hour, day of month, month, day of "
                          "week), such as '30 7 * * MON-FRI', or @daily and its like");
  }
  Cron cron;
  std::bitset<8> weekdays;  // both 0 and 7 are Sunday
  Result<void> read = read_field(0, fields[0], cron.minutes);
  if (read) read = read_field(1, fields[1], cron.hours);
  if (read) read = read_field(2, fields[2], cron.days);
  if (read) read = read_field(3, fields[3], cron.months);
  if (read) read = read_field(4, fields[4], weekdays);
  if (!read) return read.error();
  for (unsigned day = 0; day < 7; ++day) cron.weekdays.set(day, weekdays.test(day));
  if (weekdays.test(7)) cron.weekdays.set(0);
  cron.any_hour = fields[1].starts_with('*');
  cron.any_day = fields[2].starts_with('*');
  cron.any_weekday = fields[4].starts_with('*');
  if (!ever_comes(cron)) return make_error(ErrorKind::Invalid, "names a day that none of its months has");
  return cron;
}

}  // namespace ei::schedule
