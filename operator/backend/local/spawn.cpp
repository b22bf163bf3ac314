#include "operator/backend/local/spawn.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

extern char** environ;

namespace ei::backend::local {
namespace {

/// Everything the child needs, made before fork: between fork and exec nothing may allocate.
struct Prepared {
  std::vector<char*> argv;
  std::vector<char*> environment;
  std::optional<int> core;
  std::vector<int> descriptors;
  pid_t parent = 0;
  int output = -1;
  int failure =
      -1;  ///< write end of a pipe that exec closes; what is written there is the errno of a failed start
};

bool same_name(char const* a, std::string const& b) {
  auto const length = b.find('=') + 1;
  return std::strncmp(a, b.c_str(), length) == 0;
}

Prepared prepare(Command const& command) {
  Prepared prepared;
  for (auto const& word : command.argv) prepared.argv.push_back(const_cast<char*>(word.c_str()));
  prepared.argv.push_back(nullptr);
  for (char** entry = environ; *entry; ++entry) {
    bool replaced = false;
    for (auto const& own : command.environment) replaced = replaced || same_name(*entry, own);
    if (!replaced) prepared.environment.push_back(*entry);
  }
  for (auto const& own : command.environment) prepared.environment.push_back(const_cast<char*>(own.c_str()));
  prepared.environment.push_back(nullptr);
  prepared.core = command.core;
  prepared.descriptors = command.descriptors;
  prepared.parent = getpid();
  return prepared;
}

/// Where become() keeps the write end of the failure pipe, until exec closes it.
constexpr int kFailure = 3;
static_assert(kFailure < kFirstDescriptor);
/// Above every place that is filled, so that what waits there is not overwritten.
constexpr int kOutOfTheWay = 64;

void close_from(int first) {
  // Kernels before 5.9 lack close_range; a thousand closes take a fraction of a millisecond.
  if (syscall(SYS_close_range, static_cast<unsigned>(first), ~0U, 0U) == 0) return;
  for (int fd = first; fd < 1024; ++fd) close(fd);
}

/// Runs in the child; only async-signal-safe calls.
[[noreturn]] void become(Prepared& prepared) {
  auto const fail = [&](int fd) {
    int const code = errno;
    (void)!write(fd, &code, sizeof code);
    _exit(127);
  };
  setpgid(0, 0);
  // No orphans, also after SIGKILL of the parent. It may have died before this call:
  // then nobody sends the signal.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail(prepared.failure);
  if (getppid() != prepared.parent) _exit(127);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  if (prepared.core) {
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(static_cast<std::size_t>(*prepared.core), &only);
    sched_setaffinity(0, sizeof only, &only);  // not pinned is slower, not wrong
  }
  for (int& each : prepared.descriptors) each = fcntl(each, F_DUPFD, kOutOfTheWay);
  int const nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, STDIN_FILENO);
  dup2(prepared.output, STDOUT_FILENO);
  dup2(prepared.output, STDERR_FILENO);
  if (prepared.failure != kFailure) dup2(prepared.failure, kFailure);
  fcntl(kFailure, F_SETFD, FD_CLOEXEC);
  int next = kFirstDescriptor;
  for (int const each : prepared.descriptors) dup2(each, next++);
  close_from(next);
  execve(prepared.argv[0], prepared.argv.data(), prepared.environment.data());
  fail(kFailure);
  _exit(127);
}

Error failed(std::string const& what, int code) {
  return make_error(ErrorKind::Io, what + ": " + std::strerror(code));
}

}  // namespace

Result<Spawned> spawn(Command const& command) {
  auto prepared = prepare(command);
  int output[2];
  int failure[2];
  if (pipe2(output, O_CLOEXEC) != 0) return failed("pipe", errno);
  if (pipe2(failure, O_CLOEXEC) != 0) {
    int const code = errno;
    close(output[0]), close(output[1]);
    return failed("pipe", code);
  }
  prepared.output = output[1];
  prepared.failure = failure[1];
  pid_t const pid = fork();
  if (pid == 0) become(prepared);
  int const fork_error = errno;
  close(output[1]);
  close(failure[1]);
  int code = 0;
  ssize_t got = 0;
  // Ends at once: by exec, which closes the pipe, or by the reason why there was none.
  if (pid > 0) {
    do got = read(failure[0], &code, sizeof code);
    while (got < 0 && errno == EINTR);
  }
  close(failure[0]);
  if (pid < 0 || got == static_cast<ssize_t>(sizeof code)) {
    close(output[0]);
    if (pid < 0) return failed("fork", fork_error);
    waitpid(pid, nullptr, 0);
    return failed(command.argv[0], code);
  }
  return Spawned{pid, output[0]};
}

}  // namespace ei::backend::local
