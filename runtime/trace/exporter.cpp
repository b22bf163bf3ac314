#include "runtime/trace/exporter.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "runtime/log/log.hpp"

namespace ei::trace {
namespace {

// Of an answer: the collector says {} where all is well.
constexpr std::size_t kMaxAnswer = 64 * 1024;

http::ClientLimits limits() {
  http::ClientLimits out;
  out.max_body = kMaxAnswer;
  return out;
}

}  // namespace

Result<http::Url> traces_url(std::string_view endpoint) {
  while (endpoint.ends_with('/')) endpoint.remove_suffix(1);
  auto url = http::parse_url(endpoint);
  bool const fine =
      url && (url->scheme == "http" || url->scheme == "https") && url->target.find('?') == std::string::npos;
  if (!fine) {
    return make_error(ErrorKind::Invalid, "is '" + std::string(endpoint) +
                                              "'; allowed: http://HOST[:PORT][/PATH] or https://, where a "
                                              "collector takes OTLP/HTTP, mostly port 4318");
  }
  if (url->target == "/") url->target.clear();
  url->target += "/v1/traces";
  return url;
}

Exporter::Exporter(asio::any_io_executor executor, http::Url traces, Attributes resource)
    : client_(executor, traces, {}, limits()),
      target_(traces.target),
      resource_(std::move(resource)),
      offered_(executor) {}

void Exporter::offer(Span span) {
  if (waiting_.size() >= kMostWaiting) {
    ++dropped_;
    return;
  }
  waiting_.push_back(std::move(span));
  if (waiting_.size() == 1 || waiting_.size() == kBatch) offered_.notify();
}

asio::awaitable<void> Exporter::run() {
  for (;;) {
    (void)co_await until(offered_, [this] { return !waiting_.empty(); });
    auto const due = std::chrono::steady_clock::now() + kBatchDelay;
    (void)co_await until(
        offered_, [this] { return waiting_.size() >= kBatch; }, due);
    co_await send(kExportTimeout);
  }
}

asio::awaitable<void> Exporter::send(milliseconds timeout) {
  auto const end = waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(kBatch, waiting_.size()));
  std::vector<Span> const batch(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
  http::Request request;
  request.method = "POST";
  request.target = target_;
  request.headers.set("Content-Type", "application/json");
  request.body = to_otlp(batch, resource_);
  auto const answer = co_await client_.send(std::move(request), timeout);
  if (answer && answer->status / 100 == 2) {
    exported_ += batch.size();
    co_return;
  }
  dropped_ += batch.size();
  auto const error = answer ? http::error_from_response(*answer) : answer.error();
  if (auto const held_back = failures_.admit(std::chrono::steady_clock::now())) {
    log::warn("spans_not_exported",
              {{"spans", batch.size()}, {"error", error.message}, {"held_back", *held_back}});
  }
}

asio::awaitable<void> Exporter::flush(milliseconds timeout) {
  auto const end = std::chrono::steady_clock::now() + timeout;
  while (!waiting_.empty()) {
    auto const left = std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now());
    if (left <= milliseconds(0)) break;
    co_await send(left);
  }
  dropped_ += waiting_.size();
  waiting_.clear();
}

}  // namespace ei::trace
