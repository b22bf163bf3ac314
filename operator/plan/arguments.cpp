#include "operator/plan/arguments.hpp"

#include <algorithm>

#include "runtime/core/units.hpp"

namespace ei::plan {

std::vector<std::string> dispatcher_arguments(api::Spec const& spec) {
  auto const& dispatcher = spec.dispatcher;
  std::vector<std::string> arguments{
      "--model", spec.model.name, "--queue-capacity", std::to_string(dispatcher.queue_capacity),
      "--request-timeout", format_duration(dispatcher.request_timeout), "--max-picture-bytes",
      std::to_string(dispatcher.limits.max_bytes), "--max-picture-pixels",
      std::to_string(dispatcher.limits.max_pixels),
      // Under every policy: the queue lets requests pass that can still meet the target.
      "--latency-target", format_duration(spec.scaling.latency_target), "--batch-max-size",
      std::to_string(dispatcher.batch.max_size), "--batch-max-delay",
      format_duration(dispatcher.batch.max_delay)};
  if (auto const most = dispatcher.max_connections_per_address) {
    arguments.emplace_back("--max-connections-per-address");
    arguments.push_back(std::to_string(*most));
  }
  for (auto const& origin : dispatcher.allowed_origins) {
    arguments.emplace_back("--cors-allowed-origin");
    arguments.push_back(origin);
  }
  return arguments;
}

namespace {

/// At most six digits: what people write as a part of 1.
std::string decimal(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace

std::vector<std::string> worker_arguments(api::Model const& model) {
  std::vector<std::string> arguments{"--model-name", model.name,    "--model-uri",
                                     model.uri,      "--precision", std::string(to_string(model.precision))};
  auto const add = [&](char const* flag, std::string const& value) {
    if (value.empty()) return;
    arguments.emplace_back(flag);
    arguments.push_back(value);
  };
  add("--min-agreement", model.min_agreement ? decimal(*model.min_agreement) : std::string());
  add("--sha256", model.sha256);
  add("--labels", model.labels);
  return arguments;
}

std::vector<std::string> download_arguments(api::Model const& model, api::Allowed const& allowed) {
  std::vector<std::string> arguments;
  if (!model.uri.starts_with("https://") && !model.labels.starts_with("https://")) return arguments;
  auto const add = [&](char const* flag, std::string const& value) {
    arguments.emplace_back(flag);
    arguments.push_back(value);
  };
  if (allowed.addresses.private_ones) add("--allow-address", "private");
  if (allowed.addresses.loopback) add("--allow-address", "loopback");
  bool const any = std::find(allowed.hosts.begin(), allowed.hosts.end(), "*") != allowed.hosts.end();
  for (auto const& host : allowed.hosts) {
    if (!any) add("--allow-host", host);
  }
  return arguments;
}

}  // namespace ei::plan
