#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <string>

#include "operator/backend/backend.hpp"
#include "operator/plan/plan.hpp"
#include "operator/reconcile/metrics.hpp"
#include "operator/reconcile/workqueue.hpp"
#include "operator/scrape/prometheus.hpp"
#include "operator/scrape/scraper.hpp"
#include "runtime/async/task_group.hpp"

namespace ei::reconcile {
namespace asio = boost::asio;

/// One reconcile, as told to whoever shows or keeps it; valid during the call.
struct Decided {
  plan::Observation const& seen;
  plan::Verdict const& verdict;
  plan::Plan const& plan;
  scaling::Settings const& settings;  ///< what the decision was made under
  scaling::Snapshot const& snapshot;
  SteadyTime now;
  WallTime wall_now;
};

/// What the table, the log and the decision log hear. Each may be empty.
struct Listener {
  std::function<void(Decided const&)> on_decided;  ///< before it is applied; only with a spec in force
  std::function<void(api::ServiceKey const&, plan::RecordEvent const&)> on_event;  ///< after it was applied
  std::function<void(api::ServiceKey const&)> on_gone;
};

struct Options {
  milliseconds deadline{10'000};  ///< of one reconcile: several API calls at their slowest
  std::size_t parallel = 16;      ///< reconciles at once: above it API calls only wait for each other
  std::string id_prefix = "d";    ///< makes decision ids unique over restarts
  std::optional<http::Url> prometheus = {};  ///< who answers `spec.scaling.prometheusQuery`
};

/// Keeps every service of a backend as its spec says: looks at it when the backend names it and every
/// `spec.scaling.interval`, decides, plans and applies. Use from the executor's thread only.
class Reconciler {
 public:
  Reconciler(asio::any_io_executor executor, backend::Backend& backend, OperatorMetrics& metrics,
             Listener listener, Options options = {});

  /// Runs until stop(), or until the backend has no more changes to tell; that error then.
  [[nodiscard]] asio::awaitable<Result<void>> run();
  /// Makes run() return once what is running has been cancelled.
  void stop();

 private:
  /// What is remembered of a service between its reconciles.
  struct Memory {
    explicit Memory(asio::any_io_executor executor) : scraper(std::move(executor)) {}
    scaling::State state;
    scrape::Scraper scraper;
    scrape::LatencyWindow latency;
    scrape::Scrape last_scrape;
    std::optional<SteadyTime> scraped_at;  ///< when last_scrape was tried
    std::optional<SteadyTime> sampled_at;  ///< when a scrape last gave a sample
    std::optional<SteadyTime> status_written;
    std::optional<api::DecisionRecord> unrecorded;
    SteadyTime tick_due{};
  };
  enum class Next {
    Tick,  ///< again at the next beat of its interval
    Wait,  ///< only a change brings it back: there is nothing to decide
  };

  asio::awaitable<void> follow_changes();
  asio::awaitable<void> handle(api::ServiceKey key);
  void settle(api::ServiceKey const& key, Result<Next> const& outcome);
  asio::awaitable<Result<Next>> reconcile(api::ServiceKey key);
  asio::awaitable<Result<Next>> remove(api::ServiceKey key);
  asio::awaitable<Result<Next>> act(plan::Observation const& seen, Memory& memory);
  asio::awaitable<void> scrape(plan::Observation const& seen, scaling::Settings const& settings,
                               Memory& memory);
  asio::awaitable<scrape::Scrape> ask(plan::Observation const& seen, Memory& memory, milliseconds deadline);
  plan::Verdict decide(plan::Observation const& seen, scaling::Settings const& settings,
                       scaling::Snapshot const& snapshot, Memory& memory, SteadyTime now);
  asio::awaitable<Result<void>> apply(plan::Observation const& seen, plan::Actions const& actions,
                                      Memory& memory);
  void start_due();
  void wake() { timer_.cancel(); }

  asio::any_io_executor executor_;
  backend::Backend& backend_;
  OperatorMetrics& metrics_;
  Listener listener_;
  Options options_;
  std::optional<scrape::Prometheus> prometheus_;
  Workqueue queue_;
  std::map<api::ServiceKey, Memory> memories_;
  TaskGroup tasks_;
  asio::steady_timer timer_;
  bool stopped_ = false;
  std::optional<Error> ended_;
  std::uint64_t decisions_ = 0;
};

}  // namespace ei::reconcile
