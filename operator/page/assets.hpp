#pragma once

#include <string_view>
#include <vector>

namespace ei::page {

/// A file of the page, in this program.
struct Asset {
  std::string_view path;  ///< as it is asked for
  std::string_view type;  ///< media type
  std::string_view bytes;
};

[[nodiscard]] std::vector<Asset> const& assets();

}  // namespace ei::page
