#include "runtime/process/watched_file.hpp"

#include <sys/stat.h>

#include <utility>

#include "runtime/process/files.hpp"

namespace ei::process {

WatchedFile::WatchedFile(std::filesystem::path path, std::size_t max_bytes)
    : path_(std::move(path)), max_bytes_(max_bytes) {}

std::optional<WatchedFile::Identity> WatchedFile::look() const {
  struct stat found {};
  // Follows links: a kubelet's update is a link that points elsewhere, where the files are new ones.
  if (::stat(path_.c_str(), &found) != 0) return std::nullopt;
  constexpr std::int64_t kNanoseconds = 1'000'000'000;
  return Identity{found.st_dev, found.st_ino, found.st_size,
                  found.st_mtim.tv_sec * kNanoseconds + found.st_mtim.tv_nsec};
}

Result<std::optional<std::string>> WatchedFile::read_if_changed() {
  auto const now = look();
  if (looked_ && now == seen_) return std::optional<std::string>();
  // Looked at before it is read: one that is replaced in between is read once more, never missed.
  looked_ = true;
  seen_ = now;
  auto text = read_file(path_, max_bytes_);
  if (!text) return text.error();
  return std::optional<std::string>(std::move(*text));
}

}  // namespace ei::process
