#pragma once

#include <boost/json/value.hpp>
#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "operator/api/status.hpp"
#include "operator/scaling/settings.hpp"
#include "operator/schedule/entry.hpp"
#include "runtime/core/units.hpp"

namespace ei::api {

inline constexpr std::string_view kGroup = "elasticinference.dev";
inline constexpr std::string_view kApiVersion = "elasticinference.dev/v1alpha1";
inline constexpr std::string_view kKind = "InferenceService";

/// Names one service. On the local backend the namespace is what the manifest says,
/// `default` when it says nothing.
struct ServiceKey {
  std::string namespace_name;
  std::string name;

  auto operator<=>(ServiceKey const&) const = default;
};

/// `namespace/name`, as kubectl and logs write it.
[[nodiscard]] std::string to_string(ServiceKey const& key);

/// The part of an object's metadata that anything here depends on.
struct Metadata {
  std::string name;
  std::string namespace_name = "default";
  std::string uid;
  std::string resource_version;
  std::int64_t generation = 0;  ///< grows with every change of the spec
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  std::optional<WallTime> created;
  bool deleting = false;

  [[nodiscard]] ServiceKey key() const { return {namespace_name, name}; }
  bool operator==(Metadata const&) const = default;
};

enum class Precision { Auto, Fp32, Bf16, Int8 };

/// Which weights are served, and under which name.
struct Model {
  std::string name = "resnet18";         ///< the name in `/v2/models/{name}`
  std::string uri = "builtin://shapes";  ///< https, file, pvc (`pvc://claim/path`) or builtin
  std::string sha256;                    ///< 64 lower-case hexadecimal digits; empty: not checked
  std::string labels;                    ///< URI of the class names; empty: what the weights carry
  /// The Secret whose kUriQueryKey holds what follows `?` in uri, a signature; empty: uri is whole.
  std::string uri_query_secret;
  std::string labels_query_secret;  ///< likewise for labels and kLabelsQueryKey
  Precision precision = Precision::Auto;
  /// Part of the calibration pictures for which int8 must give the class of fp32 so that Auto takes it; none:
  /// Auto never does.
  std::optional<double> min_agreement;

  bool operator==(Model const&) const = default;
};

struct Batch {
  int max_size = 1;
  milliseconds max_delay{0};

  bool operator==(Batch const&) const = default;
};

/// Of one picture. What a larger one costs: docs/security.md, "Pictures".
struct PictureLimits {
  int max_bytes = 10 << 20;      ///< of its file; above 413
  int max_pixels = 100'000'000;  ///< of a JPEG; a PNG has at most 2^24 of them

  bool operator==(PictureLimits const&) const = default;
};

/// Whether clients show a certificate.
enum class ClientAuth { None, Optional, Required };

/// `spec.dispatcher.tls`: HTTPS for clients, TLS for the worker link.
struct Tls {
  /// Of a Secret in the service's namespace with `tls.crt`, `tls.key` and `ca.crt`; empty: no TLS.
  std::string secret_name;
  ClientAuth client_auth = ClientAuth::None;

  [[nodiscard]] bool on() const { return !secret_name.empty(); }
  bool operator==(Tls const&) const = default;
};

/// One of `env`, with its value as it is.
struct EnvironmentVariable {
  std::string name;
  std::string value;

  bool operator==(EnvironmentVariable const&) const = default;
};

/// What a spec says of the pods of either program; the local backend has no use for it.
struct Pods {
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  std::vector<EnvironmentVariable> env;
  std::string service_account;                  ///< empty: the namespace's `default`
  std::string priority_class;                   ///< empty: the operator's --priority-class
  std::vector<std::string> image_pull_secrets;  ///< besides the operator's --image-pull-secret
  std::map<std::string, std::string> node_selector;
  boost::json::value tolerations;  ///< the pod's own field, passed on; null: none
  boost::json::value affinity;     ///< likewise
  boost::json::value
      topology_spread;  ///< `topologySpreadConstraints`; null: over nodes where that is possible

  bool operator==(Pods const&) const = default;
};

/// What one dispatcher is sure to get, as Kubernetes quantities. A tenth of a core moves hundreds of
/// requests a second, for a dispatcher copies bytes; idle it takes 7 MB.
struct Requests {
  std::string cpu = "100m";
  std::string memory = "64Mi";

  bool operator==(Requests const&) const = default;
};

struct Dispatcher {
  int replicas = 1;
  int queue_capacity = 1000;  ///< waiting requests; above it 429
  /// None: seven eighths of all; 0: no cap.
  std::optional<int> max_connections_per_address;
  milliseconds request_timeout{30'000};
  PictureLimits limits;
  Batch batch;
  /// `cors.allowedOrigins`: exact origins, or `*` alone; empty: no cross-origin use.
  std::vector<std::string> allowed_origins;
  Tls tls;
  Requests resources;
  Pods pods;

  bool operator==(Dispatcher const&) const = default;
};

/// Kubernetes quantities as written. One worker computes on one core, so more CPU than 1 only helps decoding.
struct Resources {
  std::string cpu = "1";
  std::string memory = "1Gi";

  bool operator==(Resources const&) const = default;
};

struct Worker {
  std::string image;  ///< empty: the operator's default
  Resources resources;
  Pods pods;

  bool operator==(Worker const&) const = default;
};

/// `spec.scaling.webhook`: the program that decides under the policy Webhook.
struct Webhook {
  std::string url;          ///< http or https
  milliseconds timeout{0};  ///< of one answer; 0: half of spec.scaling.interval
  std::string ca_pem;       ///< `caBundle`; empty: the operator's own choice

  bool operator==(Webhook const&) const = default;
};

struct Spec {
  Model model;
  /// `external_replicas` is the API's `spec.replicas`; all else is `spec.scaling`.
  scaling::Settings scaling;
  /// `spec.scaling.schedule`: bounds by the clock.
  std::vector<schedule::Entry> schedule;
  /// `spec.scaling.prometheusQuery`; empty: the dispatchers themselves are asked for their queues.
  std::string prometheus_query;
  /// `spec.scaling.webhook`: one under the policy Webhook, else none. A vector, as it is small when empty.
  std::vector<Webhook> webhook;
  std::vector<scaling::Advisor> advisors;  ///< `spec.scaling.advisors`
  Dispatcher dispatcher;
  Worker worker;

  bool operator==(Spec const&) const = default;
};

/// CPU cores of each worker. Precondition: the spec was read, so its quantity is one.
[[nodiscard]] inline double worker_cores(Spec const& spec) {
  auto const milli = parse_quantity_milli(spec.worker.resources.cpu);
  return milli ? static_cast<double>(*milli) / 1000 : 1;
}

/// Requests that may wait at all dispatchers together.
[[nodiscard]] inline std::size_t queue_capacity(Spec const& spec) {
  return static_cast<std::size_t>(spec.dispatcher.replicas) *
         static_cast<std::size_t>(spec.dispatcher.queue_capacity);
}

/// What one user asked for and what became of it.
struct InferenceService {
  Metadata metadata;
  Spec spec;
  Status status;

  bool operator==(InferenceService const&) const = default;
};

/// `auto`, `fp32`, `bf16`.
[[nodiscard]] std::string_view to_string(Precision precision);
/// `None`, `Optional`, `Required`.
[[nodiscard]] std::string_view to_string(ClientAuth client_auth);

}  // namespace ei::api
