#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "runtime/core/result.hpp"

namespace ei::inference {

/// A file that grows until it is whole. Move-only; closes itself.
class PartialFile {
 public:
  /// Opens or creates `path` and appends to what is there. Errors: Io.
  [[nodiscard]] static Result<PartialFile> open(std::filesystem::path path);
  PartialFile(PartialFile&& other) noexcept;
  PartialFile& operator=(PartialFile&& other) = delete;
  ~PartialFile();

  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] Result<void> append(std::string_view bytes);
  [[nodiscard]] Result<void> clear();

  /// Flushes to the disk and renames to `target`, whose folder is flushed too. Errors: Io.
  [[nodiscard]] Result<void> publish(std::filesystem::path const& target);

 private:
  PartialFile(std::filesystem::path path, int descriptor, std::uint64_t size);
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

/// An exclusive lock on a file, held until destroyed; the system drops it when the process dies.
class FileLock {
 public:
  /// Does not wait: ErrorKind::Conflict when another process holds it. Errors: Io.
  [[nodiscard]] static Result<FileLock> try_lock(std::filesystem::path const& path);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) = delete;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace ei::inference
