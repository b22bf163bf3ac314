#pragma once

#include "operator/backend/kube/protocol/backoff.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <variant>

namespace ei::kube {

/// The protocol of keeping a cache equal to a collection on the API server, without the I/O: it is told what
/// happened and says what to do with the cache and which request to make next. The shell is Informer.
///
///   Empty ──► InitPage ──► Disconnected ──► Watching      list with pages, then watch
///     └─────► InitStream ─────────────────► Watching      streaming list, where the server has it
///
/// A lost stream goes to Disconnected and resumes at the same resourceVersion. Only 410 Gone (or a
/// resourceVersion the server calls invalid) leads back to Empty.
namespace watch {

// ---- what the shell is asked to do ----

/// What becomes of the objects that the last input carried. A cache is filled in a stage beside the one that
/// is read, and swapped when it is whole.
enum class CacheOp {
  None,
  Restage,         ///< throw the stage away
  Stage,           ///< add the page's items to the stage
  StageAndCommit,  ///< add them, then swap: the stage is the whole collection now
  StagePut,        ///< one object into the stage
  StageRemove,
  Commit,  ///< swap
  Put,     ///< one object into the cache
  Remove,
};

struct RequestPage {
  int limit = 0;  ///< items; 0 asks for all at once
  std::string continue_token;

  bool operator==(RequestPage const&) const = default;
};

struct OpenStream {
  std::string resource_version;  ///< empty with `initial_events`
  bool initial_events = false;   ///< sendInitialEvents=true&resourceVersionMatch=NotOlderThan
  std::chrono::seconds timeout{};

  bool operator==(OpenStream const&) const = default;
};

/// Wait for one more line of the open stream; a silence of `timeout` is a failure of kind Timeout.
struct ReadEvent {
  milliseconds timeout{};

  bool operator==(ReadEvent const&) const = default;
};

using Action = std::variant<RequestPage, OpenStream, ReadEvent>;

struct Step {
  CacheOp cache = CacheOp::None;
  milliseconds delay{};  ///< sleep this long before the action
  Action action;
  std::string_view reason;  ///< stable word for the log where something went other than planned, else empty
};

// ---- what the shell reports ----

struct Started {};
struct PageArrived {
  std::string resource_version;
  std::string continue_token;  ///< empty on the last page
};
struct StreamOpened {};
enum class EventType { Added, Modified, Deleted, Bookmark };
struct EventArrived {
  EventType type = EventType::Added;
  std::string resource_version;
  bool initial_events_end = false;  ///< the bookmark's annotation k8s.io/initial-events-end
};
/// The server ended the stream in good order, as it does when timeoutSeconds have passed.
struct StreamEnded {};
/// The request failed, the stream broke or fell silent, or it carried an ERROR (its Status as an Error).
struct Failed {
  Error error;
};

using Input = std::variant<Started, PageArrived, StreamOpened, EventArrived, StreamEnded, Failed>;

struct Options {
  bool streaming_list = true;  ///< try it; falls back to pages for good when the server refuses
  int page_items = 100;  ///< bounds the memory one page takes while it is parsed (about 1 MB of Deployments)
  /// Without a byte for this long a stream is taken for dead. The server sends a bookmark about
  /// once a minute (jittered up to 75 s), so it may hit a quiet healthy one: reopening at the
  /// same position costs one request.
  std::chrono::seconds silence{65};
  std::uint64_t seed = 1;  ///< of the jitter
};

class Watcher {
 public:
  explicit Watcher(Options options);

  /// Takes what happened, gives what to do. The first input is Started.
  Step step(Input const& input, SteadyTime now);

  /// True from the first swap on.
  bool synced() const { return synced_; }
  /// How often a whole listing was begun.
  int listings() const { return listings_; }

 private:
  struct Empty {};
  struct InitPage {
    int limit = 0;
    std::string continue_token;
  };
  struct InitStream {
    bool opened = false;
  };
  struct Disconnected {
    std::string resource_version;
  };
  struct Watching {
    std::string resource_version;
    SteadyTime opened_at{};
  };

  Step begin(milliseconds delay, std::string_view reason);
  Step relist(std::string_view reason, SteadyTime now);
  Step open_watch(std::string resource_version, milliseconds delay, std::string_view reason);
  Step read() const;
  milliseconds pause_after(Error const& error);

  Step on_page(PageArrived const& page);
  Step on_opened(SteadyTime now);
  Step on_event(EventArrived const& event, SteadyTime now);
  Step on_initial_event(EventArrived const& event, SteadyTime now);
  Step on_ended(SteadyTime now);
  Step on_failed(Error const& error, SteadyTime now);
  Step on_page_failed(InitPage const& page, Error const& error, SteadyTime now);
  Step on_initial_stream_failed(Error const& error, SteadyTime now);
  Step on_watch_failed(std::string resource_version, Error const& error, SteadyTime now);

  Options options_;
  Jitter jitter_;
  Backoff retry_;
  Backoff relist_;
  std::variant<Empty, InitPage, InitStream, Disconnected, Watching> state_;
  bool synced_ = false;
  bool whole_list_ = false;     ///< a continue token expired: ask for everything at once
  int unfinished_streams_ = 0;  ///< initial streams that broke before the end marker, in a row
  int recent_relists_ = 0;      ///< since the last calm spell
  int listings_ = 0;
  SteadyTime last_listing_{};
};

}  // namespace watch
}  // namespace ei::kube
