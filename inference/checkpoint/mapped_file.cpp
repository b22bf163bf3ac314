#include "inference/checkpoint/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ei::inference {

void MappedFile::Unmap::operator()(std::byte const* data) const {
  ::munmap(const_cast<std::byte*>(data),
           size);  // NOLINT(cppcoreguidelines-pro-type-const-cast): munmap's signature
}

Result<MappedFile> MappedFile::open(std::filesystem::path const& path) {
  auto const failed = [&](int error) {
    return make_error(error == ENOENT ? ErrorKind::NotFound : ErrorKind::Io,
                      path.string() + ": " + std::strerror(error));
  };
  int const descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return failed(errno);
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    return make_error(ErrorKind::Io, path.string() + ": not a regular file");
  }
  if (status.st_size == 0) {
    ::close(descriptor);
    return make_error(ErrorKind::Invalid, path.string() + ": the file is empty");
  }
  auto const size = static_cast<std::size_t>(status.st_size);
  void* const data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  int const error = errno;
  ::close(descriptor);
  if (data == MAP_FAILED) return failed(error);
  return MappedFile(
      std::unique_ptr<std::byte const, Unmap>(static_cast<std::byte const*>(data), Unmap{size}));
}

}  // namespace ei::inference
