#include "operator/plan/last_words.hpp"

#include "runtime/core/encoding.hpp"
#include "runtime/core/json.hpp"

namespace ei::plan {
namespace {

/// A condition's message, not a log.
constexpr std::size_t kLongest = 300;

}  // namespace

void LastWords::hear(std::string_view line) {
  if (line.empty()) return;
  auto const parsed = line.front() == '{' ? parse_json(line) : make_error(ErrorKind::Invalid, "no object");
  if (!parsed) {
    plain_ = std::string(clipped(line, kLongest));
    return;
  }
  if (string_or(*parsed, "level") != "error") return;
  error_ = std::string(string_or(*parsed, "event"));
  for (auto const* field : {"error", "message", "detail", "reason"}) {
    auto const more = string_or(*parsed, field);
    if (more.empty()) continue;
    error_ += ": " + std::string(clipped(more, kLongest));
    return;
  }
}

}  // namespace ei::plan
