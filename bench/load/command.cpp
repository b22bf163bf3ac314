#include "bench/load/command.hpp"

#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <fstream>
#include <memory>
#include <random>

#include "bench/load/load.hpp"
#include "bench/load/progress.hpp"
#include "bench/load/trace_file.hpp"
#include "runtime/core/json.hpp"
#include "runtime/process/files.hpp"
#include "runtime/process/program.hpp"
#include "runtime/process/signals.hpp"

namespace ei::bench {
namespace {

constexpr std::size_t kMaxCaBytes = 1024 * 1024;  // every authority that a system trusts is a fifth of it
constexpr int kInterrupted = 130;                 // what a shell says of a program ended by SIGINT

struct Flags {
  std::string url;
  std::string images;
  TraceFlags trace;
  double scale = 1;
  double rate_rps = 0;
  double seconds = 10;
  std::uint64_t seed = 0;
  bool seed_given = false;
  std::string timeout = "30s";
  std::size_t connections = LoadOptions().connections;
  std::string seconds_csv;
  std::string requests_csv;
  std::string json;
  std::string ca;
  bool form = false;
};

/// Everything that is decided before the first request.
struct Setup {
  LoadOptions options;
  Schedule schedule;
  std::vector<Picture> pictures;
};

Result<Schedule> schedule_from(Flags const& flags) {
  if (flags.trace.file.empty()) return poisson_schedule(flags.rate_rps, flags.seconds, flags.seed);
  auto const trace = load_trace(flags.trace, flags.seed);
  if (!trace) return trace.error();
  return schedule_of(scale(*trace, flags.scale), flags.seed);
}

Result<Setup> prepare(Flags const& flags) {
  Setup setup;
  auto const url = http::parse_url(flags.url);
  if (!url) return with_context(url.error(), "--url");
  auto const timeout = parse_duration(flags.timeout);
  if (!timeout) return with_context(timeout.error(), "--timeout");
  if (*timeout < milliseconds(1)) return make_error(ErrorKind::Invalid, "--timeout must be at least 1ms");
  setup.options.url = *url;
  setup.options.timeout = *timeout;
  setup.options.connections = flags.connections;
  if (!flags.ca.empty()) {
    auto authorities = process::read_file(flags.ca, kMaxCaBytes);
    if (!authorities) return with_context(authorities.error(), "--ca");
    setup.options.tls.ca_pem = std::move(*authorities);
  }
  auto schedule = schedule_from(flags);
  if (!schedule) return schedule.error();
  setup.schedule = std::move(*schedule);
  auto pictures = read_pictures(flags.images);
  if (!pictures) return pictures.error();
  setup.pictures = std::move(*pictures);
  if (flags.form) wrap_in_forms(setup.pictures);
  return setup;
}

/// Sends the load and fills the report; true when it came to its end.
asio::awaitable<bool> send(Setup const& setup, Report& report, std::ostream* requests_csv) {
  using asio::experimental::awaitable_operators::operator||;
  auto const executor = co_await asio::this_coro::executor;
  process::Signals signals(executor);
  Load load(executor, setup.options, setup.schedule, setup.pictures, [&](Finished const& finished) {
    report.add(finished);
    if (requests_csv) *requests_csv << requests_csv_line(finished, setup.pictures[finished.picture].file);
  });
  auto const ended = isatty(STDERR_FILENO) ? co_await (load.run() || signals.next() ||
                                                       show_progress(load, setup.schedule, report))
                                           : co_await (load.run() || signals.next() || never());
  co_return ended.index() == 0;
}

void print(Report const& report) {
  auto const ms = [](std::chrono::microseconds latency) {
    return static_cast<double>(latency.count()) / 1000;
  };
  Histogram const& latency = report.latency();
  std::printf("requests %llu  ok %llu  errors %llu\n", static_cast<unsigned long long>(report.requests()),
              static_cast<unsigned long long>(report.ok()), static_cast<unsigned long long>(report.errors()));
  for (auto const& [fault, count] : report.faults()) {
    std::printf("  %s %llu\n", fault.c_str(), static_cast<unsigned long long>(count));
  }
  std::printf("latency ms  p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.1f\n", ms(latency.percentile(0.5)),
              ms(latency.percentile(0.9)), ms(latency.percentile(0.99)), ms(latency.percentile(0.999)),
              ms(latency.max()));
  if (auto const accuracy = report.accuracy()) std::printf("accuracy %.2f %%\n", 100 * *accuracy);
}

Result<void> write_files(Flags const& flags, Report const& report) {
  if (!flags.seconds_csv.empty()) {
    auto const written = process::write_file_atomically(flags.seconds_csv, report.seconds_csv());
    if (!written) return written;
  }
  if (flags.json.empty()) return {};
  auto summary = report.summary();
  summary["url"] = flags.url;
  summary["seed"] = flags.seed;
  return process::write_file_atomically(flags.json, to_json_text(summary) + "\n");
}

int fail(Error const& error) {
  std::fprintf(stderr, "error: %s\n", error.message.c_str());
  return 1;
}

int run(Flags flags) {
  if (!flags.seed_given) flags.seed = std::random_device{}();
  auto const setup = prepare(flags);
  if (!setup) return fail(setup.error());
  std::ofstream requests_csv;
  if (!flags.requests_csv.empty()) {
    requests_csv.open(flags.requests_csv);
    requests_csv << requests_csv_head();
    if (!requests_csv) return fail(make_error(ErrorKind::Io, "cannot write " + flags.requests_csv));
  }
  std::printf("seed %llu  requests %zu  pictures %zu\n", static_cast<unsigned long long>(flags.seed),
              setup->schedule.size(), setup->pictures.size());
  std::fflush(stdout);

  process::allow_many_descriptors();
  Report report;
  bool finished = false;
  asio::io_context context(1);
  asio::co_spawn(context, send(*setup, report, requests_csv.is_open() ? &requests_csv : nullptr),
                 [&](std::exception_ptr failed, bool to_the_end) {
                   context.stop();
                   if (failed) std::rethrow_exception(failed);
                   finished = to_the_end;
                 });
  context.run();
  requests_csv.flush();
  if (!requests_csv) return fail(make_error(ErrorKind::Io, "cannot write " + flags.requests_csv));
  print(report);
  if (auto const written = write_files(flags, report); !written) return fail(written.error());
  if (finished) return 0;
  std::fprintf(stderr, "interrupted\n");
  return kInterrupted;
}

}  // namespace

void add_load_command(CLI::App& program, int& code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* load = program.add_subcommand("load",
                                          "Sends pictures at times fixed beforehand; latency counts from the "
                                          "time a request was meant to be sent");
  load->option_defaults()->always_capture_default();
  load->add_option("--url", flags->url, "Where to POST, as http://127.0.0.1:8001/predict")->required();
  load->add_option("--ca", flags->ca,
                   "File with the authorities (PEM) to trust under https; none: those of the system")
      ->check(CLI::ExistingFile);
  load->add_option(
          "--images", flags->images,
          "Folder of JPEG and PNG files, sent in turn; with a labels.csv (file,label) answers are checked")
      ->required()
      ->check(CLI::ExistingDirectory);
  load->add_flag("--form", flags->form,
                 "Send each picture in a form's field \"image\", as browsers and curl -F do");
  auto* trace = add_trace_options(*load, flags->trace);
  load->add_option("--scale", flags->scale, "Multiplies the trace")->check(CLI::PositiveNumber)->needs(trace);
  auto* rate = load->add_option("--rate", flags->rate_rps, "Requests per second instead of a trace")
                   ->check(CLI::PositiveNumber)
                   ->excludes(trace);
  load->add_option("--seconds", flags->seconds, "Length of a run with --rate")
      ->check(CLI::PositiveNumber)
      ->needs(rate);
  auto* seed = load->add_option("--seed", flags->seed,
                                "Of the gaps between requests; drawn and printed when not given");
  load->add_option("--timeout", flags->timeout, "Of each request, from its intended time");
  load->add_option("--connections", flags->connections,
                   "At once; more requests wait, and their wait is counted")
      ->check(CLI::Range(std::size_t{1}, std::size_t{10'000}));
  load->add_option("--csv", flags->seconds_csv, "Where to write a line for each second");
  load->add_option("--requests-csv", flags->requests_csv, "Where to write a line for each request");
  load->add_option("--json", flags->json, "Where to write the summary");
  load->callback([flags, trace, rate, seed, &code] {
    if (trace->count() + rate->count() == 0) throw CLI::RequiredError("--trace or --rate");
    flags->seed_given = seed->count() > 0;
    code = run(*flags);
  });
}

}  // namespace ei::bench
