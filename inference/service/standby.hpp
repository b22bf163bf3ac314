#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>

#include "runtime/core/result.hpp"

namespace ei::inference {
namespace asio = boost::asio;

/// What tells a worker whether it computes: the CPU quota of its cgroup, or a file of that form. So whoever
/// gives it its core needs no other way to tell it.
struct StandbyOptions {
  std::int64_t below_milli =
      0;  ///< a standby while the quota is below so many thousandths of a core; 0: never
  std::filesystem::path quota_file;  ///< as cgroup's cpu.max; empty: its own cgroup's
};

/// Whether the quota is a standby's now. Errors: NotFound (no such file), read_file's, Protocol.
[[nodiscard]] Result<bool> is_standby(StandbyOptions const& options);

/// Looks again and again, and calls `changed` whenever the answer is another than `standby` and the last one.
/// A quota that cannot be read leaves everything as it is. Returns when it is cancelled.
[[nodiscard]] asio::awaitable<void> follow_standby(StandbyOptions options, bool standby,
                                                   std::function<void(bool)> changed);

}  // namespace ei::inference
