#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "runtime/core/result.hpp"

namespace ei::backend::local {

/// What a program is handed down besides the standard three begins here.
inline constexpr int kFirstDescriptor = 4;

struct Command {
  std::vector<std::string> argv;         ///< argv[0] is the path of the program
  std::vector<std::string> environment;  ///< `NAME=value`, on top of this process's own
  std::optional<int> core;               ///< the only core it may run on
  std::vector<int> descriptors = {};     ///< that it finds as kFirstDescriptor and so on

  bool operator==(Command const&) const = default;
};

struct Spawned {
  pid_t pid = -1;
  int output = -1;  ///< read end of a pipe with its standard output and error; the caller closes it
};

/// Starts a program in a process group of its own (a terminal's Ctrl-C reaches this process alone, which then
/// ends its children in order), with no input and no other open files than those handed down. It is killed
/// when the calling THREAD ends, however that happens: call it only from the thread that runs the program to
/// its end. Errors: Io (no such program, no more processes).
[[nodiscard]] Result<Spawned> spawn(Command const& command);

}  // namespace ei::backend::local
