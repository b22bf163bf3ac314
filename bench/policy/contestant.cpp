#include "bench/policy/contestant.hpp"

#include <algorithm>

namespace ei::bench {
namespace {

constexpr std::size_t kMostNameBytes = 20;  // the width of the tables' first column

constexpr Contestant kNamed[] = {
    Contestant::Latency, Contestant::QueueRatio, Contestant::Hpa70,   Contestant::Hpa90,
    Contestant::Kpa,     Contestant::Keda,       Contestant::Planner, Contestant::LatencyPrometheus15s,
    Contestant::RayServe};

/// Names are columns of CSV files and names of files.
bool is_name(std::string_view text) {
  auto const plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !text.empty() && text.size() <= kMostNameBytes && plain(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return plain(c) || c == '_' || c == '-' || c == '.'; });
}

bool is_taken(std::string_view word, std::vector<Player> const& players) {
  return std::any_of(std::begin(kNamed), std::end(kNamed), [&](auto each) { return name(each) == word; }) ||
         std::any_of(players.begin(), players.end(), [&](auto const& each) { return each.name() == word; });
}

}  // namespace

std::string_view name(Contestant contestant) {
  switch (contestant) {
    case Contestant::Latency:
      return "Latency";
    case Contestant::QueueRatio:
      return "QueueRatio";
    case Contestant::Hpa70:
      return "Hpa70";
    case Contestant::Hpa90:
      return "Hpa90";
    case Contestant::Kpa:
      return "Kpa";
    case Contestant::Keda:
      return "Keda";
    case Contestant::Planner:
      return "Planner";
    case Contestant::LatencyPrometheus15s:
      return "LatencyPrometheus15s";
    case Contestant::RayServe:
      return "RayServe";
    case Contestant::Program:
      return "Program";
  }
  return "";
}

Result<std::vector<Player>> read_programs(std::vector<std::string> const& words,
                                          std::chrono::milliseconds deadline) {
  auto const invalid = [](std::string const& word, char const* why) {
    return make_error(ErrorKind::Invalid, "--contestant '" + word + "': " + why);
  };
  std::vector<Player> players;
  for (std::string const& word : words) {
    auto const equals = word.find('=');
    std::string const own_name = word.substr(0, equals);
    if (!is_name(own_name) || equals == std::string::npos) {
      return invalid(word,
                     "it must be name=command; the name has 1 to 20 letters, digits, '.', '-' and '_' and "
                     "begins with a letter or a digit");
    }
    std::string const command = word.substr(equals + 1);
    if (command.find_first_not_of(" \t\r\n") == std::string::npos) return invalid(word, "it has no command");
    if (is_taken(own_name, players)) return invalid(word, "another contestant has this name");
    if (players.size() == kMostPrograms) return invalid(word, "at most 8 programs can play");
    Player& player = players.emplace_back(Player{Contestant::Program, own_name, command});
    if (deadline.count() > 0) player.first_answer = player.answer = deadline;
  }
  return players;
}

}  // namespace ei::bench
