#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <stdexcept>

#include "runtime/crypto/digest.hpp"
#include "runtime/log/log.hpp"
#include "runtime/process/files.hpp"
#include "runtime/process/program.hpp"
#include "runtime/process/signals.hpp"
#include "runtime/process/usage.hpp"
#include "tests/runtime/loop.hpp"

using namespace ei;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / ("ei_process_test_" + crypto::random_hex(8));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  void put(std::string const& name, std::string const& text) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name) << text;
  }
};

}  // namespace

TEST_CASE("a cgroup v2 limit of the group or of a parent bounds what a process may use") {
  Folder const root;
  root.put("proc/self/cgroup", "0::/pod/app\n");
  root.put("proc/meminfo", "MemTotal:       16000000 kB\n");
  root.put("sys/fs/cgroup/pod/app/cpu.max", "max 100000\n");
  root.put("sys/fs/cgroup/pod/app/memory.max", "max\n");
  root.put("sys/fs/cgroup/pod/cpu.max", "50000 100000\n");
  root.put("sys/fs/cgroup/pod/memory.max", "1073741824\n");
  auto const allowance = process::read_allowance(root.path);
  CHECK(allowance.cpus == Approx(0.5));
  CHECK(allowance.memory_bytes == 1073741824);
}

TEST_CASE("a cgroup v1 limit is found at the mount when the host's path is not visible") {
  Folder const root;
  root.put("proc/self/cgroup", "4:cpu,cpuacct:/kubepods/x\n9:memory:/kubepods/x\n1:name=systemd:/\n");
  root.put("proc/meminfo", "MemTotal:       16000000 kB\n");
  root.put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "25000\n");
  root.put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  root.put("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
  auto const allowance = process::read_allowance(root.path);
  CHECK(allowance.cpus == Approx(0.25));
  CHECK(allowance.memory_bytes == 536870912);
}

TEST_CASE("without cgroups the machine is the limit") {
  Folder const root;
  root.put("proc/meminfo", "MemFree: 1 kB\nMemTotal:       2048 kB\n");
  auto const allowance = process::read_allowance(root.path);
  CHECK(allowance.cpus >= 1);
  CHECK(allowance.memory_bytes == 2048 * 1024);
}

TEST_CASE("a CPU quota is read from either version of cgroup, and a file of neither form is refused") {
  Folder const root;
  CHECK(process::cpu_quota_file(root.path).empty());
  root.put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "18000\n");
  root.put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  auto const v1 = process::cpu_quota_file(root.path);
  CHECK(process::read_cpu_quota_milli(v1).value() == 180);
  root.put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  CHECK(process::read_cpu_quota_milli(v1).value() == std::nullopt);
  root.put("sys/fs/cgroup/cpu.max", "90000 100000\n");
  auto const v2 = process::cpu_quota_file(root.path);
  CHECK(v2 == root.path / "sys/fs/cgroup/cpu.max");
  CHECK(process::read_cpu_quota_milli(v2).value() == 900);
  root.put("sys/fs/cgroup/cpu.max", "max 100000\n");
  CHECK(process::read_cpu_quota_milli(v2).value() == std::nullopt);
  for (auto const* text : {"", "90000 0\n", "lots 100000\n", "1 2 3\n", "9223372036854775807 1\n"}) {
    INFO(text);
    root.put("sys/fs/cgroup/cpu.max", text);
    CHECK(process::read_cpu_quota_milli(v2).has_error());
  }
  CHECK(process::read_cpu_quota_milli(root.path / "none").error().kind == ErrorKind::NotFound);
}

TEST_CASE("usage is the share of the allowance since the last sample") {
  Folder const folder;
  auto const page = sysconf(_SC_PAGESIZE);
  auto const ticks = sysconf(_SC_CLK_TCK);
  folder.put("stat", "12 (a ) b) S 1 1 1 0 -1 0 0 0 0 0 100 50 0 0 20\n");
  folder.put("statm", "900 256 10 1 0 1 0\n");
  process::Allowance allowance;
  allowance.cpus = 2;
  allowance.memory_bytes = 1024 * page;
  process::UsageMeter meter(allowance, folder.path);
  SteadyTime const start{};
  auto const first = meter.sample(start);
  CHECK(first.cpu_percent == 0);
  CHECK(first.memory_percent == Approx(25));
  CHECK(first.resident_bytes == 256 * page);
  folder.put("stat", "12 (a ) b) S 1 1 1 0 -1 0 0 0 0 0 " + std::to_string(100 + ticks) + " 50 0 0 20\n");
  CHECK(meter.sample(start + 1s).cpu_percent == Approx(50));
}

