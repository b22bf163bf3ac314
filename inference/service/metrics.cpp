#include "inference/service/metrics.hpp"

namespace ei::inference {
namespace {

constexpr char const* kRequests = "ml_app_requests_total";
constexpr char const* kRequestsHelp = "Answers by method, route and status; jobs of the worker link as JOB.";
constexpr char const* kResponseTime = "ml_app_response_time_seconds";
constexpr char const* kResponseTimeHelp =
    "Seconds from a request's first byte, or a job's receipt, to its answer.";

/// One ResNet18 forward takes 3 ms to 50 ms on one core, a job of 64 pictures up to seconds.
std::vector<double> inference_buckets() {
  return {0.002, 0.004, 0.006, 0.008, 0.01, 0.012, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 1, 4};
}

double seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

Metrics::Metrics(metrics::Registry& registry)
    : registry_(registry),
      requests_(registry, {kRequests, kRequestsHelp}, {kResponseTime, kResponseTimeHelp}),
      ready_(registry.gauge("ml_app_ready", "1 once the model is warm, 0 before and while leaving.")),
      links_(registry.gauge("ml_app_links", "Dispatchers this worker is linked to.")),
      cpu_(registry.gauge("ml_app_cpu_usage_percent", "CPU time used, of what this process may use.")),
      memory_(
          registry.gauge("ml_app_memory_usage_percent", "Resident memory, of what this process may use.")),
      load_seconds_(
          registry.gauge("ml_app_model_load_seconds", "From the weights on disk to the warm model.")),
      inference_seconds_(registry.histogram("ml_app_inference_seconds", "Seconds in the network, per job.",
                                            inference_buckets())),
      pictures_(registry.counter("ml_app_pictures_total", "Pictures and tensors answered, errors included.")),
      nonfinite_(registry.counter(
          "ml_app_nonfinite_total",
          "Pictures with finite pixels whose scores are not finite: the model's weights are broken.")) {}

void Metrics::completed(http::Completed const& answer) {
  requests_.answered(answer.method, answer.pattern, answer.status, answer.elapsed);
}

void Metrics::job_completed(bool ok, std::chrono::nanoseconds elapsed) {
  requests_.count("JOB", "link", ok ? 200 : 500, elapsed);
}

void Metrics::inferred(double inference_seconds, std::size_t pictures) {
  inference_seconds_.Observe(inference_seconds);
  pictures_.Increment(static_cast<double>(pictures));
}

void Metrics::nonfinite(std::size_t pictures) {
  nonfinite_.Increment(static_cast<double>(pictures));
}

void Metrics::loaded(std::chrono::nanoseconds elapsed, std::string_view output, std::string_view precision,
                     std::string_view version) {
  load_seconds_.Set(seconds(elapsed));
  registry_
      .gauge("ml_app_model_info",
             "1; what the model's last layer gives, what it computes in, and which weights these are.",
             {{"output", std::string(output)},
              {"precision", std::string(precision)},
              {"version", std::string(version)}})
      .Set(1);
}
void Metrics::agrees(Agreement const& agreement) {
  registry_
      .gauge("ml_app_int8_agreement",
             "Part of the calibration pictures for which int8 gives the class of fp32, measured at load.")
      .Set(agreement.top1);
  registry_
      .gauge("ml_app_int8_largest_difference",
             "Largest difference of a probability between int8 and fp32 on the calibration pictures.")
      .Set(agreement.largest_difference);
}

void Metrics::set_ready(bool ready) {
  ready_.Set(ready ? 1 : 0);
}
void Metrics::set_standby(bool standby) {
  registry_
      .gauge("ml_app_standby",
             "1 while the worker is warm and asks for no job, as its CPU quota is that of a standby.")
      .Set(standby ? 1 : 0);
}

void Metrics::set_links(std::size_t links) {
  links_.Set(static_cast<double>(links));
}

void Metrics::collect(process::Usage const& usage) {
  cpu_.Set(usage.cpu_percent);
  memory_.Set(usage.memory_percent);
}

}  // namespace ei::inference
