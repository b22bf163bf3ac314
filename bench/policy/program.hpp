#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>

#include "runtime/core/result.hpp"

namespace ei::bench {

/// A program that answers one line of standard output to each line of standard input. Its standard error is
/// ours. It runs in a process group of its own, which ends with this object.
class Program {
 public:
  /// Starts `command` with /bin/sh. That the shell does not find it is told by the first answer that fails.
  explicit Program(std::string const& command);
  /// Closes its standard input, waits a moment and kills what is left of its group.
  ~Program();
  Program(Program const&) = delete;
  Program& operator=(Program const&) = delete;

  /// Sends `line` and waits for the answer, without its end. Errors: Timeout; Unavailable when it ended;
  /// Protocol when a line is too long, or when it said something that nobody asked; Io when it did not start.
  Result<std::string> ask(std::string line, std::chrono::milliseconds deadline);

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  Result<void> send(std::string_view bytes, Deadline deadline);
  Result<std::string> receive(Deadline deadline);
  Result<void> wait_for(int descriptor, short events, Deadline deadline);
  Error ended();

  pid_t id_ = -1;
  int input_ = -1;   // we write
  int output_ = -1;  // we read
  std::string start_fault_;
  std::string read_;  // and not yet answered with
};

}  // namespace ei::bench
