#pragma once

#include <catch2/catch.hpp>
#include <vector>

#include "dispatcher/queue/request_queue.hpp"

namespace ei::dispatcher::test {

constexpr Time at(Duration since_start) {
  return Time{since_start};
}

inline std::vector<std::uint64_t> take_all(RequestQueue& queue, Time now) {
  std::vector<std::uint64_t> out;
  while (auto const taken = queue.take(now)) out.push_back(taken->item);
  return out;
}

inline Ticket offer(RequestQueue& queue, std::uint64_t item, Time now = at(Duration{0}),
                    Time deadline = Time::max(), std::size_t bytes = 0) {
  auto const ticket = queue.offer(now, deadline, item, bytes);
  REQUIRE(ticket);
  return *ticket;
}

}  // namespace ei::dispatcher::test
