#include "operator/show/reporter.hpp"

#include <unistd.h>

#include <boost/json/array.hpp>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "operator/scaling/json.hpp"
#include "operator/show/row.hpp"
#include "runtime/core/json.hpp"
#include "runtime/log/failed_task.hpp"
#include "runtime/log/log.hpp"

namespace ei::show {
namespace {

/// The table and the status file are at most this old.
constexpr milliseconds kRefresh{250};
/// More lines than any terminal shows below the services.
constexpr std::size_t kEventsKept = 50;

}  // namespace

Reporter::Reporter(asio::any_io_executor executor, ReporterOptions options)
    : options_(std::move(options)),
      decisions_(nullptr, std::fclose),
      tasks_(std::move(executor), log::failed_task) {}

Reporter::~Reporter() = default;

Result<void> Reporter::start() {
  if (!options_.decision_log.empty()) {
    bool const to_output = options_.decision_log == "-";
    decisions_.reset(to_output ? ::fdopen(::dup(STDOUT_FILENO), "w")
                               : std::fopen(options_.decision_log.c_str(), "we"));
    if (!decisions_) {
      return make_error(ErrorKind::Io, options_.decision_log.string() + ": " + std::strerror(errno));
    }
  }
  if (options_.screen || !options_.status_json.empty()) {
    tasks_.spawn("table", [this] { return keep_fresh(); });
  }
  return {};
}

void Reporter::add_to_footer(std::string_view text) {
  options_.footer.append(options_.footer.empty() ? "" : "; ").append(text);
}

reconcile::Listener Reporter::listener() {
  return {[this](reconcile::Decided const& each) { decided(each); },
          [this](api::ServiceKey const& key, plan::RecordEvent const& each) { event(key, each); },
          [this](api::ServiceKey const& key) {
            log::info("service_removed", {{"namespace", key.namespace_name}, {"name", key.name}});
            services_.erase(key);
            changed_ = true;
          }};
}

void Reporter::decided(reconcile::Decided const& decided) {
  auto const key = decided.seen.metadata.key();
  // On a cluster nobody shows them: a thousand statuses would be kept for nothing.
  bool const shown = options_.screen || !options_.status_json.empty();
  if (shown) services_[key] = {decided.plan.status, decided.seen.endpoint};
  changed_ = true;
  if (!decided.verdict.decision) return;
  log_decision(decided);
  if (!decisions_) return;
  auto record =
      scaling::log_record(decided.settings, decided.snapshot, *decided.verdict.decision, decided.now);
  record["id"] = decided.verdict.decision_id;
  record["ts"] = format_rfc3339(decided.wall_now);
  record["namespace"] = key.namespace_name;
  record["name"] = key.name;
  if (decided.verdict.p99) record["p99_ms"] = decided.verdict.p99->count();
  auto const line = to_json_text(record) + "\n";
  // A line is whole or not there: other programs follow this file.
  std::fwrite(line.data(), 1, line.size(), decisions_.get());
  std::fflush(decisions_.get());
}

void Reporter::log_decision(reconcile::Decided const& decided) {
  auto const& decision = *decided.verdict.decision;
  auto const level = decision.from == decision.to ? log::Level::Debug : log::Level::Info;
  auto const& metadata = decided.seen.metadata;
  log::write(level, "decision",
             {{"namespace", metadata.namespace_name},
              {"name", metadata.name},
              {"id", decided.verdict.decision_id},
              {"from", decision.from},
              {"to", plan::granted(decision, decided.seen.shortage)},
              {"reason", scaling::name(decision.reason)},
              {"formula", decision.formula},
              {"why_not_more", decision.why_not_more},
              {"why_not_less", decision.why_not_less}});
}

void Reporter::event(api::ServiceKey const& key, plan::RecordEvent const& event) {
  bool const warning = event.type == plan::EventType::Warning;
  log::write(warning ? log::Level::Warn : log::Level::Info, "service_event",
             {{"namespace", key.namespace_name},
              {"name", key.name},
              {"reason", event.reason},
              {"message", event.message},
              {"decision", event.decision_id}});
  events_.push_back({std::chrono::system_clock::now(), key.name, warning, event.reason, event.message});
  if (events_.size() > kEventsKept) events_.pop_front();
  changed_ = true;
}

View Reporter::view() const {
  View view;
  view.now = std::chrono::system_clock::now();
  view.title = options_.title;
  view.footer = options_.footer;
  view.events = events_;
  for (auto const& [key, latest] : services_)
    view.rows.push_back(row_of(key, latest.status, latest.endpoint));
  return view;
}

void Reporter::refresh() {
  if (options_.screen) options_.screen->draw(render(view(), options_.screen->canvas()));
  if (options_.status_json.empty() || !changed_) return;
  boost::json::array services;
  for (auto const& [key, latest] : services_) {
    boost::json::object const service{{"namespace", key.namespace_name},
                                      {"name", key.name},
                                      {"endpoint", latest.endpoint},
                                      {"status", api::to_json(latest.status)}};
    services.push_back(service);
  }
  boost::json::object const all{{"ts", format_rfc3339(std::chrono::system_clock::now())},
                                {"services", services}};
  // Renamed into place, so that readers see it whole; not flushed to the disk, which
  // nobody needs four times a second.
  auto const partial = options_.status_json.string() + ".partial";
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(partial.c_str(), "we"), std::fclose);
  if (!file) return;
  auto const text = to_json_text(all) + "\n";
  // A full disk shows when the buffer is written out; the older status stays then, and is tried again.
  bool const whole =
      std::fwrite(text.data(), 1, text.size(), file.get()) == text.size() && std::fflush(file.get()) == 0;
  file.reset();
  if (!whole) return;
  std::error_code ignored;
  std::filesystem::rename(partial, options_.status_json, ignored);
  changed_ = false;
}

asio::awaitable<void> Reporter::keep_fresh() {
  while (true) {
    refresh();
    co_await sleep_for(kRefresh);
  }
}

void Reporter::finish() {
  changed_ = true;
  refresh();
  if (options_.screen) options_.screen->finish();
}

}  // namespace ei::show
