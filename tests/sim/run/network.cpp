#include "tests/sim/run/network.hpp"

#include "tests/sim/api/answers.hpp"
#include "tests/sim/run/stream.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

namespace ei::sim {

namespace asio = boost::asio;

/// One request on its way; it lives as long as its sender waits.
struct Network::Call {
  explicit Call(asio::any_io_executor executor) : answered(std::move(executor)) {}
  Timer answered;  ///< cancelled when one of the two is there
  std::optional<http::Response> answer;
  bool refused = false;  ///< nobody listens
};

namespace {

Error unreachable() {
  return make_error(ErrorKind::Unavailable, "connect: Connection refused");
}

class SimTransport final : public kube::Transport {
 public:
  SimTransport(Network& network, std::shared_ptr<Peer> peer) : network_(network), peer_(std::move(peer)) {}

  asio::awaitable<Result<http::Response>> send(http::Request request, milliseconds timeout) override {
    auto call = std::make_shared<Network::Call>(co_await asio::this_coro::executor);
    call->answered.expires_after(timeout);
    network_.send(peer_, std::move(request), call);
    while (!call->answer && !call->refused && steady_now() < call->answered.expiry()) {
      auto const [code] = co_await call->answered.async_wait(asio::as_tuple(asio::use_awaitable));
      if (code && !call->answer && !call->refused)
        co_return make_error(ErrorKind::Canceled, "the request was given up");
    }
    if (call->refused) co_return unreachable();
    if (!call->answer) co_return make_error(ErrorKind::Timeout, "no answer came in time");
    co_return std::move(*call->answer);
  }

  asio::awaitable<Result<std::unique_ptr<http::ResponseStream>>> open(http::Request request,
                                                                      milliseconds timeout) override {
    auto opened = request;
    auto answer = co_await send(std::move(request), timeout);
    if (!answer) co_return answer.error();
    co_return open_stream(network_, peer_, co_await asio::this_coro::executor, opened, std::move(*answer));
  }

 private:
  Network& network_;
  std::shared_ptr<Peer> peer_;
};

}  // namespace

kube::Dial Network::dial(std::shared_ptr<Peer> peer) {
  return [this, peer = std::move(peer)](
             std::string const&, http::TlsClientOptions const&) -> Result<std::shared_ptr<kube::Transport>> {
    return std::shared_ptr<kube::Transport>(std::make_shared<SimTransport>(*this, peer));
  };
}

std::chrono::nanoseconds Network::delay(double slow_seconds) {
  double const slow = rng_.uniform() < weather.slow_share ? rng_.uniform(0, slow_seconds) : 0;
  auto const seconds = weather.latency_seconds * rng_.uniform(0.5, 1.5) + slow;
  return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
}

void Network::send(std::shared_ptr<Peer> const& peer, http::Request request,
                   std::shared_ptr<Call> const& call) {
  if (peer->dead) return;
  if (on_sent) on_sent(*peer, request);
  bool const chosen = ++sent_ == crash_at_;
  bool const crashes = ++peer->calls == peer->crash_at || chosen;
  bool const served = chosen ? crash_served_ : peer->crash_served;
  std::weak_ptr<Call> const waiting = call;
  auto const finish = [peer, waiting](auto const& set) {
    auto const there = waiting.lock();
    if (!there || peer->dead) return;
    set(*there);
    there->answered.cancel();
    peer->wake();
  };
  if (!crashes || served) {
    bool const lost = rng_.uniform() < weather.lost_share;
    bool const unheard = rng_.uniform() < weather.unheard_share;
    auto arrive = [this, peer, finish, unheard, request = std::move(request)](SteadyTime now) {
      if (weather.server_down) {
        finish([](Call& there) { there.refused = true; });
        return;
      }
      auto answer = serve(*peer, request);
      if (unheard) return;
      agenda_.at(now + delay(weather.slow_answer_seconds), [finish, answer = std::move(answer)](SteadyTime) {
        finish([&](Call& there) { there.answer = answer; });
      });
    };
    if (!lost) agenda_.at(now_ + delay(weather.slow_seconds), std::move(arrive));
  }
  if (crashes) {
    peer->dead = true;
    peer->crashed();
  }
}

http::Response Network::serve(Peer const& peer, http::Request const& request) {
  if (rng_.uniform() < weather.refused_share) {
    static constexpr int kCodes[] = {429, 500, 502, 503, 504};
    int const code = weather.refused_code != 0 ? weather.refused_code : kCodes[rng_.below(5)];
    auto answer = failure(code, code == 429 ? "TooManyRequests" : "", "the weather is bad");
    if (code == 429 || code == 503) answer.headers.set("Retry-After", "1");
    if (weather.refused_late && ApiServer::is_watch(request)) {
      answer.status = 200;
      answer.body = "{\"type\":\"ERROR\",\"object\":" + answer.body + "}\n";
    }
    return answer;
  }
  if (on_request) on_request(peer, request);
  // A watch is opened when its stream is: the answer only says whether it may be.
  if (!ApiServer::is_watch(request)) return api_.handle(request, wall_);
  auto opened = api_.watch(request, now_);
  if (auto* refused = std::get_if<http::Response>(&opened)) return std::move(*refused);
  return {};
}

void Network::on_change(Kind const& kind) {
  std::erase_if(streams_, [](auto const& stream) { return stream.expired(); });
  for (auto const& each : streams_) {
    if (auto const stream = each.lock()) stream->changed(kind);
  }
}

}  // namespace ei::sim
