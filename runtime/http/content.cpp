#include "runtime/http/content.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <ctime>

#include "runtime/async/turns.hpp"
#include "runtime/core/encoding.hpp"
#include "runtime/http/text.hpp"

namespace ei::http {
namespace asio = boost::asio;
namespace {

// Decoded in one go; then others run. The worst that can be made of as many bytes, a Huffman table every
// twelve, takes 9 ms.
constexpr std::size_t kSliceBytes = 64 * 1024;
// For one body, others' turns not counted. 16 MiB take 0.1 s; made of such tables, 2.2 s.
constexpr std::chrono::milliseconds kMostTime{1'000};

// What an Accept-Encoding says of us.
constexpr std::string_view kCodings = "gzip, deflate";

Response refusal(Error const& error) {
  Response out = problem(error.http_status, std::string(reason_phrase(error.http_status)), error.message);
  if (error.http_status == 415) out.headers.set("Accept-Encoding", std::string(kCodings));
  return out;
}

// Of the processor: on a busy machine the clock on the wall would blame the client for the others.
std::chrono::nanoseconds thread_time() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

Error too_slow() {
  Error error = make_error(ErrorKind::Invalid, "the body takes more than a second to decode");
  error.http_status = 413;
  return error;
}

// All values of the field, as one list.
std::string codings(Headers const& headers) {
  std::string out;
  for (auto const& [name, value] : headers) {
    if (same_without_case(name, "Content-Encoding")) out += (out.empty() ? "" : ",") + value;
  }
  return out;
}

}  // namespace

Result<std::optional<compression::Coding>> parse_coding(std::string_view content_encoding) {
  std::optional<compression::Coding> out;
  for (auto rest = content_encoding; !rest.empty();) {
    auto const comma = std::min(rest.find(','), rest.size());
    auto const name = trim(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (name.empty() || same_without_case(name, "identity")) continue;
    bool const gzip = same_without_case(name, "gzip") || same_without_case(name, "x-gzip");
    if ((!gzip && !same_without_case(name, "deflate")) || out) {
      Error other = make_error(ErrorKind::Invalid, "the Content-Encoding is \"" +
                                                       std::string(clipped(content_encoding, 80)) +
                                                       "\"; allowed: one of gzip, deflate, identity");
      other.http_status = 415;
      return other;
    }
    out = gzip ? compression::Coding::Gzip : compression::Coding::Deflate;
  }
  return out;
}

namespace {

// Decoded bytes are counted by nobody until a queue takes them, and a hundredth of them is what was paid for.
// So of the bodies that need more than one turn one is decoded at a time; the others wait,
// encoded, as they came.
thread_local Turns decoding;

}  // namespace

asio::awaitable<std::optional<Response>> decode_content(Request& request, std::size_t max_bytes) {
  auto const coding = parse_coding(codings(request.headers));
  if (!coding) co_return refusal(coding.error());
  request.headers.remove("Content-Encoding");
  if (!*coding) co_return std::nullopt;
  auto const executor = co_await asio::this_coro::executor;
  std::optional<Turns::Turn> turn;
  if (request.body.size() > kSliceBytes) turn.emplace(co_await decoding.take());
  compression::InflateLimits limits;
  limits.max_bytes = max_bytes;
  compression::Inflater inflater(**coding, limits);
  std::chrono::nanoseconds spent{0};
  for (std::size_t at = 0; at < request.body.size(); at += kSliceBytes) {
    if (at > 0) co_await asio::post(executor, asio::use_awaitable);
    auto const start = thread_time();
    auto const fed = inflater.feed(std::string_view(request.body).substr(at, kSliceBytes));
    if (!fed) co_return refusal(fed.error());
    spent += thread_time() - start;
    if (spent > kMostTime) co_return refusal(too_slow());
  }
  auto decoded = inflater.finish();
  if (!decoded) co_return refusal(decoded.error());
  request.body = std::move(*decoded);
  co_return std::nullopt;
}

}  // namespace ei::http
