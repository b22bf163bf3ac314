#include "runtime/trace/exporter.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "runtime/async/task_group.hpp"
#include "runtime/core/address.hpp"
#include "runtime/http/resolve.hpp"
#include "runtime/log/log.hpp"
#include "runtime/trace/verdict.hpp"

namespace ei::trace {
namespace {

// Of an answer: the collector says {} where all is well.
constexpr std::size_t kMaxAnswer = 64 * 1024;

// Who writes a service's spec names the collector: not a cloud's metadata, whose answer would be in the log.
Result<void> admit(asio::ip::address const& address) {
  auto const kind = kind_of(http::bytes_of(address));
  if (kind != AddressKind::Never) return {};
  return make_error(ErrorKind::Forbidden, address.to_string() + " is " + std::string(to_string(kind)) +
                                              ", where no collector may be");
}

http::ClientLimits limits() {
  http::ClientLimits out;
  out.max_body = kMaxAnswer;
  out.admit_address = admit;
  return out;
}

double chance(std::minstd_rand& random) {
  return static_cast<double>(random()) / static_cast<double>(std::minstd_rand::max());
}

// A collector may repeat in its answer what it was sent.
std::string without_secrets(std::string text, http::Headers const& headers) {
  for (auto const& [name, value] : headers) {
    if (value.empty()) continue;
    for (auto at = text.find(value); at != std::string::npos; at = text.find(value, at))
      text.replace(at, value.size(), "…");
  }
  return text;
}

}  // namespace

Exporter::Exporter(asio::any_io_executor executor, Collector collector, Attributes resource)
    : client_(executor, collector.traces, {}, limits()),
      collector_(std::move(collector)),
      resource_(std::move(resource)),
      offered_(executor),
      random_(std::random_device()()) {}

void Exporter::offer(Span const& span) {
  if (waiting_.size() >= kMostWaiting) {
    ++dropped_;
    return;
  }
  waiting_.push_back(to_otlp(span));
  if (waiting_.size() == 1 || waiting_.size() == kBatch) offered_.notify();
}

void Exporter::fill_batch() {
  auto const end = waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(kBatch, waiting_.size()));
  batch_.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
  attempts_ = 0;
}

asio::awaitable<void> Exporter::run() {
  for (;;) {
    (void)co_await until(offered_, [this] { return !waiting_.empty(); });
    auto const due = std::chrono::steady_clock::now() + kBatchDelay;
    (void)co_await until(
        offered_, [this] { return waiting_.size() >= kBatch; }, due);
    fill_batch();
    while (auto const pause = co_await send(kExportTimeout)) co_await sleep_for(*pause);
    if (!batch_.empty()) co_return;  // cancelled on its way
  }
}

// The batch, once. A time: it is to be sent again after it.
asio::awaitable<std::optional<milliseconds>> Exporter::send(milliseconds timeout) {
  http::Request request;
  request.method = "POST";
  request.target = collector_.traces.target;
  request.headers = collector_.headers;
  request.headers.set("Content-Type", "application/json");
  request.body = to_otlp(batch_, resource_);
  auto const answer = co_await client_.send(std::move(request), timeout);
  // flush() sends it again.
  if (!answer && answer.error().kind == ErrorKind::Canceled) co_return std::nullopt;
  auto const verdict = judge(answer, ++attempts_, chance(random_));
  auto const lost = verdict.taken ? std::min<std::uint64_t>(verdict.rejected, batch_.size()) : batch_.size();
  if (!verdict.fault.empty()) report(lost, verdict.fault, verdict.again);
  if (verdict.again) co_return verdict.again;
  exported_ += batch_.size() - lost;
  dropped_ += lost;
  batch_.clear();
  co_return std::nullopt;
}

void Exporter::report(std::size_t spans, std::string fault, std::optional<milliseconds> again) {
  auto const held_back = failures_.admit(std::chrono::steady_clock::now());
  if (!held_back) return;
  fault = without_secrets(std::move(fault), collector_.headers);
  if (again) {
    log::warn(
        "spans_wait",
        {{"spans", spans}, {"error", fault}, {"again_in_ms", again->count()}, {"held_back", *held_back}});
  } else {
    log::warn("spans_not_exported", {{"spans", spans}, {"error", fault}, {"held_back", *held_back}});
  }
}

asio::awaitable<void> Exporter::flush(milliseconds timeout) {
  auto const end = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    if (batch_.empty()) fill_batch();
    if (batch_.empty()) co_return;
    auto const left = std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now());
    if (left <= milliseconds(0) || co_await send(left)) break;
  }
  dropped_ += batch_.size() + waiting_.size();
  batch_.clear();
  waiting_.clear();
}

}  // namespace ei::trace
