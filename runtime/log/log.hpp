#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"

namespace ei::log {

enum class Level { Debug, Info, Warn, Error };

/// `debug`, `info`, `warn` or `error`. Errors: Invalid, naming the allowed words.
[[nodiscard]] Result<Level> parse_level(std::string_view text);
[[nodiscard]] std::string_view to_string(Level level);

/// The fields of one line in the order given. Values: anything Boost.JSON takes (numbers,
/// booleans, strings …).
using Fields = std::initializer_list<std::pair<boost::json::string_view, boost::json::value_ref>>;

/// One JSON object per line: `{"ts":…,"level":…,"event":…, fields…}`. Bytes that are not UTF-8 are escaped.
/// Safe from any thread; a line is one write(2), so lines of several processes on one pipe do not mix.
/// `event` is a stable snake_case word, never a sentence.
void write(Level level, std::string_view event, boost::json::object const& fields);
void write(Level level, std::string_view event, Fields fields);

void debug(std::string_view event, Fields fields = {});
void info(std::string_view event, Fields fields = {});
void warn(std::string_view event, Fields fields = {});
void error(std::string_view event, Fields fields = {});

/// Lines below `level` are dropped. Info at start.
void set_level(Level level);
[[nodiscard]] bool enabled(Level level);

/// Where finished lines (with their newline) go; an empty function restores standard error.
/// Call before other threads log.
using Sink = std::function<void(std::string_view line)>;
void set_sink(Sink sink);

/// Pure: the line that `write` would hand to the sink.
[[nodiscard]] std::string format_line(WallTime time, Level level, std::string_view event,
                                      boost::json::object const& fields);

}  // namespace ei::log
