#pragma once

#include "operator/backend/kube/children/children.hpp"
#include "runtime/core/units.hpp"
#include "tests/sim/api/server.hpp"
#include "tests/sim/run/network.hpp"

#include <map>
#include <string>

namespace ei::sim {

/// What must hold of a run, whatever happens in it. Hears of every request before it is served, and looks at
/// what is left when all is quiet.
class Checks {
 public:
  Checks(ApiServer const& api, kube::ChildOptions children) : api_(api), children_(std::move(children)) {}

  /// Somebody's request is about to be served.
  void on_request(Peer const& peer, http::Request const& request, SteadyTime now);
  /// A process has asked for the dispatchers' metrics, and got them or not.
  void on_scrape(std::string const& identity, bool heard, SteadyTime now) {
    auto& scraped = scraped_[identity];
    scraped.heard = heard;
    if (heard) scraped.at = now;
  }
  /// Whether requests may be slow from now on: a write may belong to what was decided long before.
  void on_weather(bool slow) { slow_ = slow_ || slow; }
  /// A person has changed a count or a spec: what follows from that is no fall by itself.
  void on_hand(SteadyTime now) {
    hand_at_ = now;
  }  /// A person has changed or removed a child: what is told until that was seen is about the one before.
  void on_child(SteadyTime now) { child_at_ = now; }

  /// At the end: what is left over, what is missing, what still moves.
  void finish(SteadyTime now);

  /// The first breach, in words; empty: none.
  std::string const& fault() const { return fault_; }

 private:
  void check_writer(Peer const& peer, http::Request const& request);
  void check_status(http::Request const& request, SteadyTime now);
  void check_replicas(Peer const& peer, http::Request const& request, SteadyTime now);
  void check_rate(Peer const& peer, SteadyTime now);
  void check_children();
  void check_silence(SteadyTime now);
  void fail(std::string what);

  ApiServer const& api_;
  kube::ChildOptions children_;
  struct Scraped {
    bool heard = false;  ///< the last time it asked
    SteadyTime at{};     ///< when it last heard them
  };
  std::map<std::string, Scraped> scraped_;
  std::map<std::string, std::int64_t> asked_;  ///< the count that the operator last asked for, by path
  bool slow_ = false;
  SteadyTime hand_at_{};
  SteadyTime child_at_{};
  struct Rate {
    SteadyTime since{};
    int calls = 0;
  };
  std::map<std::string, Rate> rates_;
  SteadyTime last_write_{};
  std::string last_written_;
  std::string fault_;
};

}  // namespace ei::sim
