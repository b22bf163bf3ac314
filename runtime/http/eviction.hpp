#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "runtime/core/units.hpp"

namespace ei::http {

/// Where a connection is, as far as it matters to who else wants its place.
struct Standing {
  enum class Phase {
    Fresh,      ///< has connected and not asked anything yet
    Idle,       ///< between two requests
    Reading,    ///< sends its request
    Answering,  ///< takes its answer
    Working,    ///< its request is being served: never given up
  };
  Phase phase = Phase::Working;
  SteadyTime since{};       ///< when this phase began
  std::size_t bytes = 0;    ///< that have moved in it
  std::size_t claimed = 0;  ///< bytes of body that it holds of the server's budget
};

/// The connection to close to make room for a new one, or none if all are being served. First a connection
/// that has moved less than `min_rate` bytes a second for a second or longer, the slowest of these; then the
/// one that has been idle longest; then the oldest that began within the last second; then the slowest of
/// the rest. So a crowd that sends little by little cannot keep other clients out. Pure.
[[nodiscard]] std::optional<std::size_t> slowest_connection(std::vector<Standing> const& all, SteadyTime now,
                                                            std::size_t min_rate);

/// The connection to close so that another body finds room: of those whose body, at the pace that it has kept
/// for a second or longer, does not arrive within `body_timeout`, the slowest; else none. Pure.
[[nodiscard]] std::optional<std::size_t> hopeless_body(std::vector<Standing> const& all, SteadyTime now,
                                                       milliseconds body_timeout);

}  // namespace ei::http
