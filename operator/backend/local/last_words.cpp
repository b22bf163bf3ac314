#include "operator/backend/local/last_words.hpp"

#include <sys/wait.h>

#include "runtime/core/json.hpp"

namespace ei::backend::local {
namespace {

/// A condition's message, not a log.
constexpr std::size_t kLongest = 300;

}  // namespace

void LastWords::hear(std::string_view line) {
  if (line.empty()) return;
  auto const parsed = line.front() == '{' ? parse_json(line) : make_error(ErrorKind::Invalid, "no object");
  if (!parsed) {
    plain_ = std::string(line.substr(0, kLongest));
    return;
  }
  if (string_or(*parsed, "level") != "error") return;
  error_ = std::string(string_or(*parsed, "event"));
  for (auto const* field : {"error", "message", "detail", "reason"}) {
    auto const more = string_or(*parsed, field);
    if (more.empty()) continue;
    error_ += ": " + std::string(more.substr(0, kLongest));
    return;
  }
}

std::string describe_exit(int wait_status) {
  if (WIFSIGNALED(wait_status)) return "was killed by signal " + std::to_string(WTERMSIG(wait_status));
  return "exited with " + std::to_string(WEXITSTATUS(wait_status));
}

}  // namespace ei::backend::local
