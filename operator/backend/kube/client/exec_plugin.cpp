#include "operator/backend/kube/client/exec_plugin.hpp"

#include "runtime/async/deadline.hpp"
#include "runtime/async/task_group.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ei::kube {
namespace {

namespace asio = boost::asio;

// client-go lets a plugin run without limit, for people type into it; ours answers
// from a file or a cloud's API.
constexpr milliseconds kPluginTimeout{60'000};

// A token is a few KiB, a certificate chain some ten.
constexpr std::size_t kMaxOutputBytes = 1024U * 1024U;

// A plugin that has closed its output is about to exit.
constexpr milliseconds kExitPoll{10};

/// A child process that does not outlive its owner.
class Child {
 public:
  explicit Child(pid_t id) : id_(id) {}
  Child(Child const&) = delete;
  Child& operator=(Child const&) = delete;
  ~Child() {
    if (id_ <= 0) return;
    ::kill(id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
  }

  /// The exit status once it has ended; a signal counts as 128 plus its number.
  std::optional<int> ended() {
    int status = 0;
    if (id_ <= 0 || ::waitpid(id_, &status, WNOHANG) != id_) return std::nullopt;
    id_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t id_;
};

std::vector<std::string> plugin_environment(ExecPlugin const& plugin, std::string const& info) {
  std::vector<std::string> variables;
  // posix_spawn takes a whole environment. Ours goes on unchanged: plugins find
  // HOME, PATH and their keys in it.
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) variables.emplace_back(*entry);
  auto const set = [&](std::string const& name, std::string const& value) {
    std::erase_if(variables, [&](std::string const& old) { return old.starts_with(name + "="); });
    variables.push_back(name + "=" + value);
  };
  for (auto const& [name, value] : plugin.environment) set(name, value);
  set("KUBERNETES_EXEC_INFO", info);
  return variables;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// Starts the plugin with its standard output on `out`.
Result<pid_t> start(ExecPlugin const& plugin, std::string const& info, int out) {
  std::vector<std::string> arguments{plugin.command};
  arguments.insert(arguments.end(), plugin.arguments.begin(), plugin.arguments.end());
  auto variables = plugin_environment(plugin, info);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
  pid_t id = 0;
  int const failed = ::posix_spawnp(&id, plugin.command.c_str(), &files, nullptr,
                                    pointers_to(arguments).data(), pointers_to(variables).data());
  ::posix_spawn_file_actions_destroy(&files);
  if (failed == 0) return id;
  auto message = "credential plugin " + plugin.command + ": " + std::strerror(failed);
  if (!plugin.install_hint.empty()) message += "\n" + plugin.install_hint;
  return make_error(failed == ENOENT ? ErrorKind::NotFound : ErrorKind::Io, std::move(message));
}

asio::awaitable<Result<std::string>> read_to_end(asio::posix::stream_descriptor& pipe) {
  std::string output;
  std::string chunk(4096, '\0');
  while (output.size() <= kMaxOutputBytes) {
    auto const buffer = asio::buffer(chunk);
    auto const [failed, count] = co_await pipe.async_read_some(buffer, asio::as_tuple(asio::use_awaitable));
    if (failed == asio::error::eof) co_return output;
    if (failed) co_return make_error(ErrorKind::Io, failed.message());
    output.append(chunk, 0, count);
  }
  co_return make_error(ErrorKind::Protocol, "its output is too long");
}

asio::awaitable<Result<std::string>> collect(asio::posix::stream_descriptor& pipe, Child& child) {
  auto output = co_await read_to_end(pipe);
  if (!output) co_return output;
  while (true) {
    if (auto const status = child.ended()) {
      if (*status == 0) co_return output;
      co_return make_error(ErrorKind::Unavailable, "it exited with status " + std::to_string(*status));
    }
    co_await sleep_for(kExitPoll);
  }
}

}  // namespace

asio::awaitable<Result<ExecCredential>> run_exec_plugin(ExecPlugin plugin, std::string info) {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) co_return make_error(ErrorKind::Io, std::strerror(errno));
  asio::posix::stream_descriptor pipe(co_await asio::this_coro::executor, ends[0]);
  auto started = start(plugin, info, ends[1]);
  ::close(ends[1]);
  if (!started) co_return started.error();
  Child child(*started);
  auto output = co_await within(kPluginTimeout, "the credential plugin", collect(pipe, child));
  auto const named = "credential plugin " + plugin.command;
  if (!output) co_return with_context(output.error(), named);
  auto credential = parse_exec_credential(*output, plugin.api_version);
  if (!credential) co_return with_context(credential.error(), named);
  co_return credential;
}

}  // namespace ei::kube
