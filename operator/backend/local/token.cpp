#include "operator/backend/local/token.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "runtime/crypto/digest.hpp"

namespace ei::backend::local {
namespace {

constexpr std::size_t kTokenBytes = 32;

Error failed(std::string const& what) { return make_error(ErrorKind::Io, what + ": " + std::strerror(errno)); }

}  // namespace

Result<void> make_token(std::filesystem::path const& folder, std::filesystem::path const& file) {
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return failed(folder);
  int const fd = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return failed(file);
  auto const text = crypto::random_hex(kTokenBytes) + "\n";
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
