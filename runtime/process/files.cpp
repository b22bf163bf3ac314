#include "runtime/process/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

namespace ei::process {
namespace {

Error io_error(std::string what, std::filesystem::path const& path, int code) {
  what += " " + path.string() + ": " + std::generic_category().message(code);
  return make_error(code == ENOENT ? ErrorKind::NotFound : ErrorKind::Io, std::move(what));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor const&) = delete;
  Descriptor& operator=(Descriptor const&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t const written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

Result<std::string> read_file(std::filesystem::path const& path, std::size_t max_bytes) {
  Descriptor const file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return io_error("cannot open", path, errno);
  std::string bytes;
  // Files of /proc say size 0, so read until the end instead of asking.
  constexpr std::size_t kStep = 64 * 1024;
  for (;;) {
    auto const old_size = bytes.size();
    bytes.resize(old_size + kStep);
    ssize_t const got = ::read(file.get(), bytes.data() + old_size, kStep);
    bytes.resize(old_size + (got > 0 ? static_cast<std::size_t>(got) : 0));
    if (got < 0 && errno != EINTR) return io_error("cannot read", path, errno);
    if (bytes.size() > max_bytes) {
      return make_error(ErrorKind::Protocol,
                        path.string() + " is larger than " + std::to_string(max_bytes) + " bytes");
    }
    if (got == 0) return bytes;
  }
}

Result<void> write_file_atomically(std::filesystem::path const& path, std::string_view bytes) {
  // Beside the target, because rename(2) does not cross file systems; the pid keeps two writers apart.
  auto const temporary = path.string() + ".tmp." + std::to_string(::getpid());
  {
    Descriptor const file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (file.get() < 0) return io_error("cannot create", temporary, errno);
    if (!write_all(file.get(), bytes) || ::fsync(file.get()) != 0) {
      int const code = errno;
      ::unlink(temporary.c_str());
      return io_error("cannot write", temporary, code);
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    int const code = errno;
    ::unlink(temporary.c_str());
    return io_error("cannot rename to", path, code);
  }
  return boost::system::in_place_value;
}

}  // namespace ei::process
