#include "runtime/http/transport.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace ei::http {
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
// TLS's goodbye is one packet; what takes longer is the peer's, which nobody needs.
constexpr milliseconds kCloseNotifyTime{100};

Error stream_error(boost::system::error_code const& code, bool expired, char const* doing) {
  if (expired) return make_error(ErrorKind::Timeout, std::string(doing) + " took too long");
  if (code == asio::error::operation_aborted)
    return make_error(ErrorKind::Canceled, std::string(doing) + " ended");
  return make_error(ErrorKind::Unavailable, std::string(doing) + " failed: " + code.message());
}

bool is_end(boost::system::error_code const& code) {
  // A TLS peer that closes without close_notify: HTTP's own framing says whether something is missing.
  return code == asio::error::eof || code == asio::ssl::error::stream_truncated;
}

// Once is enough, and each time would be a system call.
void make_non_blocking(tcp::socket& socket) {
  boost::system::error_code ignored;
  if (!socket.non_blocking()) socket.non_blocking(true, ignored);
}

// Appends what is there already; 0 at the stream's end.
boost::system::result<std::size_t> read_waiting(tcp::socket& socket, std::string& out, std::size_t most) {
  // Nothing runs between the read and the copy: one buffer serves all connections of the thread.
  thread_local std::vector<char> buffer;
  buffer.resize(std::max(buffer.size(), most));
  boost::system::error_code code;
  make_non_blocking(socket);
  std::size_t const size = socket.read_some(asio::buffer(buffer.data(), most), code);
  if (code && !is_end(code)) return code;
  out.append(buffer.data(), size);
  return size;
}

// The same without a copy in between.
boost::system::result<std::size_t> read_straight(tcp::socket& socket, std::string& out, std::size_t most) {
  boost::system::error_code code;
  make_non_blocking(socket);
  std::size_t const before = out.size();
  out.resize(before + most);
  std::size_t const size = socket.read_some(asio::buffer(out.data() + before, most), code);
  out.resize(before + size);
  if (code && !is_end(code)) return code;
  return size;
}

}  // namespace

