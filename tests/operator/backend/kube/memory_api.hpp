#pragma once

#include "operator/api/parse.hpp"
#include "operator/backend/kube/client/client.hpp"
#include "runtime/async/clock.hpp"
#include "runtime/async/task_group.hpp"
#include "tests/sim/api/members.hpp"
#include "tests/sim/run/network.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace ei::kube {
using namespace std::chrono_literals;

/// The API server in memory, and one process in virtual time that reaches it by a Client.
class MemoryApi {
 public:
  MemoryApi() : network(server, agenda, 1), peer(std::make_shared<sim::Peer>()) {
    peer->identity = "test";
    peer->wake = [] {};
    server.on_change([this](sim::Kind const& kind, sim::Change const&) { network.on_change(kind); });
    network.on_request = [this](sim::Peer const&, http::Request const& request) {
      if (request.method != "GET") ++writes;
      last = request.method + " " + request.target.substr(0, request.target.find('?'));
    };
    network.set_time(clock.steady, clock.wall);
    use_clock(&clock);
  }
  ~MemoryApi() { use_clock(nullptr); }
  MemoryApi(MemoryApi const&) = delete;
  MemoryApi& operator=(MemoryApi const&) = delete;

  std::unique_ptr<Client> client() {
    Access access;
    access.server = "http://memory";
    ClientOptions options;
    options.dial = network.dial(peer);
    return std::make_unique<Client>(context.get_executor(), std::move(access), std::move(options));
  }

  /// Lets so much time pass, and all happen that is due in it.
  void pass(std::chrono::nanoseconds time) {
    auto const end = clock.steady + time;
    while (true) {
      settle();
      auto next = std::min(end, agenda.next().value_or(end));
      if (clock.next_expiry) next = std::min(next, *clock.next_expiry);
      if (clock.steady >= end) return;
      auto const step = std::max(next, clock.steady) - clock.steady;
      clock.steady += step;
      clock.wall += std::chrono::duration_cast<WallTime::duration>(step);
      network.set_time(clock.steady, clock.wall);
      agenda.run(clock.steady);
    }
  }

  /// Runs `work` to its end, which must come within a minute of virtual time.
  template <class T>
  T await(asio::awaitable<T> work) {
    std::optional<T> outcome;
    asio::co_spawn(context, std::move(work), [&](std::exception_ptr failed, T value) {
      if (failed) std::rethrow_exception(failed);
      outcome = std::move(value);
    });
    for (int i = 0; i < 6000 && !outcome; ++i) pass(10ms);
    REQUIRE(outcome);
    return std::move(*outcome);
  }

  http::Response send(std::string method, std::string target, std::string body = {}) {
    http::Request request;
    bool const patch = method == "PATCH";
    request.method = std::move(method);
    request.target = std::move(target);
    request.headers.set("Content-Type", patch ? "application/merge-patch+json" : "application/json");
    request.body = std::move(body);
    return server.handle(request, clock.wall);
  }
  boost::json::object get(ResourceType const& type, ObjectKey const& key) {
    auto const found = server.storage().find(sim::kind_of(type), key);
    return found == nullptr ? boost::json::object{} : found->object;
  }
  bool has(ResourceType const& type, ObjectKey const& key) { return !get(type, key).empty(); }

  VirtualClock clock{SteadyTime{} + 1h, WallTime{} + std::chrono::hours(24 * 20'000)};
  sim::ApiServer server;
  sim::Agenda agenda;
  sim::Network network;
  std::shared_ptr<sim::Peer> peer;
  int writes = 0;    ///< requests that arrived and are no GET
  std::string last;  ///< the last request that arrived
  asio::io_context context{1};

 private:
  void settle() {
    std::size_t ran = 0;
    do {
      clock.next_expiry.reset();
      ran = context.poll();
      agenda.run(clock.steady);
    } while (ran > 0);
  }

  asio::executor_work_guard<asio::io_context::executor_type> work_{context.get_executor()};
};

/// A service as the API server keeps it, created under this name.
inline api::Metadata make_service(MemoryApi& api, std::string const& name) {
  auto const made = api.send("POST", collection_path(kInferenceServices, "default"),
                             R"({"apiVersion":"elasticinference.dev/v1alpha1","kind":"InferenceService",)"
                             R"("metadata":{"name":")" +
                                 name + R"("},"spec":{}})");
  REQUIRE(made.status == 201);
  return api::metadata_from_json(boost::json::parse(made.body));
}

}  // namespace ei::kube