TEST_CASE("a second scraper right after the first reads the same usage, not the share of one tick") {
  Folder const folder;
  auto const ticks = sysconf(_SC_CLK_TCK);
  auto const put = [&](long used) {
    folder.put("stat", "12 (a) S 1 1 1 0 -1 0 0 0 0 0 " + std::to_string(used) + " 0 0 0 20\n");
  };
  process::Allowance allowance;
  allowance.cpus = 1;
  process::UsageMeter meter(allowance, folder.path);
  SteadyTime const start{};
  put(0);
  CHECK(meter.sample(start).cpu_percent == 0);
  put(ticks / 2);
  CHECK(meter.sample(start + 1s).cpu_percent == Approx(50));
  put(ticks / 2 + 1);
  CHECK(meter.sample(start + 1001ms).cpu_percent == Approx(50));
  put(ticks);
  CHECK(meter.sample(start + 2s).cpu_percent == Approx(50));
}

TEST_CASE("this process's own usage is plausible") {
  process::UsageMeter meter;
  auto const usage = meter.sample();
  CHECK(usage.resident_bytes > 1'000'000);
  CHECK(usage.memory_percent > 0);
  CHECK(process::available_cores() >= 1);
}

TEST_CASE("a file is written whole or not at all") {
  Folder const folder;
  auto const path = folder.path / "ports.json";
  REQUIRE(process::write_file_atomically(path, "one"));
  REQUIRE(process::write_file_atomically(path, "two"));
  CHECK(*process::read_file(path, 10) == "two");
  CHECK(process::read_file(path, 2).error().kind == ErrorKind::Protocol);
  CHECK(process::read_file(folder.path / "none", 2).error().kind == ErrorKind::NotFound);
  CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator{}) == 1);
  CHECK(process::write_file_atomically(folder.path / "no" / "dir", "x").error().kind == ErrorKind::NotFound);
}

TEST_CASE("SHA-256 gives FIPS 180-4's example digests") {
  CHECK(crypto::sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(crypto::sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  crypto::Sha256 digest;
  digest.update("a");
  digest.update("bc");
  CHECK(digest.finish_hex() == crypto::sha256_hex("abc"));
  CHECK(crypto::equal_secrets("same", "same"));
  CHECK_FALSE(crypto::equal_secrets("same", "sama"));
  CHECK_FALSE(crypto::equal_secrets("same", "sam"));
  CHECK(crypto::random_hex(8).size() == 16);
  CHECK(crypto::random_hex(8) != crypto::random_hex(8));
}

TEST_CASE("SIGTERM is something to await") {
  int got = 0;
  test::run([&]() -> boost::asio::awaitable<void> {
    process::Signals signals(co_await boost::asio::this_coro::executor);
    std::raise(SIGTERM);
    got = co_await signals.next();
  });
  CHECK(got == SIGTERM);
}

TEST_CASE("a program's exit code is what its work returns, and 1 where it throws") {
  std::string logged;
  log::set_sink([&](std::string_view line) { logged += line; });
  boost::asio::io_context whole(1);
  CHECK(process::run_to_end(whole, []() -> boost::asio::awaitable<int> { co_return 7; }()) == 7);
  CHECK(logged.empty());
  boost::asio::io_context broken(1);
  CHECK(process::run_to_end(broken, []() -> boost::asio::awaitable<int> {
          throw std::runtime_error("no luck");
          co_return 0;
        }()) == 1);
  log::set_sink({});
  CHECK(logged.find(R"("event":"failed","error":"no luck")") != std::string::npos);
}

TEST_CASE("the limit on descriptors is raised to what is permitted") {
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit low = before;
  low.rlim_cur = 64;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
  process::allow_many_descriptors();
  rlimit after{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &after) == 0);
  CHECK(after.rlim_cur == before.rlim_max);
  setrlimit(RLIMIT_NOFILE, &before);
}

TEST_CASE("ports are told in a file where one is asked for") {
  Folder const folder;
  auto const path = folder.path / "ports";
  REQUIRE(process::write_ports(path, {{"http", std::uint16_t{8001}}, {"metrics", std::uint16_t{9000}}}));
  CHECK(*process::read_file(path, 100) == "{\"http\":8001,\"metrics\":9000}\n");
  CHECK(process::write_ports({}, {}).has_value());
}

TEST_CASE("a token is what stands in its file, without the white space behind it") {
  Folder const folder;
  folder.put("token", "secret \r\n");
  folder.put("blank", " \n");
  folder.put("picture", std::string(7000, 'x'));
  CHECK(*process::read_token(folder.path / "token") == "secret");
  CHECK(process::read_token({})->empty());
  CHECK(process::read_token(folder.path / "blank").error().kind == ErrorKind::Invalid);
  CHECK(process::read_token(folder.path / "none").error().kind == ErrorKind::NotFound);
  CHECK(process::read_token(folder.path / "picture").error().kind == ErrorKind::Protocol);
}
