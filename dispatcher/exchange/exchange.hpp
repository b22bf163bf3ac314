// Where requests and workers meet: requests come in, jobs go out to idle workers, results go back.
//
// Everything that happens is a call with its time: a request arrives (submit) or its client leaves (cancel),
// a worker comes (attach), asks (ready), rests (standby), answers (result) or goes (detach), and time passes
// (tick). Frames for workers leave through the WorkerPort, outcomes through Submission::on_done. No sockets
// and no clock, so tests play every order of events without waiting. Use from one thread.
//
// A request cannot kill twice. What a lost worker held is tried once more, alone and after the fresh
// (request_queue.hpp), and its bytes are suspected (suspects.hpp) until they are answered:
//
// | bytes                    | their copies                                                                |
// |--------------------------|-----------------------------------------------------------------------------|
// | never answered           | one at a worker; a second one when the first takes longer than a second     |
// | answered                 | as many as there are workers                                                |
// | a worker was lost        | one at a worker, alone, until it is answered                                |
// | another was lost, alone  | 422 at once, for minutes; nothing reaches a worker                          |
//
// Where other workers were lost with the second one, under other pictures or idle, it is no evidence: the
// request ends with 502, and only a third loss puts its bytes in quarantine.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dispatcher/contract/link/protocol.hpp"
#include "dispatcher/exchange/suspects.hpp"
#include "dispatcher/queue/admission.hpp"
#include "dispatcher/queue/batcher.hpp"
#include "dispatcher/queue/request_queue.hpp"
#include "runtime/core/result.hpp"

namespace ei::dispatcher {

/// One picture to classify, checked already: a whole JPEG or PNG file, or float32 little-endian [3,224,224];
/// at most link::kMaxPayloadBytes.
struct Work {
  link::ItemKind kind = link::ItemKind::Image;
  std::string bytes;
};

/// The answer to one picture.
struct Answer {
  std::vector<link::Prediction> top;  ///< most probable first, never empty
  std::vector<float> probabilities;   ///< of every class; empty unless asked for
  Duration queued{};                  ///< from arrival to the hand-out to the worker that answered
  Duration service{};                 ///< from that hand-out to the result
  /// Where no worker was there when it arrived: from then until one was. Part of `queued`.
  std::optional<Duration> cold_start{};
  double inference_ms = 0;   ///< the worker's own figure for the model alone
  double preprocess_ms = 0;  ///< the same for decoding the job's pictures
  /// Of the weights that gave it: link::Hello::model_version of the worker that answered.
  std::string model_version = std::string(link::kFormerModelVersion);
};

/// One client's request: some pictures that succeed or fail together.
struct Submission {
  std::vector<Work> pictures;
  bool probabilities = false;
  std::size_t top =
      0;  ///< labels wanted of each picture, [0, link::kMaxTop]; at least ExchangeOptions::top come
  Time deadline{};
  RequestTag tag = {};  ///< for workers and the log
  /// Called once, when `outcome` is set; not from within submit(). Must not call the exchange.
  std::function<void()> on_done;

  /// One Answer per picture, or why not; Error::http_status is what the client gets.
  std::optional<Result<std::vector<Answer>>> outcome;

 private:
  friend class Exchange;
  std::vector<Ticket> tickets_;
  std::vector<Answer> answers_;
  std::size_t missing_ = 0;
};

using WorkerId = std::uint64_t;

/// A frame for a worker: `head`, and behind it pictures where their submissions have them.
struct Frame {
  std::string head;
  std::vector<std::string_view> pictures = {};
  std::vector<std::shared_ptr<Submission const>> submissions = {};  ///< which the pictures live in
};

/// The way to one worker. Neither may call the exchange before returning.
struct WorkerPort {
  std::function<void(Frame frame)> send;
  std::function<void(std::string reason)>
      drop;  ///< closes the connection; detach() follows from the connection's owner
};

/// How a worker's connection ended.
enum class Ended {
  Lost,    ///< without a word: the process or its machine is gone, or hangs
  Closed,  ///< by a closing handshake, or by this side
  Broken,  ///< it broke the protocol
};

/// Why a worker was lost. Only the first two tell against what it computed.
enum class DeathReason { Crash, Overrun, Leaving, Protocol, Idle };
inline constexpr std::size_t kDeathReasons = 5;
/// `crash`, `overrun` …, for logs and metric labels.
[[nodiscard]] std::string_view to_string(DeathReason reason);

/// A worker was lost, with what it held.
struct Death {
  struct Picture {
    std::string digest;  ///< SHA-256; empty where nothing tells against it, or the table was full
    std::size_t bytes = 0;
    std::string request_id = {};  ///< see Submission::tag
  };
  std::string worker;
  DeathReason reason{};
  std::vector<Picture> pictures;
};

/// A picture came into quarantine.
struct Quarantine {
  std::string digest;
  std::size_t bytes = 0;
  int deaths = 0;
};

struct ExchangeOptions {
  std::string model = "resnet18";
  QueueLimits queue{};
  BatchLimits batch{};
  /// Zero: plain FIFO. Else the late lane of request_queue.hpp is on,
  /// with longest_punctual_wait() of this target.
  Duration latency_target{0};
  /// A worker that holds one job longer than this is taken for stuck and dropped. Twice the default request
  /// timeout: no client waits any more, and no picture takes a core that long.
  Duration job_timeout = std::chrono::seconds(60);
  std::size_t top = link::kTopLabels;
  /// Names bytes, SHA-256 in the program: called for what is suspected alone. None: the bytes themselves.
  std::function<std::string(std::string_view)> digest{};
  /// For the log. Must not call the exchange.
  std::function<void(Death const&)> on_death{};
  std::function<void(Quarantine const&)> on_quarantine{};
  /// A request that is answered waited so long for a worker to be there at all; called once for all of its
  /// pictures. Must not call the exchange.
  std::function<void(Duration)> on_cold_start{};
};

/// Pictures that ended without an answer, by reason; see also QueueCounters.
struct DropCounters {
  std::uint64_t full = 0;
  std::uint64_t draining = 0;
  std::uint64_t too_large = 0;
  std::uint64_t deadline = 0;
  std::uint64_t no_worker = 0;
  std::uint64_t client_gone = 0;
  std::uint64_t worker_died = 0;
  std::uint64_t quarantined = 0;  ///< told that their bytes took two workers
};

class Exchange {
 public:
  explicit Exchange(ExchangeOptions options);

