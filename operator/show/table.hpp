#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "runtime/core/units.hpp"

namespace ei::show {

/// One service in the live table.
struct Row {
  std::string name;
  bool ready = false;
  std::int64_t queue = 0;
  double arrival_rate = 0;  ///< requests per second
  int replicas = 0;
  int ready_replicas = 0;
  int desired = 0;
  std::optional<milliseconds> p99;
  std::string reason;    ///< of the last decision
  std::string formula;   ///< likewise
  std::string endpoint;  ///< where requests go; empty while unknown
  std::string trouble;   ///< why it is not ready, or what limits it; empty when all is well
};

struct EventLine {
  WallTime time{};
  std::string service;
  bool warning = false;
  std::string reason;
  std::string message;
};

struct View {
  WallTime now{};
  std::string title;
  std::vector<Row> rows;
  std::deque<EventLine> events;  ///< oldest first
  std::string footer;
};

struct Canvas {
  int width = 80;   ///< columns
  int height = 24;  ///< lines
  bool color = true;
};

/// The table as lines of at most `width` columns, at most `height - 1` of them; the newest events fill what
/// is left below the services. Pure. Escape sequences only for colour, reset at the end of each line.
[[nodiscard]] std::vector<std::string> render(View const& view, Canvas const& canvas);

/// `text` cut to `columns` (code points), with … at the end where it was cut;
/// control characters become blanks.
[[nodiscard]] std::string fit(std::string_view text, std::size_t columns);

}  // namespace ei::show
