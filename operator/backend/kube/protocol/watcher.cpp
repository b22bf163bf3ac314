#include "operator/backend/kube/protocol/watcher.hpp"

#include <algorithm>
#include <utility>

namespace ei::kube::watch {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// client-go asks for 5 to 10 minutes, spread so that a server's clients do not all return at once.
constexpr seconds kWatchTimeout{300};

// A server in trouble is asked once a second at first and every 10 s at the worst, so
// that we are back soon after it.
constexpr milliseconds kRetryFloor{500};
constexpr milliseconds kRetryCeiling{10'000};

// Whole listings are the dearest thing a client can ask for: once a minute at the worst.
constexpr milliseconds kRelistFloor{1'000};
constexpr milliseconds kRelistCeiling{60'000};

// A listing that held for this long makes the next one free of delay.
constexpr seconds kCalm{60};

// A stream that lived shorter than this made no progress by merely opening.
constexpr seconds kShortStream{1};

// Servers before 1.27 ignore sendInitialEvents: no end marker ever comes.
constexpr int kMaxUnfinishedStreams = 3;

}  // namespace

Watcher::Watcher(Options options)
    : options_(options),
      jitter_(options.seed),
      retry_(kRetryFloor, kRetryCeiling),
      relist_(kRelistFloor, kRelistCeiling) {}

Step Watcher::step(Input const& input, SteadyTime now) {
  struct Visitor {
    Watcher& self;
    SteadyTime now;
    Step operator()(Started const&) const {
      self.last_listing_ = now;
      return self.begin(milliseconds(0), {});
    }
    Step operator()(PageArrived const& page) const { return self.on_page(page); }
    Step operator()(StreamOpened const&) const { return self.on_opened(now); }
    Step operator()(EventArrived const& event) const { return self.on_event(event, now); }
    Step operator()(StreamEnded const&) const { return self.on_ended(now); }
    Step operator()(Failed const& failed) const { return self.on_failed(failed.error, now); }
  };
  return std::visit(Visitor{*this, now}, input);
}

// ---- the requests ----

Step Watcher::begin(milliseconds delay, std::string_view reason) {
  ++listings_;
  if (options_.streaming_list) {
    state_ = InitStream{};
    auto const timeout = std::chrono::duration_cast<seconds>(jitter_.stretch(kWatchTimeout, 1.0));
    return {CacheOp::Restage, delay, OpenStream{{}, true, timeout}, reason};
  }
  int const limit = whole_list_ ? 0 : options_.page_items;
  state_ = InitPage{limit, {}};
  return {CacheOp::Restage, delay, RequestPage{limit, {}}, reason};
}

Step Watcher::relist(std::string_view reason, SteadyTime now) {
  if (now - last_listing_ >= kCalm) {
    recent_relists_ = 0;
    relist_.reset();
  }
  auto const delay = recent_relists_++ == 0 ? milliseconds(0) : relist_.next(jitter_);
  last_listing_ = now + delay;
  return begin(delay, reason);
}

Step Watcher::open_watch(std::string resource_version, milliseconds delay, std::string_view reason) {
  auto const timeout = std::chrono::duration_cast<seconds>(jitter_.stretch(kWatchTimeout, 1.0));
  OpenStream open{resource_version, false, timeout};
  state_ = Disconnected{std::move(resource_version)};
  return {CacheOp::None, delay, std::move(open), reason};
}

Step Watcher::read() const {
  return {CacheOp::None, milliseconds(0), ReadEvent{options_.silence}, {}};
}

milliseconds Watcher::pause_after(Error const& error) {
  auto const own = retry_.next(jitter_);
  if (!error.retry_after) return own;
  return std::max(own, jitter_.stretch(*error.retry_after, 0.2));
}

// ---- what happened ----

Step Watcher::on_page(PageArrived const& page) {
  auto* listing = std::get_if<InitPage>(&state_);
  if (listing == nullptr) return begin(milliseconds(0), "unexpected_page");
  retry_.reset();
  if (!page.continue_token.empty()) {
    listing->continue_token = page.continue_token;
    return {CacheOp::Stage, milliseconds(0), RequestPage{listing->limit, page.continue_token}, {}};
  }
  synced_ = true;
  whole_list_ = false;
  auto next = open_watch(page.resource_version, milliseconds(0), {});
  next.cache = CacheOp::StageAndCommit;
  return next;
}

Step Watcher::on_opened(SteadyTime now) {
  if (auto* initial = std::get_if<InitStream>(&state_)) {
    initial->opened = true;
  } else if (auto* waiting = std::get_if<Disconnected>(&state_)) {
    state_ = Watching{std::move(waiting->resource_version), now};
  }
  return read();
}

Step Watcher::on_event(EventArrived const& event, SteadyTime now) {
  if (std::holds_alternative<InitStream>(state_)) return on_initial_event(event, now);
  auto* watching = std::get_if<Watching>(&state_);
  if (watching == nullptr) return begin(milliseconds(0), "unexpected_event");
  retry_.reset();
  if (!event.resource_version.empty()) watching->resource_version = event.resource_version;
  auto next = read();
  switch (event.type) {
    case EventType::Added:
    case EventType::Modified:
      next.cache = CacheOp::Put;
      break;
    case EventType::Deleted:
      next.cache = CacheOp::Remove;
      break;
    case EventType::Bookmark:
      break;
  }
  return next;
}

Step Watcher::on_initial_event(EventArrived const& event, SteadyTime now) {
  auto next = read();
  switch (event.type) {
    case EventType::Added:
    case EventType::Modified:
      next.cache = CacheOp::StagePut;
      break;
    case EventType::Deleted:
      next.cache = CacheOp::StageRemove;
      break;
    case EventType::Bookmark:
      if (!event.initial_events_end) break;
      next.cache = CacheOp::Commit;
      state_ = Watching{event.resource_version, now};
      synced_ = true;
      unfinished_streams_ = 0;
      retry_.reset();
      break;
  }
  return next;
}

Step Watcher::on_ended(SteadyTime now) {
  if (auto const* watching = std::get_if<Watching>(&state_)) {
    bool const lived = now - watching->opened_at >= kShortStream;
    auto const delay = lived ? milliseconds(0) : retry_.next(jitter_);
    return open_watch(watching->resource_version, delay, lived ? "" : "short_stream");
  }
  return on_failed(make_error(ErrorKind::Unavailable, "the stream ended early"), now);
}

Step Watcher::on_failed(Error const& error, SteadyTime now) {
  if (auto const* page = std::get_if<InitPage>(&state_)) return on_page_failed(InitPage(*page), error, now);
  if (auto const* waiting = std::get_if<Disconnected>(&state_)) {
    return on_watch_failed(waiting->resource_version, error, now);
  }
  if (auto const* watching = std::get_if<Watching>(&state_)) {
    return on_watch_failed(watching->resource_version, error, now);
  }
  return on_initial_stream_failed(error, now);
}

Step Watcher::on_page_failed(InitPage const& page, Error const& error, SteadyTime now) {
  if (error.kind == ErrorKind::Gone && !page.continue_token.empty()) {
    whole_list_ = true;
    return relist("continue_expired", now);
  }
  auto const delay = pause_after(error);
  return {CacheOp::None, delay, RequestPage{page.limit, page.continue_token}, "list_failed"};
}

Step Watcher::on_initial_stream_failed(Error const& error, SteadyTime now) {
  auto const* initial = std::get_if<InitStream>(&state_);
  bool const opened = initial != nullptr && initial->opened;
  bool const refused = !opened && error.kind == ErrorKind::Invalid;
  if (opened) ++unfinished_streams_;
  if (refused || unfinished_streams_ >= kMaxUnfinishedStreams) {
    options_.streaming_list = false;
    return begin(milliseconds(0), "streaming_list_refused");
  }
  if (error.kind == ErrorKind::Gone) return relist("gone", now);
  return begin(pause_after(error), "initial_stream_failed");
}

Step Watcher::on_watch_failed(std::string resource_version, Error const& error, SteadyTime now) {
  switch (error.kind) {
    case ErrorKind::Gone:
      return relist("gone", now);
    // The server does not know our resourceVersion, or the whole kind: resuming could never succeed.
    case ErrorKind::Invalid:
      return relist("watch_refused", now);
    case ErrorKind::NotFound:
      return relist("kind_not_served", now);
    case ErrorKind::Timeout:
      // Silence on an open stream: the other side is gone, or has nothing to say. Ask at once. (A server that
      // times out says so as the first thing on a stream.)
      if (auto const* watching = std::get_if<Watching>(&state_);
          watching != nullptr && now - watching->opened_at >= kShortStream && retry_.failures() == 0) {
        return open_watch(std::move(resource_version), milliseconds(0), "silent_stream");
      }
      break;
    default:
      break;
  }
  auto const delay = pause_after(error);
  return open_watch(std::move(resource_version), delay, "watch_failed");
}

}  // namespace ei::kube::watch
