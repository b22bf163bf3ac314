#include "operator/backend/local/command.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/json/value.hpp>

#include "operator/api/reader.hpp"
#include "operator/plan/arguments.hpp"
#include "runtime/core/fields.hpp"
#include "runtime/core/json.hpp"

namespace ei::backend::local {
namespace {

/// For so long a leaving dispatcher answers requests on connections that are open already: on one machine
/// the next request of a busy client arrives within milliseconds. A new connection waits meanwhile for the
/// successor to accept it.
constexpr milliseconds kServeOn{200};

/// A dispatcher that leaves waits until each gRPC connection has been told to go, and its successor until it
/// has left: seconds, where a cluster has half a minute.
constexpr milliseconds kGrpcConnectionAge{3'000};

/// Flags whose value differs between instances of one template.
bool is_individual(std::string const& flag) {
  return flag == "--name" || flag == "--ports-file" || flag == "--cpu-max-file";
}

std::vector<std::string> without_individual(Command const& command) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < command.argv.size(); ++i) {
    if (is_individual(command.argv[i])) {
      ++i;
    } else {
      words.push_back(command.argv[i]);
    }
  }
  return words;
}

void append(std::vector<std::string>& words, std::vector<std::string> const& more) {
  words.insert(words.end(), more.begin(), more.end());
}

}  // namespace

template <class Fields>
void list_members(Fields& fields, Ports& ports) {
  fields.maybe("http", ports.http);
  fields("metrics", ports.metrics);
  fields.maybe("link", ports.link);
  fields.maybe("grpc", ports.grpc);
}

Result<Ports> parse_ports(std::string_view text) {
  auto const root = parse_json(text);
  if (!root) return root.error();
  return read_fields<Ports>(*root);
}

milliseconds drain_timeout(Settings const& settings, api::Spec const& spec) {
  return std::max(settings.drain_timeout, spec.dispatcher.request_timeout);
}

http::Url origin(std::string const& address, std::uint16_t port) {
  http::Url url;
  boost::system::error_code wrong;
  auto const ip = boost::asio::ip::make_address(address, wrong);
  url.host = address;
  if (!wrong && ip.is_unspecified()) url.host = ip.is_v6() ? "::1" : kLoopback;
  url.port = port;
  return url;
}

Command dispatcher_command(Settings const& settings, api::Spec const& spec,
                           std::filesystem::path const& token_file, std::filesystem::path const& ports_file) {
  Command command;
  command.argv = {settings.programs / "inference-dispatcher",
                  "--address",
                  settings.address,
                  "--http-fd",
                  std::to_string(kFirstDescriptor),
                  "--metrics-fd",
                  std::to_string(kFirstDescriptor + 1),
                  "--link-fd",
                  std::to_string(kFirstDescriptor + 2),
                  "--grpc-fd",
                  std::to_string(kFirstDescriptor + 3),
                  "--grpc-connection-age",
                  format_duration(kGrpcConnectionAge),
                  "--shutdown-delay",
                  format_duration(kServeOn),
                  "--drain-timeout",
                  format_duration(drain_timeout(settings, spec)),
                  "--log-level",
                  settings.log_level,
                  "--token-file",
                  token_file,
                  "--ports-file",
                  ports_file};
  append(command.argv, plan::dispatcher_arguments(spec));
  return command;
}

Command worker_command(Settings const& settings, api::Spec const& spec, std::string const& name,
                       std::vector<std::uint16_t> const& links, std::filesystem::path const& token_file,
                       std::filesystem::path const& ports_file, std::filesystem::path const& quota_file) {
  Command command;
  command.argv = {settings.programs / "inference-worker",
                  "--address",
                  kLoopback,
                  "--metrics-port",
                  "0",
                  "--name",
                  name,
                  "--drain-timeout",
                  format_duration(drain_timeout(settings, spec)),
                  "--log-level",
                  settings.log_level,
                  "--token-file",
                  token_file,
                  "--ports-file",
                  ports_file};
  if (spec.scaling.standby > 0) append(command.argv, {"--standby-below", "1", "--cpu-max-file", quota_file});
  append(command.argv, plan::worker_arguments(spec.model));
  append(command.argv, plan::download_arguments(spec.model, settings.allowed));
  for (auto const link : links) {
    command.argv.insert(command.argv.end(),
                        {"--dispatcher", std::string(kLoopback) + ":" + std::to_string(link)});
  }
  command.environment = {"OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "MKL_NUM_THREADS=1"};
  return command;
}

std::string_view quota_of(bool standby) {
  return standby ? "90000 100000\n" : "100000 100000\n";
}

bool same_template(Command const& running, Command const& wanted) {
  return without_individual(running) == without_individual(wanted) &&
         running.environment == wanted.environment;
}

std::vector<api::FieldError> local_faults(api::Spec const& spec, api::Allowed const& allowed) {
  std::vector<api::FieldError> faults;
  auto const refuse_claim = [&](std::string path, std::string const& uri) {
    if (uri.rfind("pvc://", 0) != 0) return;
    faults.push_back({std::move(path), api::invalid_value(boost::json::value(uri),
                                                          "https://, file:// or builtin:// on this machine: "
                                                          "pvc:// names a volume of a cluster")});
  };
  refuse_claim("spec.model.uri", spec.model.uri);
  refuse_claim("spec.model.labels", spec.model.labels);
  auto const refuse_query = [&](std::string path, std::string const& secret) {
    if (secret.empty()) return;
    faults.push_back(
        {std::move(path), api::invalid_value(boost::json::value(secret),
                                             "left out on this machine: it names a Secret of a "
                                             "cluster; download the file and name it in file://")});
  };
  refuse_query("spec.model.uriQuerySecret", spec.model.uri_query_secret);
  refuse_query("spec.model.labelsQuerySecret", spec.model.labels_query_secret);
  if (auto const& tls = spec.dispatcher.tls; tls.on()) {
    faults.push_back(
        {"spec.dispatcher.tls.secretName",
         api::invalid_value(boost::json::value(tls.secret_name),
                            "left out on this machine, without spec.dispatcher.tls: it names a "
                            "Secret of a cluster; inference-dispatcher --tls-cert takes files")});
  }
  // One word on a field is enough.
  for (auto& refusal : api::refusals(spec, allowed)) {
    bool const told = std::any_of(faults.begin(), faults.end(),
                                  [&](auto const& fault) { return fault.path == refusal.path; });
    if (!told) faults.push_back(std::move(refusal));
  }
  return faults;
}

}  // namespace ei::backend::local
