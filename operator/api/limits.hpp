#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>

#include "runtime/core/units.hpp"

// The allowed ranges of the API, both ends included. The CRD's schema states the same numbers.
namespace ei::api {

template <class T>
struct Range {
  T least;
  T most;

  [[nodiscard]] constexpr bool contains(T value) const { return value >= least && value <= most; }
};

using namespace std::chrono_literals;

inline constexpr Range<int> kQueueTarget{1, 100'000};
/// A thousand single-core workers are a rack; more is a typing error.
inline constexpr Range<int> kReplicas{1, 1000};
/// `minReplicas`: 0 lets a service go to no worker at all.
inline constexpr Range<int> kMinReplicas{0, 1000};
/// No more than there may be workers.
inline constexpr Range<int> kStandby{0, 1000};
/// Shorter than a second would end a worker between two requests of one client; what nobody asks for in a day
/// is not worth a core.
inline constexpr Range<milliseconds> kIdleAfter{1s, 24h};
/// `kubectl scale --replicas=0` is accepted and bounded by minReplicas, not refused.
inline constexpr Range<int> kExternalReplicas{0, 1000};
inline constexpr Range<milliseconds> kCooldown{0ms, 1h};
inline constexpr Range<milliseconds> kLatencyTarget{10ms, 60s};
inline constexpr Range<milliseconds> kInterval{100ms, 5min};
/// `interval` where the manifest names none: the direct scrape's second, and the
/// classic rule's quarter minute.
inline constexpr milliseconds kDefaultInterval = 1s;
inline constexpr milliseconds kDefaultQueueRatioInterval = 15s;
/// Each is simulated beside the service: one more costs the operator time (docs/scaling.md, "Advisors").
inline constexpr std::size_t kMaxAdvisors = 8;
inline constexpr Range<int> kDispatcherReplicas{1, 10};
inline constexpr Range<int> kQueueCapacity{1, 100'000};
/// 0 turns the cap off. As many as the longest queue has requests: a dispatcher has few more connections.
inline constexpr Range<int> kConnectionsPerAddress{0, 100'000};
inline constexpr Range<milliseconds> kRequestTimeout{100ms, 10min};
/// The least that is of use; and three copies of 32 MiB, which a worker holds for a moment, beside what it
/// decodes (see docs/security.md).
inline constexpr Range<int> kPictureBytes{64 << 10, 32 << 20};
/// A crop's worth; and the square of the longest side that is decoded.
inline constexpr Range<int> kPicturePixels{1 << 16, 1 << 28};
/// Below a half int8 would be another model; 1 is every calibration picture.
inline constexpr Range<double> kMinAgreement{0.5, 1};
inline constexpr Range<int> kBatchSize{1, 64};
inline constexpr Range<milliseconds> kBatchDelay{0ms, 1s};
/// Thousandths of a core: below 10m a worker would not answer within any request timeout.
inline constexpr Range<std::int64_t> kCpuMilli{10, 64'000};
/// Bytes: the model alone takes about 240 MB resident.
inline constexpr Range<std::int64_t> kMemoryBytes{std::int64_t{256} << 20, std::int64_t{1} << 40};
/// Children's names are the service's with a suffix, and a pod's adds 16 characters; the label limit is 63.
inline constexpr std::size_t kMaxNameLength = 50;
/// Kubernetes' own limit of label values, which a model's name also is.
inline constexpr std::size_t kMaxModelNameLength = 63;
/// A page of PromQL; percent-encoded it still fits the request line that Go's server reads.
inline constexpr std::size_t kMaxQueryLength = 2048;
/// A post on the loopback takes a millisecond; and what Kubernetes gives its own webhooks at most.
inline constexpr Range<milliseconds> kWebhookTimeout{10ms, 30s};
/// In base64. A cloud's whole list of roots has 200 KiB; who names one means a few of their own.
inline constexpr std::size_t kMaxCaBundleLength = 64 << 10;
/// What browsers and proxies carry without trouble.
inline constexpr std::size_t kMaxUriLength = 2048;
/// A registry's name (255), a repository, a tag (128) or a digest.
inline constexpr std::size_t kMaxImageLength = 512;
/// No duration or quantity that anybody means is longer; regular expressions and sums stay cheap.
inline constexpr std::size_t kMaxNumberLength = 32;
/// A week has some twenty weekday mornings, evenings and nights worth a name; each costs a look a second.
inline constexpr std::size_t kMaxScheduleEntries = 32;
/// Long enough for lists of minutes and hours.
inline constexpr std::size_t kMaxCronLength = 128;
/// The longest name of a zone has 32 letters (America/Argentina/ComodRivadavia).
inline constexpr std::size_t kMaxZoneLength = 64;
/// A line of a `kubectl describe`.
inline constexpr std::size_t kMaxScheduleNameLength = 63;
/// A cron's own step; and a week, after which every calendar repeats: what holds longer is minReplicas.
inline constexpr Range<milliseconds> kScheduleDuration{1min, 168h};
/// Pages that use one service; each is a flag of the dispatcher.
inline constexpr std::size_t kMaxOrigins = 32;
/// Kubernetes' own limit of a Secret's name, a DNS subdomain.
inline constexpr std::size_t kMaxSecretNameLength = 253;
/// Whoever made a Secret with one of these keys means it to be sent to the host of a model. A key that the
/// author of a service could choose would let them send there any Secret that they may not read.
inline constexpr std::string_view kUriQueryKey = "uri-query";
inline constexpr std::string_view kLabelsQueryKey = "labels-query";
/// A dispatcher takes 7 MB idle and its libraries 30 MiB.
inline constexpr Range<std::int64_t> kDispatcherMemoryBytes{std::int64_t{32} << 20, std::int64_t{1} << 40};
/// Kubernetes' own limit of a label's name or value, and of a namespace's.
inline constexpr std::size_t kMaxLabelLength = 63;
/// What teams and tools mark a pod with.
inline constexpr std::size_t kMaxLabels = 32;
/// Sixteen of the longest, in characters of four bytes, fit the 256 KiB that Kubernetes allows an object.
inline constexpr std::size_t kMaxAnnotations = 16;
inline constexpr std::size_t kMaxAnnotationLength = 3072;
/// Thirty-two of the longest, in characters of four bytes, are 256 KiB; an object in etcd is 1.5 MiB at most.
inline constexpr std::size_t kMaxEnv = 32;
inline constexpr std::size_t kMaxEnvValueLength = 2048;
/// Registries that one image comes from.
inline constexpr std::size_t kMaxPullSecrets = 16;
/// Hosts, zones, regions, each hard or soft.
inline constexpr std::size_t kMaxSpreads = 8;
/// Terms, expressions, labels, namespaces of a selector: more than anybody writes by hand.
inline constexpr std::size_t kMaxSelectorItems = 16;
inline constexpr std::size_t kMaxSelectorValues = 64;
/// Of Gt and Lt: what a 64-bit integer holds.
inline constexpr std::size_t kMaxWholeNumberDigits = 18;
/// Kubernetes' own range.
inline constexpr Range<int> kAffinityWeight{1, 100};
/// Of maxSkew and minDomains: a thousand pods on as many nodes.
inline constexpr Range<int> kSpreadNumber{1, 1000};
/// A node has a handful of taints.
inline constexpr std::size_t kMaxTolerations = 64;
/// And some twenty labels.
inline constexpr std::size_t kMaxNodeLabels = 64;

}  // namespace ei::api
