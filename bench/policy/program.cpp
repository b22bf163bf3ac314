#include "bench/policy/program.hpp"

#include <fcntl.h>
#include <poll.h>

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>

#include "operator/scaling/exchange.hpp"

namespace ei::bench {
namespace {

using std::chrono::milliseconds;

/// For a program that writes down at its end what it learned.
constexpr milliseconds kLastMoment{1000};

std::string fault_of(char const* what) {
  return std::string(what) + ": " + std::strerror(errno);
}

/// In the child: only what is safe between fork and exec of a program with threads.
[[noreturn]] void become(char const* command, int input, int output) {
  ::setpgid(0, 0);
  // A comparison that is killed leaves nothing behind.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGPIPE, SIG_DFL);
  if (::dup2(input, STDIN_FILENO) >= 0 && ::dup2(output, STDOUT_FILENO) >= 0)
    ::execl("/bin/sh", "sh", "-c", command, nullptr);
  ::_exit(127);
}

void close_if_open(int& descriptor) {
  if (descriptor >= 0) ::close(descriptor);
  descriptor = -1;
}

int milliseconds_until(std::chrono::steady_clock::time_point deadline) {
  auto const left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<milliseconds::rep>(0, left.count()));
}

/// Waits until the process is over, without taking its exit status.
bool is_over_within(pid_t id, milliseconds most) {
  // glibc 2.36 declares its function for C alone.
  int const handle = static_cast<int>(::syscall(SYS_pidfd_open, id, 0));
  if (handle < 0) return true;
  pollfd waiting{handle, POLLIN, 0};
  bool const over = ::poll(&waiting, 1, static_cast<int>(most.count())) > 0;
  ::close(handle);
  return over;
}

}  // namespace

Program::Program(std::string const& command) {
  // A program that ended is an error of its own, not a signal to us.
  ::signal(SIGPIPE, SIG_IGN);
  std::array<int, 2> to{-1, -1};
  std::array<int, 2> from{-1, -1};
  if (::pipe2(to.data(), O_CLOEXEC) != 0 || ::pipe2(from.data(), O_CLOEXEC) != 0) {
    start_fault_ = fault_of("pipe");
  } else if (id_ = ::fork(); id_ == 0) {
    become(command.c_str(), to[0], from[1]);
  } else if (id_ < 0) {
    start_fault_ = fault_of("fork");
  } else {
    ::setpgid(id_, id_);  // whoever comes first
  }
  close_if_open(to[0]);
  close_if_open(from[1]);
  input_ = to[1];
  output_ = from[0];
  for (int const descriptor : {input_, output_}) {
    if (descriptor >= 0) ::fcntl(descriptor, F_SETFL, O_NONBLOCK);
  }
}

Program::~Program() {
  close_if_open(input_);
  if (id_ > 0) {
    (void)is_over_within(id_, kLastMoment);
    ::kill(-id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
  }
  close_if_open(output_);
}

Result<std::string> Program::ask(std::string line, milliseconds deadline) {
  if (!start_fault_.empty()) return make_error(ErrorKind::Io, start_fault_);
  if (!read_.empty())
    return make_error(ErrorKind::Protocol, "it printed more than one line for the snapshot before");
  line += '\n';
  auto const until = std::chrono::steady_clock::now() + deadline;
  auto const sent = send(line, until);
  // What ended may have answered before; only where nothing is left to read its end is the reason.
  if (!sent && sent.error().kind != ErrorKind::Unavailable) return sent.error();
  auto answer = receive(until);
  if (!answer && answer.error().kind == ErrorKind::Timeout) {
    answer =
        make_error(ErrorKind::Timeout, "no answer within " + std::to_string(deadline.count()) +
                                           " ms (it has to flush each line: print(…, flush=True) in Python)");
  }
  return answer;
}

Result<void> Program::wait_for(int descriptor, short events, Deadline deadline) {
  pollfd waiting{descriptor, events, 0};
  int const ready = ::poll(&waiting, 1, milliseconds_until(deadline));
  if (ready > 0 || (ready < 0 && errno == EINTR)) return {};
  return make_error(ErrorKind::Timeout, "no answer");
}

Result<void> Program::send(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    ssize_t const written = ::write(input_, bytes.data(), bytes.size());
    if (written > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN || errno == EINTR) {
      auto const writable = wait_for(input_, POLLOUT, deadline);
      if (!writable) return writable;
    } else {
      return make_error(ErrorKind::Unavailable, "it reads no more");
    }
  }
  return {};
}

Result<std::string> Program::receive(Deadline deadline) {
  for (;;) {
    if (auto const end = read_.find('\n'); end != std::string::npos) {
      std::string line = read_.substr(0, end);
      read_.erase(0, end + 1);
      return line;
    }
    if (read_.size() > scaling::kMostAnswerBytes)
      return make_error(ErrorKind::Protocol, "its line has no end within 16384 bytes");
    auto const readable = wait_for(output_, POLLIN, deadline);
    if (!readable) return readable.error();
    std::array<char, 4096> some;
    ssize_t const got = ::read(output_, some.data(), some.size());
    if (got > 0)
      read_.append(some.data(), static_cast<std::size_t>(got));
    else if (got == 0)
      return ended();
    else if (errno != EAGAIN && errno != EINTR)
      return make_error(ErrorKind::Io, fault_of("read"));
  }
}

Error Program::ended() {
  std::string how = "it closed its standard output";
  siginfo_t info{};
  // Left for the destructor to reap: until then the id is nobody else's.
  if (is_over_within(id_, kLastMoment) &&
      ::waitid(P_PID, static_cast<id_t>(id_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
      info.si_pid == id_) {
    // Beyond 128 it is how the shell says that a signal ended what it ran.
    int const status = info.si_status;
    if (info.si_code == CLD_EXITED && status <= 128)
      how = "it ended with code " + std::to_string(status);
    else
      how = "signal " + std::to_string(info.si_code == CLD_EXITED ? status - 128 : status) + " ended it";
  }
  if (!read_.empty()) how += ", in the middle of a line";
  return make_error(ErrorKind::Unavailable, how + " instead of answering");
}

}  // namespace ei::bench
