#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "runtime/core/result.hpp"

namespace ei::page {

enum class Column { Name, State, Queue, Arrivals, P99, Workers };

/// Which services of the list are on a screen.
struct ListQuery {
  Column sort = Column::Name;
  bool descending = false;
  std::string filter;  ///< a part of `namespace/name`, without case; empty: all
  std::size_t offset = 0;
  std::size_t limit = 40;
};

/// A screen of rows, with as many again for the next move of the wheel.
inline constexpr std::size_t kMostRows = 100;
/// A namespace, a slash and a name.
inline constexpr std::size_t kMostFilterBytes = 63 + 1 + 253;

/// Reads `sort=queue&descending=true&filter=a&offset=0&limit=40`; each may be left out. Errors: Invalid,
/// naming the parameter, its value and what is allowed.
[[nodiscard]] Result<ListQuery> parse_list_query(std::string_view query);

}  // namespace ei::page
