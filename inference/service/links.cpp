#include "inference/service/links.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "inference/service/link_session.hpp"
#include "runtime/async/task_group.hpp"
#include "runtime/http/resolve.hpp"
#include "runtime/log/failed_task.hpp"
#include "runtime/log/log.hpp"
#include "runtime/process/files.hpp"
#include "runtime/process/program.hpp"

namespace ei::inference {
namespace {

namespace link = dispatcher::link;

/// How soon a dispatcher that was added behind a name is found.
constexpr milliseconds kResolveEvery{3'000};
/// glibc asks each of up to three name servers twice, for 5 s: later there is no answer.
constexpr milliseconds kResolveTimeout{30'000};
/// Between attempts to connect; the issue is a dispatcher that restarts, which takes tens of milliseconds.
constexpr milliseconds kFirstBackOff{50};
constexpr milliseconds kLastBackOff{2'000};
/// What a Secret may hold; an authority is about 1 KiB.
constexpr std::size_t kMaxCaBytes = std::size_t{1} << 20;

using Address = std::pair<std::string, std::uint16_t>;  // numeric host, port

std::string key_of(DispatcherName const& name) {
  return name.host + ":" + std::to_string(name.port);
}

}  // namespace

struct Links::State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor ex, Worker& w, Metrics& m, LinkOptions given)
      : executor(ex),
        worker(w),
        metrics(m),
        options(std::move(given)),
        random(std::random_device{}()),
        session_ended(ex),
        resolving(ex, log::failed_task),
        linking(ex, log::failed_task) {}

  asio::awaitable<void> follow(DispatcherName name);
  asio::awaitable<void> keep_linked(Address address);
  asio::awaitable<Error> link_once(Address address);
  using Connected = Result<std::unique_ptr<http::WebSocket>>;
  asio::awaitable<Connected> connect(Address address);
  asio::awaitable<Connected> connect_with(Address address, std::filesystem::path token_file);
  Result<std::optional<http::TlsClientOptions>> tls_for(Address const& address) const;
  milliseconds jittered(milliseconds wait);

  asio::any_io_executor executor;
  Worker& worker;
  Metrics& metrics;
  LinkOptions options;
  std::minstd_rand random;
  std::map<std::string, std::set<Address>> resolved;  ///< by name
  std::set<Address> tried;                            ///< addresses that have a task
  std::set<std::shared_ptr<LinkSession>> sessions;
  Event session_ended;
  bool leaving = false;
  TaskGroup resolving;
  TaskGroup linking;

  [[nodiscard]] bool wanted(Address const& address) const {
    return std::any_of(resolved.begin(), resolved.end(),
                       [&](auto const& entry) { return entry.second.contains(address); });
  }
};

/// Anywhere in [1 ms, wait]: full jitter, as workers lose a dispatcher all at the same moment.
milliseconds Links::State::jittered(milliseconds wait) {
  return milliseconds(1 + static_cast<std::int64_t>(random()) % wait.count());
}

/// Resolves one name for ever and gives each new address a task.
asio::awaitable<void> Links::State::follow(DispatcherName name) {
  auto const key = key_of(name);
  bool failed_before = false;
  for (;;) {
    auto const deadline = std::chrono::steady_clock::now() + kResolveTimeout;
    auto const found = co_await http::resolve(executor, name.host, name.port, deadline);
    if (!found) {
      if (!failed_before)
        log::warn("dispatcher_unresolved", {{"name", key}, {"error", found.error().message}});
      failed_before = true;  // the addresses known so far stay
    } else {
      failed_before = false;
      std::set<Address> addresses;
      for (auto const& endpoint : *found) addresses.emplace(endpoint.address().to_string(), endpoint.port());
      resolved[key] = addresses;
      for (auto const& address : addresses) {
        if (!tried.insert(address).second) continue;
        linking.spawn("link", [self = shared_from_this(), address] { return self->keep_linked(address); });
      }
    }
    co_await sleep_for(found ? kResolveEvery : std::min(kResolveEvery, kLastBackOff));
  }
}

asio::awaitable<void> Links::State::keep_linked(Address address) {
  milliseconds wait = kFirstBackOff;
  while (!leaving && wanted(address)) {
    auto const start = std::chrono::steady_clock::now();
    auto const why = co_await link_once(address);
    if (leaving) break;
    // A link that held for a while starts the back-off anew.
    if (std::chrono::steady_clock::now() - start > kLastBackOff) wait = kFirstBackOff;
    milliseconds const pause = jittered(wait);
    log::warn("link_lost", {{"dispatcher", address.first + ":" + std::to_string(address.second)},
                            {"error", why.message},
                            {"retry_in_ms", pause.count()}});
    co_await sleep_for(pause);
    wait = std::min(2 * wait, kLastBackOff);
  }
  tried.erase(address);
}

/// A certificate is for the name that was asked for, not for the address that it had. It is read for every
/// attempt, as the token is.
Result<std::optional<http::TlsClientOptions>> Links::State::tls_for(Address const& address) const {
  if (options.dispatcher_ca.empty()) return std::optional<http::TlsClientOptions>();
  auto authority = process::read_file(options.dispatcher_ca, kMaxCaBytes);
  if (!authority) return authority.error();
  http::TlsClientOptions tls;
  tls.ca_pem = std::move(*authority);
  // An empty one would mean those that the system trusts.
  if (tls.ca_pem.empty()) return make_error(ErrorKind::Invalid, options.dispatcher_ca.string() + " is empty");
  for (auto const& name : options.dispatchers) {
    auto const found = resolved.find(key_of(name));
    if (found != resolved.end() && found->second.contains(address)) tls.server_name = name.host;
  }
  return std::optional(std::move(tls));
}

/// The token is read for every attempt: it may be one that is replaced every few minutes.
asio::awaitable<Links::State::Connected> Links::State::connect_with(Address address,
                                                                    std::filesystem::path token_file) {
  auto token = process::read_token(token_file);
  if (!token) co_return token.error();
  auto tls = tls_for(address);
  if (!tls) co_return tls.error();
  http::WebSocketConnect connect;
  connect.url.scheme = *tls ? "wss" : "ws";
  connect.tls = std::move(*tls);
  connect.url.host = address.first;
  connect.url.port = address.second;
  connect.url.target = std::string(link::kPath);
  connect.limits.max_message = link::kMaxFrameBytes;
  if (!token->empty()) connect.headers.set("Authorization", "Bearer " + *token);
  co_return co_await http::connect_websocket(executor, std::move(connect));
}

asio::awaitable<Links::State::Connected> Links::State::connect(Address address) {
  auto socket = co_await connect_with(address, options.token_file);
  if (socket || socket.error().http_status != 401 || options.former_token_file.empty()) co_return socket;
  std::error_code ignored;
  if (!std::filesystem::exists(options.former_token_file, ignored)) co_return socket;
  // A dispatcher of the release before, which knows this one alone: its queue is served until it is replaced.
  auto former = co_await connect_with(address, options.former_token_file);
  co_return former ? std::move(former) : std::move(socket);
}

asio::awaitable<Error> Links::State::link_once(Address address) {
  auto socket = co_await connect(address);
  if (!socket) co_return socket.error();
  link::Hello hello;
  hello.worker = options.worker_name;
  hello.model = options.model_name;
  hello.classes = worker.classes();
  hello.labels_sha256 = worker.labels_sha256();
  hello.output = worker.output();
  hello.precision = worker.precision();
  if (auto const& calibration = worker.calibration()) hello.agreement = calibration->agreement.top1;
  hello.model_version = worker.model_version();
  hello.standby = worker.standby();
  auto const session = std::make_shared<LinkSession>(executor, worker, metrics, std::move(*socket));
  sessions.insert(session);
  metrics.set_links(sessions.size());
  if (leaving) session->drain();
  log::info("linked", {{"dispatcher", address.first + ":" + std::to_string(address.second)}});
  auto why = co_await session->serve(std::move(hello));
  sessions.erase(session);
  session_ended.notify();
  metrics.set_links(sessions.size());
  co_return why;
}

Links::Links(asio::any_io_executor executor, Worker& worker, Metrics& metrics, LinkOptions options)
    : state_(std::make_shared<State>(std::move(executor), worker, metrics, std::move(options))) {}

Links::~Links() = default;

void Links::start() {
  for (auto const& name : state_->options.dispatchers) {
    state_->resolving.spawn("resolve", [state = state_, name] { return state->follow(name); });
  }
}

void Links::standby_changed() {
  for (auto const& session : state_->sessions) session->set_standby(state_->worker.standby());
}

asio::awaitable<bool> Links::drain(milliseconds timeout) {
  auto const state = state_;
  state->leaving = true;
  for (auto const& session : state->sessions) session->drain();
  co_await state->resolving.stop();
  // A task without a session is between two attempts and ends when it looks next; it holds nothing.
  auto const deadline = std::chrono::steady_clock::now() + timeout;
  bool const finished = co_await until(
      state->session_ended, [&] { return state->sessions.empty(); }, deadline);
  co_await state->linking.stop();
  co_return finished;
}

void Links::overrun(std::shared_ptr<link::Job const> const& job) {
  state_->leaving = true;
  for (auto const& session : state_->sessions) session->overrun(job);
}

Result<DispatcherName> parse_dispatcher(std::string_view text) {
  DispatcherName name;
  auto const invalid = [&] {
    return make_error(ErrorKind::Invalid,
                      "'" + std::string(text) + "': allowed are HOST, HOST:PORT and [IPV6]:PORT");
  };
  auto port = std::string_view();
  if (text.starts_with('[')) {
    auto const end = text.find(']');
    if (end == std::string_view::npos) return invalid();
    name.host = std::string(text.substr(1, end - 1));
    auto const rest = text.substr(end + 1);
    if (!rest.empty() && rest[0] != ':') return invalid();
    if (!rest.empty()) port = rest.substr(1);
    if (!rest.empty() && port.empty()) return invalid();
  } else {
    auto const colon = text.find(':');
    name.host = std::string(text.substr(0, colon));
    if (colon != std::string_view::npos) {
      port = text.substr(colon + 1);
      if (port.empty()) return invalid();
    }
  }
  if (name.host.empty()) return invalid();
  if (port.empty()) return name;
  auto const [end, failed] = std::from_chars(port.data(), port.data() + port.size(), name.port);
  if (failed != std::errc() || end != port.data() + port.size() || name.port == 0) return invalid();
  return name;
}

}  // namespace ei::inference
