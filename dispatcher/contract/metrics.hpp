// The dispatcher's metrics that others read: the operator decides by them.
// docs/metrics.md says what they mean.
#pragma once

namespace ei::dispatcher::metric {

inline constexpr char const* kArrivals = "dispatcher_arrivals_total";
inline constexpr char const* kCompletions = "dispatcher_completions_total";
inline constexpr char const* kServiceSeconds = "dispatcher_service_seconds_total";
inline constexpr char const* kServiceSecondsSquared = "dispatcher_service_seconds_squared_total";
inline constexpr char const* kQueueSize = "dispatcher_queue_size";
inline constexpr char const* kInFlight = "dispatcher_in_flight";
inline constexpr char const* kOldestAge = "dispatcher_oldest_age_seconds";
/// By the label `reason`; `full` for a request that found the queue full.
inline constexpr char const* kDropped = "dispatcher_dropped_total";
inline constexpr char const* kQuarantined = "dispatcher_quarantined_total";
/// By the label `output`, one of link::kOutputs.
inline constexpr char const* kWorkersByOutput = "dispatcher_workers_by_output";
/// By the label `precision`, one of link::kPrecisions.
inline constexpr char const* kWorkersByPrecision = "dispatcher_workers_by_precision";
/// By the label `version`, a link::Hello::model_version.
inline constexpr char const* kWorkersByVersion = "dispatcher_workers_by_version";
/// The least link::Hello::agreement; there is no such series until a worker has told one.
inline constexpr char const* kInt8Agreement = "dispatcher_int8_agreement";
/// A histogram by the label `endpoint`: a route's pattern, or a gRPC method's path.
inline constexpr char const* kResponseTime = "dispatcher_response_time_seconds";

}  // namespace ei::dispatcher::metric
