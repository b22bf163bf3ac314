#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "runtime/core/result.hpp"

namespace ei::inference {

/// A file's bytes, mapped read-only: pages are shared with the page cache and other processes,
/// nothing is copied.
class MappedFile {
 public:
  /// Errors: NotFound, Io (also for a folder), Invalid (an empty file).
  [[nodiscard]] static Result<MappedFile> open(std::filesystem::path const& path);

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_.get(), data_.get_deleter().size}; }

 private:
  struct Unmap {
    std::size_t size = 0;
    void operator()(std::byte const* data) const;
  };
  explicit MappedFile(std::unique_ptr<std::byte const, Unmap> data) : data_(std::move(data)) {}
  std::unique_ptr<std::byte const, Unmap> data_;
};

}  // namespace ei::inference
