// What a worker and a dispatcher say to each other on the worker link: values, and their bytes on the wire.
//
// Workers pull. A worker opens one WebSocket to each dispatcher (path /link, `Authorization: Bearer
// <token>`), says `hello` once and `ready` for every job it wants; the dispatcher never sends a job that was
// not asked for. Every message is one binary WebSocket frame:
//
//     u32 big-endian length of the header | header, one JSON object with a "type" | payload bytes
//
// Pure: no sockets, no clock. Decoding trusts nothing: any bytes give a value or an ErrorKind::Protocol error
// that names the field, its value and what is allowed.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/core/request_tag.hpp"
#include "runtime/core/result.hpp"

namespace ei::dispatcher::link {

/// The path of the upgrade request.
inline constexpr std::string_view kPath = "/link";
/// Pictures in one job. Torch gains nothing from more on one core, and an answer must fit kMaxHeaderBytes.
inline constexpr std::size_t kMaxItems = 64;
/// Labels per item: 64 items of 100 labels of 100 bytes fit kMaxHeaderBytes.
inline constexpr std::size_t kMaxTop = 100;
/// Labels in an answer of /predict: enough to see what the model wavers between.
inline constexpr std::size_t kTopLabels = 5;
inline constexpr std::size_t kMaxHeaderBytes = 1 << 20;
/// The WebSockets' own limit for one message.
inline constexpr std::size_t kMaxFrameBytes = 64 << 20;
/// 64 tensors of 602,112 bytes are 37 MiB; one picture is at most 10 MiB.
inline constexpr std::size_t kMaxPayloadBytes = kMaxFrameBytes - kMaxHeaderBytes - 4;
/// float32 [3,224,224]: what one tensor item holds per count.
inline constexpr std::size_t kTensorBytes = 3 * 224 * 224 * sizeof(float);
/// An upper bound on `classes`, so that [items, classes] cannot overflow; ImageNet-21k has 21,843.
inline constexpr std::size_t kMaxClasses = 65536;
/// A day: far above any deadline, far below what overflows a clock.
inline constexpr std::chrono::milliseconds kMaxDeadline{86'400'000};

/// What Hello::output may be: the words are labels of a metric, so the list is closed.
inline constexpr std::array<std::string_view, 3> kOutputs = {"scores", "probabilities", "log_probabilities"};

/// What Hello::precision may be, for the same reason.
inline constexpr std::array<std::string_view, 3> kPrecisions = {"fp32", "bf16", "int8"};
/// Digits of a model's version: the first of the weights' SHA-256. Two files of a service share twelve once
/// in 2^48 times.
inline constexpr std::size_t kModelVersionDigits = 12;
/// The version of every model in a release whose workers did not say any.
inline constexpr std::string_view kFormerModelVersion = "1";
/// 1 to kModelVersionDigits lower-case hexadecimal digits. It is a label of a metric and a part of a path.
[[nodiscard]] bool is_model_version(std::string_view text);

/// worker → dispatcher, once, before anything else.
struct Hello {
  std::string worker;         ///< the worker's own name, for logs
  std::string model;          ///< must equal the dispatcher's model
  std::size_t classes = 0;    ///< [1, kMaxClasses]
  std::string labels_sha256;  ///< tells workers with different label files apart; may be empty
  std::size_t slots = 1;      ///< jobs the worker will hold at once, [1, kMaxItems]
  /// What the model's last layer gives: `scores`, `probabilities` or `log_probabilities`; empty from a worker
  /// that does not say it.
  std::string output = {};
  std::string precision = {};  ///< what the model computes in; empty from a worker that does not say it
  /// Part of the calibration pictures for which int8 gives the class of fp32, [0, 1]; none without a trial
  /// of int8.
  std::optional<double> agreement = {};
  /// Which weights the worker computes with: see is_model_version().
  std::string model_version = std::string(kFormerModelVersion);
  bool standby = false;  ///< as if Standby followed
  bool operator==(Hello const&) const = default;
};

/// worker → dispatcher: asks for one more job. It ends a standby.
struct Ready {
  bool operator==(Ready const&) const = default;
};

/// worker → dispatcher: takes back what was asked for; until its next Ready the worker only waits in case it
/// is needed. It still answers a job that was under way to it, and where its next Ready crosses that job, the
/// dispatcher passes over it: the worker asks again behind the answer.
struct Standby {
  bool operator==(Standby const&) const = default;
};

struct Prediction {
  std::string label;
  std::size_t index = 0;   ///< of the class, [0, classes)
  double probability = 0;  ///< [0, 1]
  bool operator==(Prediction const&) const = default;
};

/// Why one item of a job has no prediction; the status is the one the client gets, [400, 599].
struct ItemError {
  int status = 500;
  std::string detail;
  bool operator==(ItemError const&) const = default;
};

/// Most probable class first.
using ItemResult = std::variant<std::vector<Prediction>, ItemError>;

/// worker → dispatcher: the answer to one job, one item result per picture (a
/// tensor item of count n gives n).
struct JobResult {
  std::uint64_t id = 0;
  std::vector<ItemResult> items;
  double preprocess_ms = 0;
  double inference_ms = 0;
  /// From receipt until the worker began: behind the jobs of other dispatchers and direct requests. Zero from
  /// a worker that does not say it.
  double waited_ms = 0;
  /// float32 [items, classes] row-major, or empty when the job did not ask;
  /// an item with an error has a row of zeros.
  std::vector<float> probabilities;
  bool operator==(JobResult const&) const = default;
};

/// worker → dispatcher: the worker leaves and asks for no more jobs; results may still follow.
struct Bye {
  bool operator==(Bye const&) const = default;
};

/// worker → dispatcher: this job takes longer than any may; the worker ends for its restart,
/// and no result follows.
struct Overrun {
  std::uint64_t id = 0;
  bool operator==(Overrun const&) const = default;
};

enum class ItemKind { Image, Tensor };

struct JobItem {
  ItemKind kind = ItemKind::Image;
  std::size_t bytes =
      0;  ///< of the payload that belong to this item; a tensor has exactly count·kTensorBytes
  std::size_t count = 1;  ///< pictures in this item; 1 for an image
  RequestTag tag = {};    ///< of the request it is of; empty from a dispatcher that does not say it
  bool operator==(JobItem const&) const = default;
};

/// dispatcher → worker: one job, after one Ready.
struct Job {
  std::uint64_t id = 0;
  std::vector<JobItem> items;
  std::size_t top = kTopLabels;  ///< labels wanted per item, [1, kMaxTop]
  bool probabilities = false;    ///< whether the result shall carry every class's probability
  std::chrono::milliseconds deadline{
      0};  ///< from receipt; after it nobody waits for the answer; [0, kMaxDeadline]
  /// The items' bytes one after another: a whole JPEG or PNG file, or float32 little-endian [count,3,224,224]
  /// NCHW, ImageNet-normalised.
  std::string payload;
  bool operator==(Job const&) const = default;
};

/// dispatcher → worker: nobody waits for this job any more. Advisory: a result may still come.
struct Cancel {
  std::uint64_t id = 0;
  bool operator==(Cancel const&) const = default;
};

using FromWorker = std::variant<Hello, Ready, JobResult, Bye, Overrun, Standby>;
using FromDispatcher = std::variant<Job, Cancel>;

/// One frame. A value within the limits above always decodes to itself (probabilities to float32 precision).
[[nodiscard]] std::string encode(FromWorker const& message);
[[nodiscard]] std::string encode(FromDispatcher const& message);

/// What comes before the job's items in its frame, which behind it has their bytes, one after another
/// (job.payload is ignored): so they may be sent from where they lie.
[[nodiscard]] std::string encode_job_head(Job const& job);

/// Errors: ErrorKind::Protocol.
[[nodiscard]] Result<FromWorker> decode_from_worker(std::string_view frame);
[[nodiscard]] Result<FromDispatcher> decode_from_dispatcher(std::string_view frame);

/// Each item's bytes; views into job.payload, as many as job.items.
/// The job must have been decoded or be consistent.
[[nodiscard]] std::vector<std::string_view> parts(Job const& job);

}  // namespace ei::dispatcher::link
