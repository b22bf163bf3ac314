#include "inference/fetch/fetch.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <random>
#include <system_error>

#include "inference/fetch/cache_room.hpp"
#include "inference/fetch/partial_file.hpp"
#include "runtime/async/deadline.hpp"
#include "runtime/async/task_group.hpp"
#include "runtime/core/redact.hpp"
#include "runtime/core/version.hpp"
#include "runtime/crypto/digest.hpp"
#include "runtime/http/client.hpp"
#include "runtime/log/log.hpp"

namespace ei::inference {
namespace {

namespace fs = std::filesystem;

/// Between attempts: doubled each time, from the first to the last.
constexpr milliseconds kFirstBackOff{500};
constexpr milliseconds kLastBackOff{15'000};
/// A transfer that began is worth waiting for. One that does not begin is more often a wrong address: the
/// process ends, so that its parent can report this and start it again. Less than an operator's patience
/// with a worker, except for a server that accepts the connection and is silent.
constexpr milliseconds kFirstByteWait{5'000};
/// For how much of a body of unknown length room is made at a time: ResNet18's weights once.
constexpr std::uint64_t kRoomStep = 64U << 20U;
/// How often a process looks whether the one that downloads has finished.
constexpr milliseconds kLockPoll{200};

/// As logs and errors name it.
std::string shown(http::Url const& url) {
  return display_url(url.to_string());
}

/// Worth another attempt: the connection, not the request, is to blame.
bool can_mend(Error const& error) {
  switch (error.kind) {
    case ErrorKind::Unavailable:
    case ErrorKind::Timeout:
    case ErrorKind::TooMany:
      return true;
    case ErrorKind::Protocol:
      return error.http_status == 0 || error.http_status >= 500;
    default:
      return false;
  }
}

/// Where the body of a 206 begins: `Content-Range: bytes 100-199/200`.
std::optional<std::uint64_t> range_start(http::Response const& head) {
  auto const value = head.headers.get("Content-Range").value_or("");
  constexpr std::string_view kUnit = "bytes ";
  if (!value.starts_with(kUnit)) return {};
  std::uint64_t start = 0;
  auto const digits = value.substr(kUnit.size());
  auto const [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), start);
  if (failed != std::errc() || end == digits.data() + digits.size() || *end != '-') return {};
  return start;
}

struct Transfer {
  http::Url url;
  FetchOptions options;
  fs::path target;
  PartialFile file;
  std::string validator;  ///< the strong ETag that the bytes so far belong to
  std::uint64_t received = 0;
};

Error too_large(std::uint64_t limit) {
  return make_error(ErrorKind::Invalid, "larger than " + std::to_string(limit) + " bytes");
}

/// What the head announces, before a byte is taken: encodings that nobody asked for could unpack to anything,
/// and a size over the limit or the disk need not be tried. Errors: Invalid, Io.
Result<void> check_head(Transfer const& transfer, http::Response const& head) {
  auto const encoding = head.headers.get("Content-Encoding").value_or("identity");
  if (encoding != "identity") {
    return make_error(ErrorKind::Invalid, "the server sends Content-Encoding " +
                                              std::string(encoding.substr(0, 32)) +
                                              ", and the bytes are taken only as they are");
  }
  auto const length = head.headers.get("Content-Length").value_or("0");
  std::uint64_t bytes = 0;
  auto const [end, failed] = std::from_chars(length.data(), length.data() + length.size(), bytes);
  auto const limit = transfer.options.max_bytes;
  if (failed == std::errc::result_out_of_range || bytes > limit || transfer.file.size() + bytes > limit)
    return too_large(limit);
  return make_room(transfer.target, transfer.file.size(), bytes, transfer.options.max_cache_bytes);
}

/// Empties the file where the answer does not continue it. Errors: the status's.
Result<void> begin_body(Transfer& transfer, http::Response const& head) {
  if (head.status == 206 && range_start(head) == transfer.file.size()) return {};
  if (head.status == 416 || head.status == 206) {
    // Not the range asked for: what is there already is longer than the file, or of another version.
    if (auto const cleared = transfer.file.clear(); !cleared) return cleared.error();
    return make_error(ErrorKind::Unavailable, "the server cannot continue the transfer; it starts over");
  }
  if (head.status != 200) return http::error_from_response(head);
  auto const etag = head.headers.get("ETag").value_or("");
  transfer.validator = etag.starts_with("W/") ? std::string() : std::string(etag);
  return transfer.file.clear();
}

/// One connection's worth of bytes.
asio::awaitable<Result<void>> attempt(asio::any_io_executor executor, Transfer& transfer) {
  http::Headers headers;
  headers.set("User-Agent", "elastic-inference/" + std::string(version()));
  headers.set("Accept-Encoding", "identity");
  // Without a digest nothing but a validator proves that the parts belong together.
  if (transfer.options.sha256.empty() && transfer.validator.empty()) {
    if (auto const cleared = transfer.file.clear(); !cleared) co_return cleared.error();
  }
  if (transfer.file.size() > 0) {
    headers.set("Range", "bytes=" + std::to_string(transfer.file.size()) + "-");
    if (!transfer.validator.empty()) headers.set("If-Range", transfer.validator);
    log::info("download_resumed", {{"url", shown(transfer.url)}, {"at_bytes", transfer.file.size()}});
  }
  http::Follow follow;
  follow.admit_url = [&](http::Url const& url) { return admit_url(transfer.options.reach, url); };
  follow.admit_address = [&](http::Url const& url, asio::ip::address const& address) {
    return admit_address(transfer.options.reach, url, address);
  };
  auto stream = co_await http::get_following(executor, transfer.url, headers, transfer.options.tls,
                                             transfer.options.stall_timeout, std::move(follow));
  if (!stream) co_return stream.error();
  if (auto const begun = begin_body(transfer, (*stream)->head()); !begun) co_return begun.error();
  if (auto const fits = check_head(transfer, (*stream)->head()); !fits) co_return fits.error();
  // A body of unknown length is made room for in steps.
  auto room_until = (*stream)->head().headers.get("Content-Length") ? transfer.options.max_bytes : 0;
  for (;;) {
    auto const bytes = co_await (*stream)->read(transfer.options.stall_timeout);
    if (!bytes) co_return bytes.error();
    if (bytes->empty()) co_return Result<void>();
    if (transfer.file.size() + bytes->size() > room_until) {
      auto const step = std::min(kRoomStep, transfer.options.max_bytes);
      room_until = transfer.file.size() + step;
      auto const room =
          make_room(transfer.target, transfer.file.size(), step, transfer.options.max_cache_bytes);
      if (!room) co_return room.error();
    }
    if (transfer.file.size() + bytes->size() > transfer.options.max_bytes) {
      co_return too_large(transfer.options.max_bytes);
    }
    if (auto const written = transfer.file.append(*bytes); !written) co_return written.error();
    transfer.received += bytes->size();
  }
}

/// A moment in [wait / 2, wait], so that many workers do not come back together.
milliseconds jittered(milliseconds wait) {
  static std::minstd_rand generator(std::random_device{}());
  return wait / 2 + milliseconds(static_cast<std::int64_t>(generator()) % (wait.count() / 2 + 1));
}

asio::awaitable<Result<void>> transfer_all(asio::any_io_executor executor, Transfer& transfer) {
  milliseconds wait = kFirstBackOff;
  auto const give_up = std::chrono::steady_clock::now() + kFirstByteWait;
  for (;;) {
    auto const before = transfer.received;
    auto const done = co_await attempt(executor, transfer);
    if (done) co_return done;
    if (!can_mend(done.error())) co_return done;
    auto const left = std::chrono::duration_cast<milliseconds>(give_up - std::chrono::steady_clock::now());
    bool const begun = transfer.received > 0;
    if (!begun && left <= milliseconds(0)) co_return done;
    if (transfer.received > before) wait = kFirstBackOff;
    milliseconds const pause = begun ? jittered(wait) : std::min(jittered(wait), left);
    log::warn("download_broken", {{"url", shown(transfer.url)},
                                  {"error", done.error().message},
                                  {"at_bytes", transfer.file.size()},
                                  {"retry_in_ms", pause.count()}});
    co_await sleep_for(pause);
    wait = std::min(2 * wait, kLastBackOff);
  }
}

Error digest_differs(http::Url const& url, std::string const& expected, std::string const& found) {
  return make_error(ErrorKind::Invalid,
                    shown(url) + " has the SHA-256 " + found + ", expected is " + expected);
}

/// Downloads under the lock.
asio::awaitable<Result<fs::path>> download(asio::any_io_executor executor, http::Url url,
                                           FetchOptions options, fs::path target) {
  auto const partial = fs::path(target).concat(".partial");
  auto file = PartialFile::open(partial);
  if (!file) co_return file.error();
  bool const continues = file->size() > 0 && !options.sha256.empty();
  Transfer transfer{url, options, target, std::move(*file), {}};
  log::info("download_started", {{"url", shown(url)}, {"to", target.string()}});
  auto done = co_await transfer_all(executor, transfer);
  if (!done) co_return done.error();
  auto digest = sha256_of_file(partial);
  if (!digest) co_return digest.error();
  if (!options.sha256.empty() && *digest != options.sha256) {
    if (auto const cleared = transfer.file.clear(); !cleared) co_return cleared.error();
    if (!continues) co_return digest_differs(url, options.sha256, *digest);
    // The part that an earlier process left may have been of another version.
    done = co_await transfer_all(executor, transfer);
    if (!done) co_return done.error();
    digest = sha256_of_file(partial);
    if (!digest) co_return digest.error();
    if (*digest != options.sha256) {
      if (auto const cleared = transfer.file.clear(); !cleared) co_return cleared.error();
      co_return digest_differs(url, options.sha256, *digest);
    }
  }
  auto const bytes = transfer.file.size();
  if (auto const published = transfer.file.publish(target); !published) co_return published.error();
  log::info("download_finished", {{"url", shown(url)}, {"bytes", bytes}, {"sha256", *digest}});
  co_return target;
}

asio::awaitable<Result<fs::path>> fetch_locked(asio::any_io_executor executor, http::Url url,
                                               FetchOptions options, fs::path target) {
  auto const lock_path = fs::path(target).concat(".lock");
  for (;;) {
    std::error_code ignored;
    if (!options.sha256.empty() && fs::is_regular_file(target, ignored)) {
      auto const digest = sha256_of_file(target);
      if (digest && *digest == options.sha256) {
        mark_used(target);
        co_return target;
      }
      log::warn("cache_damaged", {{"path", target.string()}});
      fs::remove(target, ignored);
    }
    auto const lock = FileLock::try_lock(lock_path);
    if (lock) co_return co_await download(executor, std::move(url), std::move(options), std::move(target));
    if (lock.error().kind != ErrorKind::Conflict) co_return lock.error();
    co_await sleep_for(kLockPoll);
  }
}

}  // namespace

Result<std::string> sha256_of_file(fs::path const& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return make_error(ErrorKind::NotFound, path.string() + ": cannot be opened");
  crypto::Sha256 digest;
  std::string buffer(1 << 20, '\0');
  while (in) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    digest.update(std::string_view(buffer).substr(0, static_cast<std::size_t>(in.gcount())));
  }
  if (in.bad()) return make_error(ErrorKind::Io, path.string() + ": cannot be read");
  return digest.finish_hex();
}

asio::awaitable<Result<fs::path>> fetch(asio::any_io_executor executor, http::Url url, FetchOptions options) {
  // Also what the cache holds already: an address that is refused names nothing that may be used.
  if (auto const admitted = admit_url(options.reach, url); !admitted) co_return admitted.error();
  std::error_code failed;
  fs::create_directories(options.cache_dir, failed);
  if (failed) {
    co_return make_error(ErrorKind::Io,
                         options.cache_dir.string() + ": cannot be created: " + failed.message());
  }
  if (options.sha256.empty())
    log::warn("download_unchecked", {{"url", shown(url)}, {"detail", "no SHA-256 given"}});
  auto const name = options.sha256.empty() ? "url-" + crypto::sha256_hex(url.to_string()) : options.sha256;
  auto target = options.cache_dir / name;
  auto const deadline = options.deadline;
  auto work = fetch_locked(executor, std::move(url), std::move(options), std::move(target));
  co_return co_await within<fs::path>(deadline, "the download", std::move(work));
}

}  // namespace ei::inference
