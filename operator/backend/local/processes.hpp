#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "operator/backend/local/spawn.hpp"
#include "operator/plan/last_words.hpp"
#include "runtime/async/task_group.hpp"

namespace ei::backend::local {
namespace asio = boost::asio;

/// `exited with 3`, `was killed by signal 9`, from a wait status.
[[nodiscard]] std::string describe_exit(int wait_status);

/// The child processes of this one: starts them, passes their output on line by line, and tells
/// when they end. Use from the executor's thread only, which must be the thread that runs the
/// program to its end (see spawn).
class Processes {
 public:
  /// `wait_status` as waitpid gives it; `last_words` are what it complained about.
  using OnExit = std::function<void(int wait_status, std::string const& last_words)>;
  using Forward = std::function<void(std::string_view line)>;

  /// `forward` hears every line of output, without its end.
  Processes(asio::any_io_executor executor, Forward forward);
  /// Kills what still runs.
  ~Processes();

  [[nodiscard]] Result<pid_t> start(Command const& command, OnExit on_exit);
  /// Sends a signal; nothing happens to a process that has ended.
  void signal(pid_t pid, int number);
  [[nodiscard]] std::size_t running() const { return children_.size(); }

 private:
  struct Child {
    asio::posix::stream_descriptor output;
    OnExit on_exit;
    std::string partial;  ///< a line that is not finished yet
    plan::LastWords last_words;
  };

  asio::awaitable<void> reap();
  asio::awaitable<void> read_output(std::shared_ptr<Child> child);
  void reap_ended();
  void hear(Child& child, std::string_view bytes);

  asio::any_io_executor executor_;
  Forward forward_;
  asio::signal_set child_ended_;
  std::map<pid_t, std::shared_ptr<Child>> children_;
  TaskGroup tasks_;
};

}  // namespace ei::backend::local
