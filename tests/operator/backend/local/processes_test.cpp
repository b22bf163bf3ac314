#include "operator/backend/local/processes.hpp"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <filesystem>

namespace local = ei::backend::local;
using namespace std::chrono_literals;

namespace {

struct Ran {
  std::vector<std::string> lines;
  std::optional<int> status;
  std::string last_words;
};

local::Command shell(std::string script) {
  local::Command command;
  command.argv = {"/bin/sh", "-c", std::move(script)};
  return command;
}

/// Runs a command to its end; `started` may act on it meanwhile.
Ran run(local::Command const& command, std::function<void(local::Processes&, pid_t)> started = {}) {
  boost::asio::io_context context(1);
  Ran ran;
  local::Processes processes(context.get_executor(),
                             [&](std::string_view line) { ran.lines.emplace_back(line); });
  auto const pid = processes.start(command, [&](int status, std::string const& words) {
    ran.status = status;
    ran.last_words = words;
    context.stop();
  });
  REQUIRE(pid.has_value());
  if (started) started(processes, *pid);
  context.run_for(20s);
  return ran;
}

}  // namespace

TEST_CASE("A process's lines are passed on, the unfinished last one too, and its code is told") {
  auto const ran = run(shell("echo one; echo two >&2; printf three; exit 7"));
  CHECK(ran.lines == std::vector<std::string>{"one", "two", "three"});
  REQUIRE(ran.status);
  CHECK(local::describe_exit(*ran.status) == "exited with 7");
  CHECK(ran.last_words == "three");
}

TEST_CASE("A process finds what it is handed down from descriptor 4 on, in order, and nothing else") {
  int first[2];
  int second[2];
  REQUIRE((pipe(first) == 0 && pipe(second) == 0));
  auto command = shell("echo one >&4; echo two >&5; exec ls /proc/self/fd");
  command.descriptors = {second[1], first[1]};  // the lower one last
  auto const ran = run(command);
  auto const content = [](int fd) {
    char bytes[16];
    auto const got = read(fd, bytes, sizeof bytes);
    return std::string(bytes, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  };
  CHECK(content(second[0]) == "one\n");
  CHECK(content(first[0]) == "two\n");
  // 3, the first that is free, is the folder that ls reads.
  CHECK(ran.lines == std::vector<std::string>{"0", "1", "2", "3", "4", "5"});
  for (int const fd : {first[0], first[1], second[0], second[1]}) close(fd);
}

TEST_CASE("An end is described by its code or its signal") {
  CHECK(local::describe_exit(3 << 8) == "exited with 3");
  CHECK(local::describe_exit(9) == "was killed by signal 9");
}

TEST_CASE("A process can be told to end") {
  auto const ran =
      run(shell("exec sleep 30"), [](auto& processes, pid_t pid) { processes.signal(pid, SIGTERM); });
  REQUIRE(ran.status);
  CHECK(local::describe_exit(*ran.status) == "was killed by signal 15");
}

TEST_CASE("A program that is not there is an error with its name") {
  boost::asio::io_context context(1);
  local::Processes processes(context.get_executor(), [](std::string_view) {});
  local::Command command;
  command.argv = {"/nonexistent/program"};
  auto const started = processes.start(command, [](int, std::string const&) { FAIL("it ended"); });
  REQUIRE(started.has_error());
  CHECK(started.error().message == "/nonexistent/program: No such file or directory");
  CHECK(processes.running() == 0);
}

TEST_CASE("A process has its environment, its core, no input and no other files") {
  auto command = shell("echo $EI_TEST; taskset -p $$ | sed 's/.*: //'; cat; ls /proc/$$/fd | tr '\\n' ' '");
  command.environment = {"EI_TEST=here"};
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof allowed, &allowed);
  int core = 0;
  while (!CPU_ISSET(static_cast<std::size_t>(core), &allowed)) ++core;
  command.core = core;
  auto const ran = run(command);
  REQUIRE(ran.lines.size() == 3);
  CHECK(ran.lines[0] == "here");
  CHECK(std::stoul(ran.lines[1], nullptr, 16) == 1UL << core);
  CHECK(ran.lines[2].substr(0, 5) == "0 1 2");
}

TEST_CASE("A process leads a group of its own, so that Ctrl-C does not reach it") {
  auto const ran = run(shell("[ $(ps -o pgid= -p $$) -eq $$ ] && echo own"));
  CHECK(ran.lines == std::vector<std::string>{"own"});
}

TEST_CASE("Many processes that end at once are all noticed") {
  boost::asio::io_context context(1);
  local::Processes processes(context.get_executor(), [](std::string_view) {});
  int ended = 0;
  for (int i = 0; i < 50; ++i) {
    auto const started = processes.start(shell("exit 0"), [&](int, std::string const&) {
      if (++ended == 50) context.stop();
    });
    REQUIRE(started.has_value());
  }
  context.run_for(30s);
  CHECK(ended == 50);
  CHECK(processes.running() == 0);
}
