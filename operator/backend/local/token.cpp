#include "operator/backend/local/token.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "runtime/core/encoding.hpp"

namespace ei::backend::local {
namespace {

Error failed(std::string const& what) { return make_error(ErrorKind::Io, what + ": " + std::strerror(errno)); }

}  // namespace

Result<void> make_token(std::filesystem::path const& folder, std::filesystem::path const& file) {
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return failed(folder);
  std::array<char, 32> bytes;
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) return failed("getrandom");
  int const fd = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return failed(file);
  auto const text = hex_encode({bytes.data(), bytes.size()}) + "\n";
  bool const whole = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  auto const error = whole ? Error{} : failed(file);
  close(fd);
  if (!whole) return error;
  return {};
}

Result<std::filesystem::path> make_run_dir(std::filesystem::path const& parent) {
  auto path = (parent / "inference-operator-XXXXXX").string();
  if (!mkdtemp(path.data())) return failed(path);
  return std::filesystem::path(path);
}

}  // namespace ei::backend::local
