#include "operator/page/query.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "runtime/http/message.hpp"

namespace ei::page {
namespace {

constexpr std::array<std::pair<std::string_view, Column>, 6> kColumns{{{"name", Column::Name},
                                                                       {"state", Column::State},
                                                                       {"queue", Column::Queue},
                                                                       {"arrivals", Column::Arrivals},
                                                                       {"p99", Column::P99},
                                                                       {"workers", Column::Workers}}};

// More services than any cluster has objects.
constexpr std::size_t kMostOffset = 10'000'000;

Error refuse(std::string_view parameter, std::string const& value, std::string const& allowed) {
  return make_error(ErrorKind::Invalid,
                    std::string(parameter) + " is '" + value.substr(0, 40) + "'; allowed: " + allowed);
}

Result<void> read_number(std::string_view query, std::string_view parameter, std::size_t least,
                         std::size_t most, std::size_t& into) {
  auto const value = http::query_value(query, parameter);
  if (!value) return {};
  std::size_t number = 0;
  auto const [end, failed] = std::from_chars(value->data(), value->data() + value->size(), number);
  bool const whole = failed == std::errc() && end == value->data() + value->size();
  if (!whole || number < least || number > most) {
    return refuse(parameter, *value,
                  "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  into = number;
  return {};
}

}  // namespace

Result<ListQuery> parse_list_query(std::string_view query) {
  ListQuery out;
  if (auto const value = http::query_value(query, "sort")) {
    auto const found = std::find_if(kColumns.begin(), kColumns.end(),
                                    [&](auto const& column) { return column.first == *value; });
    if (found == kColumns.end()) return refuse("sort", *value, "name, state, queue, arrivals, p99, workers");
    out.sort = found->second;
  }
  if (auto const value = http::query_value(query, "descending")) {
    if (*value != "true" && *value != "false") return refuse("descending", *value, "true, false");
    out.descending = *value == "true";
  }
  if (auto const value = http::query_value(query, "filter")) {
    if (value->size() > kMostFilterBytes)
      return refuse("filter", *value, "at most " + std::to_string(kMostFilterBytes) + " bytes");
    out.filter = *value;
  }
  if (auto const read = read_number(query, "offset", 0, kMostOffset, out.offset); !read) return read.error();
  if (auto const read = read_number(query, "limit", 1, kMostRows, out.limit); !read) return read.error();
  return out;
}

}  // namespace ei::page
