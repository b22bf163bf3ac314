// Where requests and workers meet: requests come in, jobs go out to whoever is idle, results go back.
//
// Everything that happens is a call with its time: a request arrives (submit) or its client leaves (cancel),
// a worker comes (attach), asks (ready), answers (result) or goes (detach), and time passes (tick). Frames
// for workers leave through the WorkerPort, outcomes through Submission::on_done. No sockets and no clock, so
// tests play every order of events without waiting. Use from one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dispatcher/link/protocol.hpp"
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
  double inference_ms = 0;            ///< the worker's own figure for the model alone
};

/// One client's request: some pictures that succeed or fail together.
struct Submission {
  std::vector<Work> pictures;
  bool probabilities = false;
  std::size_t top =
      0;  ///< labels wanted of each picture, [0, link::kMaxTop]; at least ExchangeOptions::top come
  Time deadline{};
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

/// The way to one worker. Neither may call the exchange before returning.
struct WorkerPort {
  std::function<void(std::string frame)> send;
  std::function<void(std::string reason)>
      drop;  ///< closes the connection; detach() follows from whoever owns it
};

struct ExchangeOptions {
  std::string model = "resnet18";
  QueueLimits queue{};
  BatchLimits batch{};
  /// Zero: plain FIFO. Else the late lane of request_queue.hpp is on, with longest_punctual_wait() of this
  /// target.
  Duration latency_target{0};
  /// A worker that holds one job longer than this is taken for stuck and dropped. Twice the default request
  /// timeout: no client waits any more, and no picture takes a core that long.
  Duration job_timeout = std::chrono::seconds(60);
  std::size_t top = 5;
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
};

class Exchange {
 public:
  explicit Exchange(ExchangeOptions options);

  /// Queues the pictures, or says why not: Unavailable/503 draining, TooMany/429 with retry_after,
  /// Invalid/413.
  [[nodiscard]] Result<void> submit(std::shared_ptr<Submission> submission, Time now);

  /// The client left. Does nothing when the outcome is known.
  void cancel(std::shared_ptr<Submission> const& submission, Time now);

  /// A worker said hello. Errors: Conflict when it serves another model.
  [[nodiscard]] Result<WorkerId> attach(link::Hello hello, WorkerPort port, Time now);

  /// A worker asked for one more job. Errors: Protocol when it then holds and asks for more than its slots.
  [[nodiscard]] Result<void> ready(WorkerId worker, Time now);

  /// A worker answered. Errors: Protocol when it does not hold that job or the answer does not fit it.
  [[nodiscard]] Result<void> result(WorkerId worker, link::JobResult result, Time now);

  /// A worker leaves: it asks for nothing any more, its results are still welcome.
  void bye(WorkerId worker);

  /// The worker's connection has ended: what it held goes back to the head of the queue once, then fails with
  /// 502.
  void detach(WorkerId worker, Time now);

  /// Ends what is due: deadlines (504, or 503 where no worker was there at any time), batches whose delay is
  /// over.
  void tick(Time now);
  /// When tick() next has something to do; Time::max() for never.
  [[nodiscard]] Time next_tick() const;

  /// From now on every submission is refused.
  void drain() { draining_ = true; }
  [[nodiscard]] bool draining() const { return draining_; }
  /// Ends every open submission with Unavailable/503 and retry_after: the drain has taken too long.
  void give_up();

  [[nodiscard]] RequestQueue const& queue() const { return queue_; }
  [[nodiscard]] DropCounters const& drops() const { return drops_; }
  [[nodiscard]] std::size_t workers() const { return workers_.size(); }
  [[nodiscard]] std::size_t busy_workers() const;           ///< that hold a job
  [[nodiscard]] std::size_t open() const { return open_; }  ///< submissions without an outcome

 private:
  // A picture that waits or is being served; in the place of its ticket's slot.
  struct Pending {
    std::shared_ptr<Submission> submission;
    std::size_t index = 0;  // of the picture in it
    std::uint64_t job = 0;  // that holds it; 0: it waits
  };
  struct RunningJob {
    WorkerId worker = 0;
    std::vector<Taken> taken;
    std::size_t awaited = 0;  // pictures somebody still waits for
    bool probabilities = false;
    Time started{};
  };
  struct Worker {
    link::Hello hello;
    WorkerPort port;
    std::size_t asked = 0;  // jobs it asked for and has not got
    std::vector<std::uint64_t> jobs;
    bool dropped = false;
  };

  void pump(Time now);
  void expire(Time now);
  void hand_out(WorkerId worker, std::size_t size, Time now);
  void adapt_late_lane();
  void fail(std::shared_ptr<Submission> const& submission, Error const& error,
            std::uint64_t* dropped = nullptr);
  void finish(std::shared_ptr<Submission> const& submission, Result<std::vector<Answer>> outcome);
  void withdraw(Ticket ticket);
  void abandon_in_job(std::uint64_t job);
  void answer(RunningJob const& job, std::size_t index, link::JobResult& result, std::size_t classes,
              Time now);
  void drop_stuck(Time now);

  ExchangeOptions options_;
  RequestQueue queue_;
  ServiceEstimate service_;
  DropCounters drops_;
  std::vector<Pending> pending_;              // by Ticket::slot
  std::map<std::uint64_t, RunningJob> jobs_;  // ordered by start: ids only grow
  std::map<WorkerId, Worker> workers_;
  std::deque<WorkerId> idle_;  // who asked first is first
  std::uint64_t next_job_ = 1;
  WorkerId next_worker_ = 1;
  std::size_t open_ = 0;
  std::optional<Time> batch_ripe_;
  std::optional<Time> last_worker_left_;
  bool draining_ = false;
};

}  // namespace ei::dispatcher
