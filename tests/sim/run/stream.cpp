#include "tests/sim/run/stream.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

namespace ei::sim {
namespace {

namespace asio = boost::asio;

// A late event is late by so much at most: less than a silence that makes a client reopen its stream (65 s).
constexpr double kLateSeconds = 20;

class OpenStream final : public http::ResponseStream {
 public:
  explicit OpenStream(std::shared_ptr<Network::Stream> stream) : stream_(std::move(stream)) {}
  http::Response const& head() const override { return stream_->head(); }
  asio::awaitable<Result<std::string>> read(milliseconds timeout) override { return stream_->read(timeout); }

 private:
  std::shared_ptr<Network::Stream> stream_;
};

}  // namespace

Network::Stream::Stream(Network& network, std::shared_ptr<Peer> peer, asio::any_io_executor executor,
                        http::Response head, std::optional<Watch> watch)
    : network_(network),
      peer_(std::move(peer)),
      news_(std::move(executor)),
      head_(std::move(head)),
      watch_(std::move(watch)),
      epoch_(network.epoch()),
      stalled_(network.rng().uniform() < network.weather.stalled_share) {}

void Network::Stream::changed(Kind const& kind) {
  if (peer_->dead || (watch_ && watch_->kind().type != kind.type && !broken())) return;
  news_.cancel();
  peer_->wake();
}

Result<std::string> Network::Stream::deliver() {
  auto& rng = network_.rng();
  if (rng.uniform() < network_.weather.cut_share) {
    failed_ = true;
    // The end may cut a line in two.
    return pending_.substr(0, rng.below(pending_.size()));
  }
  auto const size = network_.weather.split ? std::min<std::size_t>(pending_.size(), 1 + rng.below(2000))
                                           : std::min<std::size_t>(pending_.size(), 64U * 1024U);
  auto piece = pending_.substr(0, size);
  pending_.erase(0, size);
  if (pending_.empty()) note_seen();
  return piece;
}

void Network::Stream::note_seen() {
  // A watch that has ended may have ended with an error: that brings nothing.
  if (network_.on_seen && !watch_->ended(network_.now())) network_.on_seen(*peer_, watch_->kind(), brings_);
}

asio::awaitable<Result<std::string>> Network::Stream::read(milliseconds timeout) {
  if (!watch_) co_return body_read_ ? std::string() : (body_read_ = true, head_.body);
  auto const deadline = steady_now() + timeout;
  while (true) {
    if (broken()) co_return make_error(ErrorKind::Unavailable, "the connection was lost");
    auto const now = network_.now();
    auto wake = deadline;
    if (!stalled_ && !peer_->dead) {
      if (pending_.empty()) {
        pending_ = watch_->take(network_.api().storage(), now);
        brings_ = network_.api().storage().version();
        if (pending_.empty()) note_seen();
        bool const late = network_.rng().uniform() < network_.weather.late_share;
        auto const seconds =
            network_.weather.latency_seconds + (late ? network_.rng().uniform(0, kLateSeconds) : 0);
        not_before_ = now + std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
      }
      if (!pending_.empty() && now >= not_before_) {
        auto piece = deliver();
        if (piece && piece->empty()) continue;
        co_return piece;
      }
      if (pending_.empty() && watch_->ended(now)) co_return std::string();
      wake = std::min(deadline, pending_.empty() ? watch_->next_due() : not_before_);
    }
    if (steady_now() >= deadline) co_return make_error(ErrorKind::Timeout, "nothing came in time");
    news_.expires_at(wake);
    auto const [code] = co_await news_.async_wait(asio::as_tuple(asio::use_awaitable));
    auto const state = co_await asio::this_coro::cancellation_state;
    if (code && state.cancelled() != asio::cancellation_type::none)
      co_return make_error(ErrorKind::Canceled, "the stream was given up");
  }
}

std::unique_ptr<http::ResponseStream> open_stream(Network& network, std::shared_ptr<Peer> peer,
                                                  asio::any_io_executor executor,
                                                  http::Request const& request, http::Response answer) {
  std::optional<Watch> watch;
  if (answer.status == 200 && answer.body.empty()) {
    auto opened = network.api().watch(request, network.now());
    if (auto* refused = std::get_if<http::Response>(&opened)) {
      answer = std::move(*refused);
    } else {
      watch = std::get<Watch>(std::move(opened));
    }
  }
  auto stream = std::make_shared<Network::Stream>(network, std::move(peer), std::move(executor),
                                                  std::move(answer), std::move(watch));
  network.join(stream);
  return std::make_unique<OpenStream>(std::move(stream));
}

}  // namespace ei::sim
