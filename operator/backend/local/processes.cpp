#include "operator/backend/local/processes.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>

#include "runtime/log/failed_task.hpp"
#include "runtime/log/log.hpp"

namespace ei::backend::local {
namespace {

/// A log line is at most a few hundred bytes; what is longer is passed on in pieces.
constexpr std::size_t kLongestLine = 64 * 1024;

}  // namespace

std::string describe_exit(int wait_status) {
  if (WIFSIGNALED(wait_status)) return "was killed by signal " + std::to_string(WTERMSIG(wait_status));
  return "exited with " + std::to_string(WEXITSTATUS(wait_status));
}

Processes::Processes(asio::any_io_executor executor, Forward forward)
    : executor_(executor),
      forward_(std::move(forward)),
      child_ended_(executor, SIGCHLD),
      tasks_(executor, log::failed_task) {
  tasks_.spawn("reap", [this] { return reap(); });
}

Processes::~Processes() {
  for (auto const& [pid, child] : children_) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
}

Result<pid_t> Processes::start(Command const& command, OnExit on_exit) {
  auto const spawned = spawn(command);
  if (!spawned) return spawned.error();
  fcntl(spawned->output, F_SETFL, O_NONBLOCK);
  auto child = std::make_shared<Child>(
      Child{asio::posix::stream_descriptor(executor_, spawned->output), std::move(on_exit), {}, {}});
  children_[spawned->pid] = child;
  tasks_.spawn("output of " + command.argv.front(), [this, child] { return read_output(child); });
  return spawned->pid;
}

void Processes::signal(pid_t pid, int number) {
  // Only of children that were not waited for yet: nobody else can have got the number.
  if (children_.count(pid) > 0) kill(pid, number);
}

asio::awaitable<void> Processes::reap() {
  while (true) {
    auto const [wrong, number] = co_await child_ended_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (wrong) co_return;
    reap_ended();
  }
}

// One SIGCHLD may stand for several ends, and other code may have children of its own: ask for each of ours.
void Processes::reap_ended() {
  std::vector<std::pair<int, std::shared_ptr<Child>>> ended;
  for (auto each = children_.begin(); each != children_.end();) {
    int status = 0;
    if (waitpid(each->first, &status, WNOHANG) == each->first) {
      ended.emplace_back(status, each->second);
      each = children_.erase(each);
    } else {
      ++each;
    }
  }
  for (auto& [status, child] : ended) {
    // What it wrote last may still be in the pipe.
    std::array<char, 4096> buffer;
    ssize_t got = 0;
    while ((got = read(child->output.native_handle(), buffer.data(), buffer.size())) > 0) {
      hear(*child, {buffer.data(), static_cast<std::size_t>(got)});
    }
    if (!child->partial.empty()) hear(*child, "\n");
    child->output.close();
    child->on_exit(status, child->last_words.text());
  }
}

asio::awaitable<void> Processes::read_output(std::shared_ptr<Child> child) {
  std::array<char, 16384> buffer;
  while (child->output.is_open()) {
    auto const [wrong, got] =
        co_await child->output.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
    if (wrong) co_return;
    hear(*child, {buffer.data(), got});
  }
}

void Processes::hear(Child& child, std::string_view bytes) {
  child.partial.append(bytes);
  std::size_t begin = 0;
  while (true) {
    auto const end = child.partial.find('\n', begin);
    bool const too_long = end == std::string::npos && child.partial.size() - begin > kLongestLine;
    if (end == std::string::npos && !too_long) break;
    auto const stop = too_long ? begin + kLongestLine : end;
    std::string_view const line(child.partial.data() + begin, stop - begin);
    child.last_words.hear(line);
    if (!line.empty()) forward_(line);
    begin = too_long ? stop : stop + 1;
  }
  child.partial.erase(0, begin);
}

}  // namespace ei::backend::local
