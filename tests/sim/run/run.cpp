#include "tests/sim/run/run.hpp"

#include "operator/backend/kube/children/link_keys.hpp"
#include "runtime/async/task_group.hpp"
#include "tests/sim/api/members.hpp"
#include "tests/sim/run/names.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace ei::sim {
namespace {

namespace json = boost::json;

// Controllers and the node look at everything so often.
constexpr std::chrono::milliseconds kTick{500};
// The garbage collector of a real cluster takes a second or two.
constexpr int kCollectEvery = 4;
// 2026-01-01: any day, but always the same.
constexpr std::chrono::seconds kEpoch{1'767'225'600};

SteadyTime at_seconds(double seconds) {
  // Not zero: nothing happens before the beginning of time.
  return SteadyTime{} + std::chrono::hours(1) +
         std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

}  // namespace

Run::Run(Script script, bool trace)
    : script_(std::move(script)),
      trace_(trace),
      rng_(script_.seed ^ 0x5bd1e995U),
      webhook_rng_(script_.seed ^ 0x3eb400cU),
      now_(at_seconds(0)),
      network_(api_, agenda_, script_.seed + 1),
      deployments_(api_),
      node_(api_, script_.seed + 2),
      load_(api_),
      policies_(script_.seed + 3),
      checks_(api_, children_) {
  node_.fates = script_.fates;
  network_.crash_at(script_.crash_at, script_.crash_served);
  load_.arrivals_rps = 5;
  api_.serve_document(std::string(kube::kDiscoveryPath), json::object{{"issuer", "https://sim"}});
  json::object key{{"kid", "1"}, {"kty", "RSA"}, {"n", "AQAB"}, {"e", "AQAB"}};
  api_.serve_document(std::string(kube::kKeysPath), json::object{{"keys", json::array{std::move(key)}}});
  api_.on_change([this](Kind const& kind, Change const& change) {
    checks_.on_change(kind, change);
    network_.on_change(kind);
  });
  network_.on_sent = [this](Peer const& peer, http::Request const& request) {
    checks_.on_sent(peer, request, now_);
  };
  network_.on_seen = [this](Peer const& peer, Kind const& kind, std::uint64_t version) {
    checks_.on_seen(peer, kind, version);
  };
  network_.on_request = [this](Peer const& peer, http::Request const& request) {
    checks_.on_request(peer, request, now_);
    for (char const c : peer.identity + request.method + request.target + request.body)
      digest_ = (digest_ ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    digest_ = (digest_ ^ static_cast<std::uint64_t>(now_.time_since_epoch().count())) * 1099511628211ULL;
    if (!trace_) return;
    // A path without its parameters, and what is written.
    auto const path = request.target.substr(0, request.target.find('?'));
    tell(peer.identity + ": " + request.method + " " + path + " " + request.body);
  };
}

WallTime Run::wall() const {
  return WallTime(kEpoch) + std::chrono::duration_cast<WallTime::duration>(now_ - at_seconds(0));
}

void Run::tell(std::string const& what) const {
  if (!trace_) return;
  std::printf("%9.3f %s\n", std::chrono::duration<double>(now_ - at_seconds(0)).count(), what.c_str());
}

Outcome Run::run() {
  network_.set_time(now_, wall());
  places_.resize(static_cast<std::size_t>(script_.processes));
  for (std::size_t i = 0; i < places_.size(); ++i) start_process(i, now_);
  for (std::size_t i = 0; i < static_cast<std::size_t>(script_.services); ++i) {
    agenda_.at(at_seconds(1 + static_cast<double>(i)), [this, i](SteadyTime) { create_service(i); });
  }
  for (auto const& moment : script_.moments) {
    if (moment.at_seconds >= script_.fault_seconds) continue;
    agenda_.at(at_seconds(moment.at_seconds), [this, &moment](SteadyTime now) { perform(moment, now); });
  }
  agenda_.at(at_seconds(script_.fault_seconds), [this](SteadyTime) { end_faults(); });
  agenda_.at(now_, [this](SteadyTime now) { tick(now); });

  std::string fault;
  try {
    while (now_ < end() && checks_.fault().empty()) {
      agenda_.run(now_);
      if (now_ >= next_knock() && knocked_ < next_knock()) {
        tell("one request comes to each service");
        knocked_ = now_;
        load_.knock();
      }
      tend_processes(now_);
      poll_processes();
      now_ = std::min(end(), std::max(now_, next_time()));
      network_.set_time(now_, wall());
    }
    if (checks_.fault().empty()) checks_.finish(load_, now_, wall());
    fault = checks_.fault();
  } catch (std::exception const& failed) {
    fault = failed.what();
  }
  tell("end: " + (fault.empty() ? "all held" : fault));
  return {fault, network_.sent(), digest_};
}

// What the faults have delayed is part of the world's unrest: a container that takes ten times as long.
SteadyTime Run::end() const {
  auto const last = std::max({at_seconds(script_.fault_seconds), node_.settled_by(), crashed_at_});
  return last + (at_seconds(script_.quiet_seconds) - at_seconds(0));
}

SteadyTime Run::next_knock() const {
  return end() - (at_seconds(kAfterKnockSeconds) - at_seconds(0));
}

// As a dispatcher's answer to GET /arrivals.
asio::awaitable<Result<bool>> Run::await_arrivals(scrape::Awaited dispatcher, milliseconds longest) {
  auto const deadline = steady_now() + longest;
  for (;;) {
    auto more = load_.has_more(dispatcher.metrics_url, dispatcher.arrivals);
    if (!more || *more || steady_now() >= deadline) co_return more;
    co_await sleep_for(kTick);
  }
}

// As a program behind HTTP: what it is late with, nobody hears.
asio::awaitable<Result<http::Response>> Run::post_question(std::string question, milliseconds deadline) {
  auto const reply = policies_.reply(question, now_);
  tell("the program answers " +
       (reply.refused ? "nothing" : std::to_string(reply.status) + " " + reply.body.substr(0, 100)));
  if (reply.refused) co_return make_error(ErrorKind::Unavailable, "connect: Connection refused");
  co_await sleep_for(std::min(reply.delay, deadline));
  if (reply.delay > deadline) co_return make_error(ErrorKind::Timeout, "no answer came in time");
  http::Response response;
  response.status = reply.status;
  response.body = reply.body;
  co_return response;
}

SteadyTime Run::next_time() const {
  auto next =
      std::min(agenda_.next().value_or(SteadyTime::max()), next_knock() > now_ ? next_knock() : end());
  for (auto const& place : places_) {
    if (place.restarts) next = std::min(next, *place.restarts);
    if (place.process && place.process->next()) next = std::min(next, *place.process->next());
    for (auto const& each : place.remains) {
      if (each->next()) next = std::min(next, *each->next());
    }
  }
  return next;
}

void Run::poll_processes() {
  // What one does may wake another at the same moment.
  for (bool again = true; again;) {
    again = false;
    auto const poll = [&](Process& process) {
      bool const due = process.next() && *process.next() <= now_;
      if (!process.ready() && !due) return;
      process.poll(now_, wall());
      again = again || process.ready();
    };
    for (auto& place : places_) {
      if (place.process) poll(*place.process);
      for (auto const& each : place.remains) poll(*each);
    }
    auto const next = agenda_.next();
    if (next && *next <= now_) {
      agenda_.run(now_);
      again = true;
    }
  }
}

void Run::start_process(std::size_t index, SteadyTime now) {
  auto& place = places_[index];
  place.restarts.reset();
  auto peer = std::make_shared<Peer>();
  peer->identity = "operator-" + std::to_string(index);
  peer->crashed = [this, index] {
    tell("operator-" + std::to_string(index) + " crashes");
    crashed_at_ = now_;
    if (places_[index].process) places_[index].process->wake();
  };
  KubernetesOptions options;
  options.children = children_;
  options.leader_elect = true;
  options.lease_namespace = kNamespace;
  options.lease_name = "sim";
  options.identity = peer->identity;
  peer->name = peer->identity + "." + std::to_string(++place.starts);
  options.reconcile.id_prefix = peer->name;
  auto const name = peer->name;
  scrape::Ask ask = [this, name](std::string url, milliseconds) -> asio::awaitable<Result<std::string>> {
    auto text = load_.scrape(url);
    checks_.on_scrape(name, {kNamespace, load_.service_at(url)}, text.has_value(), now_);
    co_return text;
  };
  options.reconcile.await_arrivals = [this](scrape::Awaited dispatcher, milliseconds longest) {
    return await_arrivals(std::move(dispatcher), longest);
  };
  options.reconcile.post_question = [this](std::string, std::string question, milliseconds deadline) {
    return post_question(std::move(question), deadline);
  };
  reconcile::Listener listener;
  listener.on_decided = [this, name](reconcile::Decided const& decided) {
    checks_.on_decided(name, decided, now_);
    checks_.on_program(policies_, decided, now_);
  };
  place.process = std::make_unique<Process>(network_, std::move(peer), std::move(options), std::move(ask),
                                            std::move(listener), now, wall());
  tell(name + " starts");
}

void Run::tend_processes(SteadyTime now) {
  for (std::size_t i = 0; i < places_.size(); ++i) {
    auto& place = places_[i];
    std::erase_if(place.remains, [](auto const& each) { return each->ended(); });
    bool const dead = place.process && place.process->peer().dead;
    bool const gone = place.process && place.process->ended();
    if (dead && !gone) place.remains.push_back(std::move(place.process));
    if (dead || gone) {
      place.process.reset();
      // The kubelet starts the container again.
      place.restarts = now + std::chrono::milliseconds(500 + rng_.below(4000));
    }
    if (place.restarts && now >= *place.restarts) start_process(i, now);
  }
}

void Run::tick(SteadyTime now) {
  static_assert(kCollectEvery > 0);
  load_.step(now);
  node_.step(now, wall());
  deployments_.step(wall());
  auto const ticks = (now - at_seconds(0)) / kTick;
  if (ticks % kCollectEvery == 0) api_.collect(wall());
  agenda_.at(now + kTick, [this](SteadyTime next) { tick(next); });
}

void Run::end_faults() {
  tell("from here on all is quiet");
  network_.weather = {};
  // Half-open streams are found by their silence; the rest of the world does not wait for that.
  cut_streams();
  for (auto const& place : places_) {
    if (place.process) place.process->crash_after(0, false);
  }
  node_.end_fates();
  load_.answers = true;
  load_.arrivals_rps = 0;
  policies_.calm = true;
  // Children that are being orphaned have lost their owners before somebody looks for what is nobody's.
  for (int i = 0; i < 3; ++i) api_.collect(wall());
  for (std::size_t i = 0; i < static_cast<std::size_t>(script_.services); ++i) {
    clear_foreign(i);
    create_service(i);
    edit_service(i, Edit::Last);
  }
}

}  // namespace ei::sim