void keep_from_children(int descriptor) {
  // Asio opens and accepts without CLOEXEC. No program is started in between: that is this thread's work too.
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

struct Watchdog::State {
  std::function<void()> on_expire;
  std::uint64_t generation = 0;
  bool expired = false;
};

Watchdog::Watchdog(asio::any_io_executor executor, std::function<void()> on_expire)
    : state_(std::make_shared<State>()), timer_(std::move(executor)) {
  state_->on_expire = std::move(on_expire);
}

Watchdog::~Watchdog() {
  ++state_->generation;
}

void Watchdog::arm(SteadyTime deadline) {
  state_->expired = false;
  auto const generation = ++state_->generation;
  if (deadline == kNever) return;
  timer_.expires_at(deadline);
  timer_.async_wait([state = state_, generation](boost::system::error_code const& code) {
    if (code || state->generation != generation) return;
    state->expired = true;
    state->on_expire();
  });
}

bool Watchdog::disarm() {
  ++state_->generation;
  timer_.cancel();
  return std::exchange(state_->expired, false);
}

tcp::socket& lowest(AnyStream& stream) {
  if (auto* plain = std::get_if<tcp::socket>(&stream)) return *plain;
  return std::get<TlsStream>(stream).next_layer();
}

std::string describe_peer(tcp::socket const& socket) {
  boost::system::error_code code;
  auto const endpoint = socket.remote_endpoint(code);
  if (code) return {};
  auto const address = endpoint.address().to_string();
  auto const port = std::to_string(endpoint.port());
  return endpoint.address().is_v6() ? "[" + address + "]:" + port : address + ":" + port;
}

void tune(tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  keep_from_children(socket.native_handle());
}

Transport::Transport(AnyStream stream)
    : stream_(std::move(stream)),
      peer_(describe_peer(lowest(stream_))),
      read_deadline_(lowest(stream_).get_executor(), [this] { cancel_read(); }),
      write_deadline_(lowest(stream_).get_executor(), [this] { end_late_write(); }) {
  tune(socket());
}

Transport::~Transport() = default;

tcp::socket& Transport::socket() {
  return lowest(stream_);
}

asio::awaitable<Result<std::size_t>> Transport::read_some(asio::mutable_buffer buffer, SteadyTime deadline) {
  read_deadline_.arm(deadline);
  boost::system::error_code code;
  std::size_t size = 0;
  if (auto* plain = std::get_if<tcp::socket>(&stream_)) {
    std::tie(code, size) = co_await plain->async_read_some(buffer, kAwait);
  } else {
    std::tie(code, size) = co_await std::get<TlsStream>(stream_).async_read_some(buffer, kAwait);
  }
  bool const expired = read_deadline_.disarm();
  if (size > 0 || !code) co_return size;
  if (is_end(code)) co_return std::size_t{0};
  co_return stream_error(code, expired, "reading");
}

asio::awaitable<Result<std::size_t>> Transport::read_into(std::string& out, std::size_t most,
                                                          SteadyTime deadline) {
  auto* plain = std::get_if<tcp::socket>(&stream_);
  if (plain == nullptr) co_return co_await read_record(std::get<TlsStream>(stream_), out, most, deadline);
  for (;;) {
    read_deadline_.arm(deadline);
    auto const [waited] = co_await plain->async_wait(tcp::socket::wait_read, kAwait);
    bool const expired = read_deadline_.disarm();
    if (waited) co_return stream_error(waited, expired, "reading");
    auto const got = read_waiting(*plain, out, most);
    if (got) co_return *got;
    if (got.error() != asio::error::would_block) co_return stream_error(got.error(), false, "reading");
  }
}

asio::awaitable<Result<std::size_t>> Transport::read_straight_into(std::string& out, std::size_t most,
                                                                   SteadyTime deadline, bool is_there) {
  auto* plain = std::get_if<tcp::socket>(&stream_);
  if (plain == nullptr) co_return co_await read_record(std::get<TlsStream>(stream_), out, most, deadline);
  for (;;) {
    if (!is_there) {
      read_deadline_.arm(deadline);
      auto const [waited] = co_await plain->async_wait(tcp::socket::wait_read, kAwait);
      bool const expired = read_deadline_.disarm();
      if (waited) co_return stream_error(waited, expired, "reading");
    }
    auto const got = read_straight(*plain, out, most);
    if (got) co_return *got;
    if (got.error() != asio::error::would_block) co_return stream_error(got.error(), false, "reading");
    is_there = false;
  }
}

asio::awaitable<Result<void>> Transport::write(std::string_view first, std::string_view second,
                                               SteadyTime deadline, std::function<SteadyTime()> later) {
  later_write_deadline_ = std::move(later);
  write_deadline_.arm(deadline);
  std::array<asio::const_buffer, 2> const buffers{asio::buffer(first), asio::buffer(second)};
  boost::system::error_code code;
  std::size_t size = 0;
  if (auto* plain = std::get_if<tcp::socket>(&stream_)) {
    std::tie(code, size) = co_await asio::async_write(*plain, buffers, kAwait);
  } else {
    std::tie(code, size) = co_await asio::async_write(std::get<TlsStream>(stream_), buffers, kAwait);
  }
  bool const expired = write_deadline_.disarm();
  later_write_deadline_ = nullptr;
  if (code) co_return stream_error(code, expired, "writing");
  co_return Result<void>(boost::system::in_place_value);
}

void Transport::end_late_write() {
  auto const next = later_write_deadline_ ? later_write_deadline_() : SteadyTime::min();
  if (next > std::chrono::steady_clock::now()) return write_deadline_.arm(next);
  cancel_read();
}

// Waits for the first byte of a record; the rest of what was decrypted with it is there without waiting.
asio::awaitable<Result<std::size_t>> Transport::read_record(TlsStream& tls, std::string& out,
                                                            std::size_t most, SteadyTime deadline) {
  char first = 0;
  auto const begun = co_await read_some(asio::buffer(&first, 1), deadline);
  if (!begun || *begun == 0) co_return begun;
  out.push_back(first);
  std::size_t size = 1;
  auto const waiting = static_cast<std::size_t>(std::max(0, SSL_pending(tls.native_handle())));
  if (auto const wanted = std::min(waiting, most - size); wanted > 0) {
    // Nothing runs between the read and the copy: one buffer serves all connections of the thread.
    thread_local std::vector<char> buffer;
    buffer.resize(std::max(buffer.size(), wanted));
    boost::system::error_code code;
    std::size_t const got = tls.read_some(asio::buffer(buffer.data(), wanted), code);
    out.append(buffer.data(), got);  // an error comes again with the next read
    size += got;
  }
  co_return size;
}

asio::awaitable<Result<void>> Transport::handshake(SteadyTime deadline) {
  auto* tls = std::get_if<TlsStream>(&stream_);
  if (tls == nullptr) co_return Result<void>(boost::system::in_place_value);
  read_deadline_.arm(deadline);
  auto const [code] = co_await tls->async_handshake(asio::ssl::stream_base::client, kAwait);
  bool const expired = read_deadline_.disarm();
  if (!code) co_return Result<void>(boost::system::in_place_value);
  Error error = stream_error(code, expired, "the TLS handshake");
  auto const verdict = verify_failure(*tls);
  if (!verdict.empty()) error.message += " (" + verdict + ")";
  co_return error;
}

void Transport::say(std::string_view bytes) {
  boost::system::error_code ignored;
  socket().non_blocking(true, ignored);
  socket().write_some(asio::buffer(bytes), ignored);
}

asio::awaitable<void> Transport::close_notify(SteadyTime deadline) {
  auto* tls = std::get_if<TlsStream>(&stream_);
  if (tls == nullptr || SSL_is_init_finished(tls->native_handle()) == 0) co_return;
  read_deadline_.arm(std::min(deadline, std::chrono::steady_clock::now() + kCloseNotifyTime));
  co_await tls->async_shutdown(kAwait);
  read_deadline_.disarm();
}

asio::awaitable<void> Transport::linger(SteadyTime deadline) {
  boost::system::error_code ignored;
  co_await close_notify(deadline);
  socket().shutdown(tcp::socket::shutdown_send, ignored);
  // What comes is not looked at: all connections may share the place for it.
  thread_local std::array<char, 16 * 1024> sink;
  auto const buffer = asio::buffer(sink);
  for (;;) {
    read_deadline_.arm(deadline);
    auto const [code, size] = co_await socket().async_read_some(buffer, kAwait);
    read_deadline_.disarm();
    if (code || std::chrono::steady_clock::now() >= deadline) break;
  }
  close();
}

void Transport::cancel_read() {
  boost::system::error_code ignored;
  if (place_ != nullptr) place_->cancel();
  socket().cancel(ignored);
}

void Transport::close() {
  boost::system::error_code ignored;
  if (place_ != nullptr) place_->cancel();
  socket().close(ignored);
}

void Transport::reset() {
  boost::system::error_code ignored;
  socket().set_option(asio::socket_base::linger(true, 0), ignored);
  close();
}

bool Transport::is_quiet() {
  if (!socket().is_open()) return false;
  char byte = 0;
  auto const got = ::recv(socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

AnyStream Transport::release() {
  read_deadline_.disarm();
  write_deadline_.disarm();
  return std::move(stream_);
}

}  // namespace ei::http
