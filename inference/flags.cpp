#include "inference/flags.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "inference/service/source.hpp"
#include "runtime/core/version.hpp"
#include "runtime/process/files.hpp"

namespace ei::inference {
namespace {

template <class T>
T checked(std::string const& flag, Result<T> parsed) {
  if (!parsed) throw CLI::ValidationError(flag, parsed.error().message);
  return std::move(*parsed);
}

// A presigned URL of Amazon's with a session's token has 2 KiB.
constexpr std::size_t kMaxQueryBytes = 16 * 1024;

// A URI as the sources take it, with what `file` adds to it where one is given.
std::string whole_uri(std::string const& uri, std::string const& flag, std::string const& file) {
  if (file.empty()) return uri;
  auto const text = checked(flag, process::read_file(file, kMaxQueryBytes));
  auto whole = with_query(uri, text);
  if (!whole) throw CLI::ValidationError(flag, file + ": " + whole.error().message);
  return std::move(*whole);
}

std::string checked_digest(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
  bool const fine = text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!fine) throw CLI::ValidationError("--sha256", "is '" + text + "'; allowed: 64 hexadecimal digits");
  return text;
}

}  // namespace

std::variant<Flags, Exit> parse_flags(int argc, char** argv) {
  Flags flags;
  std::vector<std::string> dispatchers;
  std::vector<std::string> addresses;
  std::string sha256;
  std::string labels;
  std::string model_uri_query_file;
  std::string labels_query_file;
  std::string precision = "auto";
  std::string drain_timeout = "30s";
  std::string job_limit = "0s";
  std::string standby_below = "0";
  std::string level = "info";
  CLI::App app(
      "Classifies pictures with a ResNet18 on one core, for dispatchers and, where asked, over HTTP.",
      "inference-worker");
  app.set_version_flag("--version", version_and_commit());
  app.option_defaults()->always_capture_default();
  app.add_option("--address", flags.address, "Address to listen on");
  app.add_option("--port", flags.port,
                 "Port of its own POST /predict, for clients without a dispatcher; 0 lets the system "
                 "choose; none: it is not served");
  app.add_option("--metrics-port", flags.metrics_port,
                 "Port of /metrics, /healthz and /readyz; 0 lets the system choose");
  app.add_option(
      "--dispatcher", dispatchers,
      "HOST:PORT of a dispatcher's worker link; every address behind the name is served; may be repeated");
  app.add_option("--name", flags.name, "This worker's name in logs; none: the host's name");
  app.add_option("--model-name", flags.model_name, "Name of the model, the same as the dispatcher's");
  app.add_option(
      "--model-uri", flags.model_uri,
      "Weights: https://…, file:///…, a path (.pth, .safetensors, TorchScript .pt) or builtin://shapes");
  app.add_option("--sha256", sha256, "The weights' SHA-256, 64 hexadecimal digits; none: not checked");
  app.add_option(
      "--labels", labels,
      "Class names, one a line: builtin://imagenet, https://…, file:///… or a path; none: the weights' own");
  app.add_option(
      "--model-uri-query-file", model_uri_query_file,
      "File with what follows '?' in --model-uri, such as a signature, which nobody reads from the "
      "arguments then; read at the start");
  app.add_option("--labels-query-file", labels_query_file, "Likewise for --labels");
  app.add_option("--precision", precision, "auto, fp32, bf16 or int8");
  app.add_option(
         "--min-agreement", flags.load.min_agreement,
         "With --precision auto: takes int8 where it gives the class of fp32 for at least this part of "
         "the calibration pictures, from 0.5 to 1; none: never")
      ->check(CLI::Range(0.5, 1.0));
  app.add_option("--allow-address", addresses,
                 "Download also from these addresses: private, loopback; may be repeated");
  app.add_option("--allow-host", flags.load.reach.hosts,
                 "Download only from these hosts, also after a redirect: HOST, *.DOMAIN, with :PORT; may be "
                 "repeated; none: from all");
  app.add_option("--cache-dir", flags.load.cache_dir,
                 "Where downloads are kept; none: the user's cache folder");
  app.add_option("--token-file", flags.token_file,
                 "File with the token that dispatchers ask for; read again for every link")
      ->check(CLI::ExistingFile);
  app.add_option("--former-token-file", flags.former_token_file,
                 "File with a token for dispatchers that refuse that one, where the file exists");
  app.add_option("--dispatcher-ca", flags.dispatcher_ca,
                 "File with the authorities (PEM) by which dispatchers' certificates are verified, under the "
                 "names that --dispatcher has for them; read again for every link; none: the link is plain")
      ->check(CLI::ExistingFile);
  app.add_option("--drain-timeout", drain_timeout, "Time to finish what is held after SIGTERM");
  app.add_option("--job-limit", job_limit,
                 "Longest computation of one job, after which this process ends for its restart; 0: from the "
                 "measured speed, 12 s for a picture on a core of its own and 45 s at most");
  app.add_option(
      "--standby-below", standby_below,
      "A standby, which is warm and asks dispatchers for no job, while its CPU quota is below that: "
      "1, 200m; 0: never");
  app.add_option("--cpu-max-file", flags.standby.quota_file,
                 "File of the form of cgroup's cpu.max that has the CPU quota, read every 50 ms; none: the "
                 "process's own cgroup")
      ->check(CLI::ExistingFile);
  app.add_option("--log-level", level, "debug, info, warn or error");
  app.add_option("--ports-file", flags.ports_file,
                 "Where to write the ports, as JSON, once they are listened on");
  app.add_option("--classify", flags.classify,
                 "Classify these pictures, print one JSON object a line, and end")
      ->expected(1, -1);
  try {
    app.parse(argc, argv);
    for (auto const& text : dispatchers)
      flags.dispatchers.push_back(checked("--dispatcher", parse_dispatcher(text)));
    flags.load.weights =
        checked("--model-uri",
                parse_model_uri(whole_uri(flags.model_uri, "--model-uri-query-file", model_uri_query_file)));
    labels = whole_uri(labels, "--labels-query-file", labels_query_file);
    if (!labels.empty()) flags.load.labels = checked("--labels", parse_label_uri(labels));
    if (!sha256.empty()) flags.load.sha256 = checked_digest(sha256);
    for (auto const& word : addresses) {
      if (auto const known = allow(flags.load.reach.addresses, word); !known)
        throw CLI::ValidationError("--allow-address", known.error().message);
    }
    for (auto const& host : flags.load.reach.hosts) {
      if (auto const fault = host_pattern_fault(host); !fault.empty())
        throw CLI::ValidationError("--allow-host", fault);
    }
    flags.load.precision = checked("--precision", parse_precision(precision));
    if (flags.load.min_agreement && flags.load.precision != Precision::Auto) {
      throw CLI::ValidationError("--min-agreement", "is given with --precision " + precision +
                                                        "; allowed only with auto, which it lets take int8");
    }
    flags.drain_timeout = checked("--drain-timeout", parse_duration(drain_timeout));
    flags.job_limit = checked("--job-limit", parse_duration(job_limit));
    flags.standby.below_milli = checked("--standby-below", parse_quantity_milli(standby_below));
    flags.log_level = checked("--log-level", log::parse_level(level));
  } catch (CLI::ParseError const& error) {
    // CLI11 prints; its own codes are many, the convention is 2.
    return Exit{app.exit(error) == 0 ? 0 : 2};
  }
  return flags;
}

}  // namespace ei::inference
