#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "runtime/core/result.hpp"

namespace ei::process {

/// A file that may be replaced at any time: a mounted ConfigMap or Secret, a rotated token. Asking whether it
/// was is one stat(2).
class WatchedFile {
 public:
  WatchedFile(std::filesystem::path path, std::size_t max_bytes);

  /// The text where the file is another one than at the last call, or where it could not be read then; empty
  /// where it is the same. The first call always reads. Errors: NotFound, Io, Protocol over `max_bytes`; an
  /// error is told once, and again after the file was readable in between or is another one.
  [[nodiscard]] Result<std::optional<std::string>> read_if_changed();

  [[nodiscard]] std::filesystem::path const& path() const { return path_; }

 private:
  struct Identity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t size = 0;
    std::int64_t modified_ns = 0;
    bool operator==(Identity const&) const = default;
  };
  [[nodiscard]] std::optional<Identity> look() const;

  std::filesystem::path path_;
  std::size_t max_bytes_;
  bool looked_ = false;
  std::optional<Identity> seen_;  ///< empty: it was not there
};

}  // namespace ei::process
