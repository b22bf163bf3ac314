#pragma once

#include "operator/backend/kube/children/children.hpp"
#include "runtime/core/units.hpp"
#include "tests/sim/api/server.hpp"
#include "tests/sim/cluster/load.hpp"
#include "tests/sim/cluster/policies.hpp"
#include "tests/sim/run/counts.hpp"
#include "tests/sim/run/knowledge.hpp"
#include "tests/sim/run/network.hpp"
#include "tests/sim/run/rates.hpp"

#include <map>
#include <string>
#include <utility>

namespace ei::sim {

/// What must hold of a run, whatever happens in it. Hears of every request before it is served, and looks at
/// what is left when all is quiet.
class Checks {
 public:
  Checks(ApiServer const& api, kube::ChildOptions children) : api_(api), children_(std::move(children)) {}

  /// Somebody's request is about to be served.
  void on_request(Peer const& peer, http::Request const& request, SteadyTime now);
  /// A process sends a request, which may be refused or lost.
  void on_sent(Peer const& peer, http::Request const& request, SteadyTime now) {
    rates_.on_sent(peer.name, request, now);
  }
  void on_change(Kind const& kind, Change const& change) { knowledge_.on_change(kind, change); }
  void on_seen(Peer const& peer, Kind const& kind, std::uint64_t version) {
    knowledge_.on_seen(peer.name, kind, version);
  }
  /// A process has asked a service's dispatcher for its metrics, and got them or not.
  void on_scrape(std::string const& process, api::ServiceKey const& service, bool heard, SteadyTime now) {
    counts_.on_scrape(process, service, heard, now);
  }
  /// And which program it may have heard; its word alone makes a decision of it.
  void on_program(Policies const& programs, reconcile::Decided const& decided, SteadyTime now);
  void on_decided(std::string const& process, reconcile::Decided const& decided, SteadyTime now) {
    counts_.on_decided(process, decided, api_.storage().version(), now);
  }

  /// At the end: what is left over, what is missing, what still moves.
  void finish(Load const& load, SteadyTime now, WallTime wall);

  /// The first breach, in words; empty: none.
  std::string const& fault() const { return fault_.empty() ? rates_.fault() : fault_; }

 private:
  void check_writer(Peer const& peer, http::Request const& request);
  void check_status(Peer const& peer, http::Request const& request, SteadyTime now);
  void check_replicas(Peer const& peer, http::Request const& request, SteadyTime now);
  void check_children(WallTime wall);
  void check_foreign(Peer const& peer, http::Request const& request);
  void check_sleep(Load const& load, WallTime wall);
  void check_silence(SteadyTime now);
  void fail(std::string what);

  ApiServer const& api_;
  kube::ChildOptions children_;
  Knowledge knowledge_;
  Counts counts_{knowledge_};
  Rates rates_;
  /// When a process last asked for an object: the storage's version, by process and path.
  std::map<std::pair<std::string, std::string>, std::uint64_t> looked_;
  SteadyTime last_write_{};
  std::string last_written_;
  std::string fault_;
};

}  // namespace ei::sim
