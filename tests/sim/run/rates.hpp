#pragma once

#include "runtime/core/units.hpp"
#include "runtime/http/message.hpp"

#include <array>
#include <map>
#include <string>
#include <utility>

namespace ei::sim {

/// Hot loops: requests of one process for one path that come faster than any back-off lets them.
class Rates {
 public:
  void on_sent(std::string const& process, http::Request const& request, SteadyTime now);
  /// The first loop, in words; empty: none.
  std::string const& fault() const { return fault_; }

 private:
  static constexpr std::size_t kKept = 64;  ///< more than any limit
  struct Sent {
    std::array<SteadyTime, kKept> at{};  ///< the last ones, in a ring
    std::size_t count = 0;
  };
  std::map<std::pair<std::string, std::string>, Sent> sent_;  ///< by process and path
  std::string fault_;
};

}  // namespace ei::sim
