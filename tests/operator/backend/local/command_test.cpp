#include "operator/backend/local/command.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

namespace local = ei::backend::local;
using namespace std::chrono_literals;

namespace {

/// The value after a flag, or "absent".
std::string flag(local::Command const& command, std::string const& name) {
  auto const found = std::find(command.argv.begin(), command.argv.end(), name);
  return found == command.argv.end() ? "absent" : *(found + 1);
}

local::Settings settings() {
  local::Settings made;
  made.programs = "/opt/bin";
  return made;
}

}  // namespace

TEST_CASE("A dispatcher is told its part of the spec, and where its sockets are") {
  ei::api::Spec spec;
  spec.dispatcher.queue_capacity = 77;
  spec.dispatcher.batch.max_delay = 5ms;
  CHECK(flag(local::dispatcher_command(settings(), spec, "/t", "/p"), "--cors-allowed-origin") == "absent");
  CHECK(flag(local::dispatcher_command(settings(), spec, "/t", "/p"), "--max-connections-per-address") ==
        "absent");
  spec.dispatcher.max_connections_per_address = 64;
  spec.dispatcher.allowed_origins = {"https://a.example", "http://localhost:3000"};
  auto const command = local::dispatcher_command(settings(), spec, "/t", "/p");
  CHECK(std::count(command.argv.begin(), command.argv.end(), "--cors-allowed-origin") == 2);
  CHECK(flag(command, "--cors-allowed-origin") == "https://a.example");
  CHECK(command.argv.front() == "/opt/bin/inference-dispatcher");
  CHECK(flag(command, "--http-fd") == "4");
  CHECK(flag(command, "--metrics-fd") == "5");
  CHECK(flag(command, "--link-fd") == "6");
  CHECK(flag(command, "--grpc-fd") == "7");
  CHECK(flag(command, "--queue-capacity") == "77");
  CHECK(flag(command, "--max-connections-per-address") == "64");
  CHECK(flag(command, "--max-picture-bytes") == "10485760");
  CHECK(flag(command, "--max-picture-pixels") == "100000000");
  CHECK(flag(command, "--batch-max-delay") == "5ms");
  CHECK(flag(command, "--latency-target") == "500ms");
  CHECK(flag(command, "--model") == "resnet18");
  CHECK(flag(command, "--address") == "127.0.0.1");
}

TEST_CASE("A worker is told its model, every dispatcher, and to use one thread") {
  ei::api::Spec spec;
  spec.model.sha256 = std::string(64, 'a');
  auto const command = local::worker_command(settings(), spec, "w-1", {5, 6}, "/t", "/p", "/q");
  CHECK(flag(command, "--name") == "w-1");
  CHECK(flag(command, "--model-uri") == "builtin://shapes");
  CHECK(flag(command, "--sha256") == std::string(64, 'a'));
  CHECK(flag(command, "--labels") == "absent");
  CHECK(std::count(command.argv.begin(), command.argv.end(), "--dispatcher") == 2);
  CHECK(flag(command, "--dispatcher") == "127.0.0.1:5");
  CHECK(command.environment.front() == "OMP_NUM_THREADS=1");
  CHECK(flag(command, "--allow-address") == "absent");  // it downloads nothing
  // On one's own machine a model may lie on it, or beside it.
  spec.model.uri = "https://a.example/m";
  auto const downloads = local::worker_command(settings(), spec, "w-1", {5}, "/t", "/p", "/q").argv;
  CHECK(std::count(downloads.begin(), downloads.end(), "--allow-address") == 2);
  CHECK(std::count(downloads.begin(), downloads.end(), "--allow-host") == 0);
}

TEST_CASE("A worker is replaced for another model, not for another name or core") {
  ei::api::Spec spec;
  auto one = local::worker_command(settings(), spec, "w-1", {5}, "/t", "/p1", "/q1");
  auto const two = local::worker_command(settings(), spec, "w-2", {5}, "/t", "/p2", "/q2");
  one.core = 3;
  CHECK(local::same_template(one, two));
  spec.model.precision = ei::api::Precision::Fp32;
  CHECK_FALSE(
      local::same_template(one, local::worker_command(settings(), spec, "w-1", {5}, "/t", "/p1", "/q1")));
  CHECK_FALSE(
      local::same_template(two, local::worker_command(settings(), {}, "w-2", {5, 6}, "/t", "/p2", "/q2")));
}

TEST_CASE("Whoever drains may take as long as a request may wait, or longer where the operator says so") {
  ei::api::Spec spec;
  auto asked = settings();
  asked.drain_timeout = 40s;
  for (auto const& [request_timeout, wanted] : {std::pair{30'000ms, "40s"}, {600'000ms, "10m"}}) {
    spec.dispatcher.request_timeout = request_timeout;
    CHECK(flag(local::dispatcher_command(asked, spec, "/t", "/p"), "--drain-timeout") == wanted);
    CHECK(flag(local::worker_command(asked, spec, "w-1", {5}, "/t", "/p", "/q"), "--drain-timeout") ==
          wanted);
  }
}

TEST_CASE("What listens on every address is found on the loopback, and IPv6 has its brackets") {
  CHECK(local::origin("127.0.0.2", 81).authority() == "127.0.0.2:81");
  CHECK(local::origin("0.0.0.0", 81).authority() == "127.0.0.1:81");
  CHECK(local::origin("::1", 81).authority() == "[::1]:81");
  CHECK(local::origin("::", 81).authority() == "[::1]:81");
  CHECK(local::origin("0:0:0:0:0:0:0:0", 81).authority() == "[::1]:81");
}

TEST_CASE("A ports file is read whole or not at all") {
  CHECK(*local::parse_ports(R"({"http": 1, "metrics": 2, "link": 3})") == local::Ports{1, 2, 3, 0});
  CHECK(*local::parse_ports(R"({"http": 1, "metrics": 2, "link": 3, "grpc": 4})") ==
        local::Ports{1, 2, 3, 4});
  CHECK(*local::parse_ports(R"({"http": 1, "metrics": 2})") == local::Ports{1, 2, 0, 0});
  for (auto const* text :
       {"", "{", R"({"http": 1})", R"({"http": "x", "metrics": 2})", R"({"http": 70000, "metrics": 2})"}) {
    CHECK(local::parse_ports(text).has_error());
  }
}

TEST_CASE("What only a cluster can run is refused here") {
  ei::api::Spec spec;
  CHECK(local::local_faults(spec, ei::api::everything_allowed()).empty());
  spec.model.uri = "pvc://claim/w.pth";
  REQUIRE(local::local_faults(spec, ei::api::everything_allowed()).size() == 1);
  CHECK(to_string(local::local_faults(spec, ei::api::everything_allowed())[0]) ==
        "spec.model.uri: Invalid value: \"pvc://claim/w.pth\": must be https://, file:// or builtin:// on "
        "this machine: "
        "pvc:// names a volume of a cluster");
  spec.model.uri = "builtin://shapes";
  spec.dispatcher.tls.secret_name = "resnet18-tls";
  REQUIRE(local::local_faults(spec, ei::api::everything_allowed()).size() == 1);
  CHECK_THAT(
      to_string(local::local_faults(spec, ei::api::everything_allowed())[0]),
      Catch::StartsWith("spec.dispatcher.tls.secretName: Invalid value: \"resnet18-tls\": must be left "
                        "out on this machine"));
}

TEST_CASE("a worker listens for metrics and probes alone") {
  CHECK(*local::parse_ports(R"({"metrics": 2})") == local::Ports{0, 2, 0, 0});
}