  /// Queues the pictures, or says why not: Unavailable/503 draining, TooMany/429 with retry_after,
  /// Invalid/413, Invalid/422 when one of them is in quarantine.
  [[nodiscard]] Result<void> submit(std::shared_ptr<Submission> submission, Time now);

  /// The client left. Does nothing when the outcome is known.
  void cancel(std::shared_ptr<Submission> const& submission, Time now);

  /// A worker said hello. Errors: Conflict when it serves another model.
  [[nodiscard]] Result<WorkerId> attach(link::Hello hello, WorkerPort port, Time now);

  /// A worker asked for one more job. Errors: Protocol when it then holds and asks for more than its slots.
  [[nodiscard]] Result<void> ready(WorkerId worker, Time now);

  /// A worker answered. Errors: Protocol when it does not hold that job or the answer does not fit it.
  [[nodiscard]] Result<void> result(WorkerId worker, link::JobResult result, Time now);

  /// A worker takes back what it asked for, and serves nobody until it asks again.
  void standby(WorkerId worker, Time now);

  /// A worker leaves: it asks for nothing any more, its results are still welcome.
  void bye(WorkerId worker);

  /// A worker says that a job has taken longer than any may, and that it ends: as if it had died under this
  /// job, and left with any other. Errors: Protocol when it does not hold that job.
  [[nodiscard]] Result<void> overrun(WorkerId worker, std::uint64_t job, Time now);

  /// The worker's connection has ended: what it held is tried once more, then fails with 502 or 422.
  void detach(WorkerId worker, Time now, Ended how = Ended::Lost);

  /// Ends what is due: deadlines (504, or 503 where no worker was there at any time),
  /// batches whose delay is over, verdicts.
  void tick(Time now);
  /// When tick() next has something to do; Time::max() for never.
  [[nodiscard]] Time next_tick() const;

  /// Why no worker comes, a word for those whose deadline passes within kExplained.
  void explain_no_worker(std::string why, Time now);
  /// The operator says it each second while it lasts.
  static constexpr Duration kExplained = std::chrono::seconds(10);

  /// From now on every submission is refused.
  void drain() { draining_ = true; }
  [[nodiscard]] bool draining() const { return draining_; }
  /// Ends every open submission with Unavailable/503 and retry_after: the drain has taken too long.
  void abort();

  [[nodiscard]] RequestQueue const& queue() const { return queue_; }
  [[nodiscard]] DropCounters const& drops() const { return drops_; }
  /// Workers lost, by DeathReason.
  [[nodiscard]] std::array<std::uint64_t, kDeathReasons> const& deaths() const { return deaths_; }
  [[nodiscard]] std::uint64_t quarantines() const { return quarantines_; }  ///< pictures put there so far
  [[nodiscard]] std::size_t quarantined(Time now) const { return suspects_.quarantined(now); }
  /// Linked workers but for standbys.
  [[nodiscard]] std::size_t workers() const { return workers_.size() - standbys_; }
  [[nodiscard]] std::size_t idle_workers() const;     ///< of these, without a job
  [[nodiscard]] std::size_t busy_workers() const;     ///< that hold a job
  [[nodiscard]] std::size_t standby_workers() const;  ///< standbys without a job
  /// Linked workers whose model's output is of that kind, see link::Hello::output.
  [[nodiscard]] std::size_t workers_by_output(std::string_view output) const;
  [[nodiscard]] std::size_t workers_by_precision(std::string_view precision) const;
  /// The least that a linked worker told, see link::Hello::agreement.
  [[nodiscard]] std::optional<double> least_agreement() const;
  /// Linked workers by the weights they compute with, see link::Hello::model_version.
  [[nodiscard]] std::map<std::string, std::size_t> workers_by_version() const;
  /// Of the worker that was linked last; empty before the first.
  [[nodiscard]] std::string const& last_version() const { return last_version_; }
  [[nodiscard]] std::size_t open() const { return open_; }  ///< submissions without an outcome

