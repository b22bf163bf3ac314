#include "operator/backend/kube/client/caller.hpp"

#include "operator/backend/kube/protocol/watch_event.hpp"
#include "runtime/async/deadline.hpp"
#include "runtime/async/task_group.hpp"
#include "runtime/core/json.hpp"

#include <algorithm>
#include <utility>

namespace ei::kube {
namespace {

namespace asio = boost::asio;

// After the third refusal the caller's own back-off is the better judge.
constexpr int kMaxAttempts = 4;

// Where the server asks for less, or for nothing at all, by `Retry-After: 0`.
constexpr milliseconds kMinRetryDelay{100};

milliseconds left(SteadyTime deadline) {
  return std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(deadline - steady_now()));
}

/// Everything a connection depends on; a change needs another pool.
std::string material(http::TlsClientOptions const& tls) {
  return tls.ca_pem + '\0' + tls.client_cert_pem + '\0' + tls.client_key_pem;
}

/// A stream that keeps its transport, and with it the connection, alive after the transport was replaced.
class OwningStream final : public http::ResponseStream {
 public:
  OwningStream(std::shared_ptr<Transport> transport, std::unique_ptr<http::ResponseStream> stream)
      : transport_(std::move(transport)), stream_(std::move(stream)) {}
  http::Response const& head() const override { return stream_->head(); }
  asio::awaitable<Result<std::string>> read(milliseconds timeout) override { return stream_->read(timeout); }

 private:
  std::shared_ptr<Transport> transport_;
  std::unique_ptr<http::ResponseStream> stream_;
};

/// The body of a refused stream: a Status, so short.
asio::awaitable<http::Response> whole_answer(http::ResponseStream& stream, milliseconds timeout) {
  constexpr std::size_t kMaxStatusBytes = 64U * 1024U;
  http::Response answer = stream.head();
  while (answer.body.size() < kMaxStatusBytes) {
    auto chunk = co_await stream.read(timeout);
    if (!chunk || chunk->empty()) break;
    answer.body += *chunk;
  }
  co_return answer;
}

}  // namespace

Error error_from_answer(http::Response const& answer) {
  auto error = http::error_from_response(answer);
  auto const body = parse_json(answer.body);
  if (!body) return error;
  auto status = error_from_status(*body);
  if (!status) return error;
  status->http_status = answer.status;
  // The header is what proxies and the server's own overload filter set; the body's number is the handler's.
  if (error.retry_after) status->retry_after = error.retry_after;
  return *status;
}

Caller::Caller(asio::any_io_executor executor, Access access, ClientOptions options)
    : options_(std::move(options)),
      identity_(access),
      server_(access.server),
      bucket_(options_.requests_per_second, options_.burst),
      jitter_(options_.seed) {
  if (!options_.dial) options_.dial = dial_http(std::move(executor));
  // A server behind a proxy may have a path of its own (https://host/k8s/clusters/c-1). A URL that cannot be
  // read is the first request's error.
  if (auto const origin = http::parse_url(server_)) base_ = origin->target;
  if (base_.ends_with('/')) base_.pop_back();
}

bool Caller::may_write(Call const& call) const {
  return !call.writes || !options_.may_write || options_.may_write();
}

void Caller::tell(Call const& call, int status, SteadyTime since) const {
  if (options_.on_answer) {
    options_.on_answer({call.request.method, call.resource, status, steady_now() - since});
  }
}

Result<std::shared_ptr<Transport>> Caller::transport_for(http::TlsClientOptions const& tls) {
  auto wanted = material(tls);
  if (transport_ && wanted == transport_material_) return transport_;
  auto transport = options_.dial(server_, tls);
  if (!transport) return transport;
  transport_ = std::move(*transport);
  transport_material_ = std::move(wanted);
  return transport_;
}

asio::awaitable<Result<Caller::Prepared>> Caller::prepare(Call const& call) {
  auto identity = co_await identity_.current();
  if (!identity) co_return identity.error();
  auto transport = transport_for(identity->tls);
  if (!transport) co_return transport.error();
  Prepared prepared;
  prepared.request = call.request;
  prepared.identity = std::move(*identity);
  prepared.transport = std::move(*transport);
  auto& headers = prepared.request.headers;
  headers.set("User-Agent", options_.user_agent);
  if (!prepared.identity.bearer_token.empty()) {
    headers.set("Authorization", "Bearer " + prepared.identity.bearer_token);
  }
  prepared.request.target = base_ + prepared.request.target;
  co_return prepared;
}

asio::awaitable<Result<http::Response>> Caller::attempt(Call const& call, milliseconds timeout) {
  for (bool fresh = false;; fresh = true) {
    auto prepared = co_await prepare(call);
    if (!prepared) co_return prepared.error();
    if (!may_write(call))
      co_return make_error(ErrorKind::Canceled, "this process is not the leader any more");
    auto const since = steady_now();
    auto answer = co_await prepared->transport->send(std::move(prepared->request), timeout);
    tell(call, answer ? answer->status : 0, since);
    if (!answer || answer->status != 401 || fresh) co_return answer;
    identity_.rejected(prepared->identity);
  }
}

asio::awaitable<Result<http::Response>> Caller::send(Call call) {
  auto const deadline = steady_now() + call.timeout;
  if (auto const wait = bucket_.reserve(steady_now()); wait > milliseconds(0)) co_await sleep_for(wait);
  for (int attempts = 1;; ++attempts) {
    auto work = attempt(call, left(deadline));
    auto answer = co_await within(left(deadline), "the API server", std::move(work));
    if (!answer) co_return answer.error();
    if (answer->status < 400) co_return answer;
    auto error = error_from_answer(*answer);
    bool const asked = error.retry_after && (answer->status == 429 || answer->status >= 500);
    if (!call.repeat || !asked || attempts >= kMaxAttempts) co_return error;
    auto const pause = jitter_.stretch(std::max(*error.retry_after, kMinRetryDelay), 0.2);
    if (pause >= left(deadline)) co_return error;
    co_await sleep_for(pause);
  }
}

asio::awaitable<Result<std::unique_ptr<http::ResponseStream>>> Caller::open(Call call) {
  for (bool fresh = false;; fresh = true) {
    auto prepared = co_await prepare(call);
    if (!prepared) co_return prepared.error();
    auto const since = steady_now();
    auto stream = co_await prepared->transport->open(std::move(prepared->request), call.timeout);
    tell(call, stream ? (*stream)->head().status : 0, since);
    if (!stream) co_return stream.error();
    auto const status = (*stream)->head().status;
    if (status == 200) {
      std::unique_ptr<http::ResponseStream> owning =
          std::make_unique<OwningStream>(prepared->transport, std::move(*stream));
      co_return owning;
    }
    if (status != 401 || fresh) {
      auto const answer = co_await whole_answer(**stream, call.timeout);
      co_return error_from_answer(answer);
    }
    identity_.rejected(prepared->identity);
  }
}

}  // namespace ei::kube
