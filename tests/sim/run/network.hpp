#pragma once

#include "operator/backend/kube/client/transport.hpp"
#include "operator/simulation/rng.hpp"
#include "runtime/async/clock.hpp"
#include "tests/sim/api/server.hpp"
#include "tests/sim/cluster/agenda.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace ei::sim {

/// How requests and streams fare just now; every share is of one.
struct Weather {
  double latency_seconds = 0.005;
  double slow_share = 0;  ///< requests and answers that are slow
  /// Below the margin between a leader's last write and its successor's first (5 s): what arrives later than
  /// that nobody could hold back.
  double slow_seconds = 2;
  double slow_answer_seconds = 2;  ///< below the timeout of a renewal (5 s)
  double lost_share = 0;           ///< requests that never arrive
  double unheard_share = 0;        ///< requests that are served, and whose answer never arrives
  double refused_share = 0;        ///< 429 and 5xx
  int refused_code = 0;            ///< the one status that they are; 0: any of them
  bool refused_late = false;       ///< a watch is refused by its first event, after its head has gone out
  double cut_share = 0;            ///< reads of a stream that break it
  double stalled_share = 0;        ///< streams that are half-open: nothing comes any more
  double late_share = 0;           ///< reads of a stream that come seconds late
  bool split = false;              ///< streams come in pieces of a few bytes
  bool server_down = false;
};

/// One simulated operator process, as the network knows it.
struct Peer {
  std::string identity;
  std::string name;               ///< of this process alone: its identity, and which start it was
  bool dead = false;              ///< crashed: nothing of it goes out, and nothing comes in
  std::uint64_t calls = 0;        ///< requests that it has sent
  std::uint64_t crash_at = 0;     ///< at this call it crashes; 0: never
  bool crash_served = false;      ///< that call is still served
  std::function<void()> crashed;  ///< told once
  std::function<void()> wake;     ///< it has something to do now
};

/// The way between processes and the API server. What is sent arrives whether or not the sender is polled.
class Network {
 public:
  Network(ApiServer& api, Agenda& agenda, std::uint64_t seed) : api_(api), agenda_(agenda), rng_(seed) {}

  Weather weather;
  /// Hears of each request that arrives, before it is served.
  std::function<void(Peer const&, http::Request const&)> on_request;
  /// Hears of each request that is sent, whatever becomes of it.
  std::function<void(Peer const&, http::Request const&)> on_sent;
  /// Hears up to which version a watch has brought a process.
  std::function<void(Peer const&, Kind const&, std::uint64_t)> on_seen;

  kube::Dial dial(std::shared_ptr<Peer> peer);

  /// The sender of this request, counted from 1 on, dies; 0: nobody.
  void crash_at(std::uint64_t sent, bool served) {
    crash_at_ = sent;
    crash_served_ = served;
  }
  std::uint64_t sent() const { return sent_; }

  /// Ends every stream, as a server does that goes down.
  void cut_streams() { ++epoch_; }
  std::uint64_t epoch() const { return epoch_; }
  /// Tells open streams that there may be news.
  void on_change(Kind const& kind);

  void set_time(SteadyTime now, WallTime wall) {
    now_ = now;
    wall_ = wall;
  }

  // For its transports.
  struct Call;
  class Stream;
  void send(std::shared_ptr<Peer> const& peer, http::Request request, std::shared_ptr<Call> const& call);
  ApiServer& api() { return api_; }
  SteadyTime now() const { return now_; }
  simulation::Rng& rng() { return rng_; }
  void join(std::shared_ptr<Stream> const& stream) { streams_.push_back(stream); }
  Agenda& agenda() { return agenda_; }

 private:
  std::chrono::nanoseconds delay(double slow_seconds);
  http::Response serve(Peer const& peer, http::Request const& request);

  ApiServer& api_;
  Agenda& agenda_;
  simulation::Rng rng_;
  SteadyTime now_{};
  WallTime wall_{};
  std::uint64_t epoch_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t crash_at_ = 0;
  bool crash_served_ = false;
  std::vector<std::weak_ptr<Stream>> streams_;
};

}  // namespace ei::sim
