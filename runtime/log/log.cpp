#include "runtime/log/log.hpp"

#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "runtime/core/encoding.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/redact.hpp"

namespace ei::log {
namespace {

std::atomic<Level> current_level{Level::Info};

Sink& sink() {
  static Sink instance;
  return instance;
}

void write_to_stderr(std::string_view line) {
  while (!line.empty()) {
    ssize_t const written = ::write(STDERR_FILENO, line.data(), line.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return;  // Nowhere is left to complain.
    }
    line.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string printable(std::string_view text) {
  return is_utf8(text) ? std::string(text) : percent_encode(text);
}

}  // namespace

Result<Level> parse_level(std::string_view text) {
  for (Level const level : {Level::Debug, Level::Info, Level::Warn, Level::Error}) {
    if (to_string(level) == text) return level;
  }
  return make_error(ErrorKind::Invalid, "a log level is debug, info, warn or error, got \"" +
                                            printable(text.substr(0, 32)) + "\"");
}

std::string_view to_string(Level level) {
  switch (level) {
    case Level::Debug:
      return "debug";
    case Level::Info:
      return "info";
    case Level::Warn:
      return "warn";
    case Level::Error:
      return "error";
  }
  return "error";
}

std::string format_line(WallTime time, Level level, std::string_view event,
                        boost::json::object const& fields) {
  boost::json::object line;
  line["ts"] = format_rfc3339(time);
  line["level"] = to_string(level);
  line["event"] = printable(event);
  for (auto const& [key, value] : fields) {
    auto const* string = value.if_string();
    if (string != nullptr && !is_utf8(*string)) {
      line[key] = percent_encode(*string);
    } else if (string != nullptr && string->find("://") != string->npos) {
      // The last of several places: a writer of a message in parts cannot know what is in each part.
      line[key] = redact_urls(*string);
    } else {
      line[key] = value;
    }
  }
  return to_json_text(line) + "\n";
}

void write(Level level, std::string_view event, boost::json::object const& fields) {
  if (!enabled(level)) return;
  std::string const line = format_line(std::chrono::system_clock::now(), level, event, fields);
  if (sink()) {
    sink()(line);
  } else {
    write_to_stderr(line);
  }
}

void write(Level level, std::string_view event, Fields fields) {
  if (!enabled(level)) return;
  boost::json::object const object(fields);
  write(level, event, object);
}

void debug(std::string_view event, Fields fields) {
  write(Level::Debug, event, fields);
}
void info(std::string_view event, Fields fields) {
  write(Level::Info, event, fields);
}
void warn(std::string_view event, Fields fields) {
  write(Level::Warn, event, fields);
}
void error(std::string_view event, Fields fields) {
  write(Level::Error, event, fields);
}

void set_level(Level level) {
  current_level = level;
}
bool enabled(Level level) {
  return level >= current_level.load(std::memory_order_relaxed);
}
void set_sink(Sink new_sink) {
  sink() = std::move(new_sink);
}

}  // namespace ei::log
