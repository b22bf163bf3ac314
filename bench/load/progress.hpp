#pragma once

#include <boost/asio/awaitable.hpp>

#include "bench/load/load.hpp"

namespace ei::bench {

/// Redraws one line on standard error four times a second, and clears it when
/// cancelled; never ends by itself.
[[nodiscard]] asio::awaitable<void> show_progress(Load const& load, Schedule const& schedule,
                                                  Report const& report);

/// Waits until cancelled.
[[nodiscard]] asio::awaitable<void> never();

}  // namespace ei::bench
