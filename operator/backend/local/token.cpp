#include "operator/backend/local/token.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <system_error>

#include "runtime/crypto/digest.hpp"

namespace ei::backend::local {
namespace {

constexpr std::size_t kTokenBytes = 32;

Error failed(std::string const& what) {
  return make_error(ErrorKind::Io, what + ": " + std::strerror(errno));
}

constexpr std::string_view kRunDirPrefix = "inference-operator-";

/// A descriptor that holds the folder's lock, or -1 when somebody else has it.
int lock(std::filesystem::path const& folder) {
  int const fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

/// One that was made this moment may not be locked yet: only older ones are abandoned.
bool is_abandoned_by_us(std::filesystem::path const& folder) {
  struct stat info {};
  if (lstat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != geteuid()) return false;
  return time(nullptr) - info.st_ctime > 60;
}

void remove_abandoned(std::filesystem::path const& parent) {
  std::error_code wrong;
  for (std::filesystem::directory_iterator each(parent, wrong), end; !wrong && each != end;
       each.increment(wrong)) {
    auto const name = each->path().filename().string();
    if (name.rfind(kRunDirPrefix, 0) != 0 || !is_abandoned_by_us(each->path())) continue;
    int const fd = lock(each->path());
    if (fd < 0) continue;
    std::error_code ignored;
    std::filesystem::remove_all(each->path(), ignored);
    close(fd);
  }
}

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
  remove_abandoned(parent);
  auto path = (parent / (std::string(kRunDirPrefix) + "XXXXXX")).string();
  if (!mkdtemp(path.data())) return failed(path);
  // The descriptor is never closed: the lock ends with the process, however that happens.
  if (lock(path) < 0) return failed(path);
  return std::filesystem::path(path);
}

}  // namespace ei::backend::local