 private:
  // A picture that waits or is being served; in the place of its ticket's slot.
  struct Pending {
    std::shared_ptr<Submission> submission;
    std::size_t index = 0;               // of the picture in it
    std::uint64_t job = 0;               // that holds it; 0: it waits
    std::string digest;                  // once it was needed
    bool proven = false;                 // the same bytes were answered lately
    bool cold = false;                   // no worker was there when it arrived
    std::optional<Time> served_at = {};  // when the first one came, for a cold one
  };
  struct RunningJob {
    WorkerId worker = 0;
    std::vector<Taken> taken;
    std::size_t awaited = 0;  // pictures somebody still waits for
    bool probabilities = false;
    bool trial = false;  // of a retry, which is its only picture
    Time started{};
  };
  struct Worker {
    link::Hello hello;
    WorkerPort port;
    std::size_t asked = 0;  // jobs it asked for and has not got
    std::vector<std::uint64_t> jobs;
    bool dropped = false;
    bool leaving = false;
    bool standby = false;
  };
  using Refused = std::pair<std::shared_ptr<Submission>, Error>;
  // A worker that was lost; `digests` of what it computed.
  struct Loss {
    Time at{};
    std::vector<std::string> digests;
  };

  // exchange.cpp
  [[nodiscard]] bool anybody_serves() const;
  void note_served(Time now);
  void pump(Time now);
  void expire(Time now);
  bool hand_out(WorkerId worker, std::size_t size, Time now);
  void adapt_late_lane();
  void fail(std::shared_ptr<Submission> const& submission, Error const& error,
            std::uint64_t* dropped = nullptr);
  void finish(std::shared_ptr<Submission> const& submission, Result<std::vector<Answer>> outcome);
  void withdraw(Ticket ticket);
  void abandon_in_job(std::uint64_t job);
  void answer(RunningJob const& job, std::size_t index, link::JobResult& result, link::Hello const& from,
              Time now);
  void drop_stuck(Time now);

  // retry.cpp
  [[nodiscard]] std::optional<Error> refuse_quarantined(Submission const& submission,
                                                        std::vector<std::string>& digests, Time now);
  bool may_go(Taken const& taken, std::uint64_t job, std::vector<Refused>& refused, Time now);
  bool wait_for_twins(Taken const& taken, std::uint64_t job, Time now);
  [[nodiscard]] bool retries_allowed(Time now) const;
  [[nodiscard]] std::optional<Time> retries_wait(Time now) const;
  void land(std::uint32_t slot, link::ItemResult const& item, Time now);
  void take_jobs(Worker& worker, DeathReason reason, std::optional<std::uint64_t> overrun, Time now);
  void accuse(std::uint32_t slot, RunningJob const& job, Time now);
  void return_picture(Taken const& taken, bool blamed, Time now);
  void leave_worker(std::uint32_t slot);
  [[nodiscard]] bool flies(Suspect const& suspect) const;
  void release(Suspect& suspect, Time now);
  void judge(Time now);
  void condemn(Suspect& suspect, Time now);
  void fail_held(Ticket ticket, Error const& error);
  std::string const& digest_of(Pending& pending);
  [[nodiscard]] static std::string_view bytes_of(Pending const& pending);

  ExchangeOptions options_;
  RequestQueue queue_;
  ServiceEstimate service_;
  DropCounters drops_;
  Suspects suspects_;
  std::array<std::uint64_t, kDeathReasons> deaths_{};
  std::uint64_t quarantines_ = 0;
  std::deque<Loss> losses_;                           // of the last moments
  std::multimap<std::size_t, std::uint32_t> flying_;  // slots at workers, by the size of their bytes
  std::size_t trials_ = 1;                            // that may run at once
  std::vector<Pending> pending_;                      // by Ticket::slot
  std::map<std::uint64_t, RunningJob> jobs_;          // ordered by start: ids only grow
  std::map<WorkerId, Worker> workers_;
  std::deque<WorkerId> idle_;  // who asked first is first
  std::size_t standbys_ = 0;   // of workers_
  std::uint64_t next_job_ = 1;
  WorkerId next_worker_ = 1;
  std::size_t open_ = 0;
  std::optional<Time> batch_ripe_;
  std::optional<Time> retry_ripe_;  // when a retry may go that may not yet
  std::optional<Time> last_worker_left_;
  std::string last_version_;
  std::string no_worker_;  // why none comes
  Time explained_{};
  bool draining_ = false;
};

}  // namespace ei::dispatcher
