#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.hpp"

namespace ei::bench {

struct Picture {
  std::string file;   ///< name within its folder
  std::string type;   ///< media type
  std::string bytes;  ///< the whole file
  std::string label;  ///< "" where it is not known
};

/// Every .jpg, .jpeg and .png of the folder itself (any case), sorted by name; labels from its `labels.csv`,
/// where there is one. Errors: NotFound (no such folder, no picture in it), Io, Protocol (a file or the whole
/// folder is too large to hold in memory), Invalid (a broken labels.csv).
[[nodiscard]] Result<std::vector<Picture>> read_pictures(std::filesystem::path const& folder);

/// Sets the labels of the pictures that a table names, one `file,label[,…]` a line below a head; fields hold
/// no commas. Errors: Invalid (another head, a line without a label).
[[nodiscard]] Result<void> apply_labels(std::vector<Picture>& pictures, std::string_view table);

/// Makes each picture's bytes a form (multipart/form-data) with the picture in its field `image`.
void wrap_in_forms(std::vector<Picture>& pictures);

}  // namespace ei::bench
