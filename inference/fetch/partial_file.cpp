#include "inference/fetch/partial_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace ei::inference {
namespace {

Error failed(std::filesystem::path const& path, char const* what) {
  return make_error(ErrorKind::Io, path.string() + ": cannot " + what + ": " + std::strerror(errno));
}

}  // namespace

PartialFile::PartialFile(std::filesystem::path path, int descriptor, std::uint64_t size)
    : path_(std::move(path)), descriptor_(descriptor), size_(size) {}

PartialFile::PartialFile(PartialFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)), size_(other.size_) {}

PartialFile::~PartialFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<PartialFile> PartialFile::open(std::filesystem::path path) {
  int const descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (descriptor < 0) return failed(path, "open");
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) {
    auto error = failed(path, "look at");
    ::close(descriptor);
    return error;
  }
  return PartialFile(std::move(path), descriptor, static_cast<std::uint64_t>(status.st_size));
}

Result<void> PartialFile::append(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t const written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed(path_, "write");
    bytes.remove_prefix(static_cast<std::size_t>(written));
    size_ += static_cast<std::uint64_t>(written);
  }
  return {};
}

Result<void> PartialFile::clear() {
  if (::ftruncate(descriptor_, 0) != 0) return failed(path_, "empty");
  size_ = 0;
  return {};
}

Result<void> PartialFile::publish(std::filesystem::path const& target) {
  if (::fsync(descriptor_) != 0) return failed(path_, "flush");
  if (::rename(path_.c_str(), target.c_str()) != 0) return failed(path_, "rename");
  int const folder = ::open(target.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return failed(target.parent_path(), "open");
  bool const flushed = ::fsync(folder) == 0;
  ::close(folder);
  if (!flushed) return failed(target.parent_path(), "flush");
  return {};
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<FileLock> FileLock::try_lock(std::filesystem::path const& path) {
  int const descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (descriptor < 0) return failed(path, "open");
  FileLock lock(descriptor);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK) return make_error(ErrorKind::Conflict, path.string() + " is locked");
  return failed(path, "lock");
}

}  // namespace ei::inference
