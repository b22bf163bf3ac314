#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "operator/backend/backend.hpp"
#include "operator/reconcile/metrics.hpp"
#include "operator/reconcile/step.hpp"
#include "operator/reconcile/workqueue.hpp"
#include "operator/scrape/arrivals.hpp"
#include "operator/scrape/prometheus.hpp"
#include "operator/scrape/scraper.hpp"
#include "operator/scrape/webhook.hpp"
#include "runtime/async/clock.hpp"
#include "runtime/async/event.hpp"
#include "runtime/async/task_group.hpp"

namespace ei::reconcile {
namespace asio = boost::asio;

/// What the table, the log and the decision log hear. Each may be empty.
struct Listener {
  std::function<void(Decided const&)> on_decided;  ///< before it is applied; only with a spec in force
  std::function<void(api::ServiceKey const&, plan::RecordEvent const&)> on_event;  ///< after it was applied
  std::function<void(api::ServiceKey const&)> on_gone;
};

/// One that passes everything on to two, in this order.
[[nodiscard]] Listener both(Listener first, Listener second);

struct Options {
  milliseconds deadline{10'000};  ///< of one reconcile: several API calls at their slowest
  std::size_t parallel = 16;      ///< reconciles at once: above it API calls only wait for each other
  std::string id_prefix = "d";    ///< makes decision ids unique over restarts
  scrape::Ask ask = {};           ///< how dispatchers are asked for their metrics; empty: by HTTP
  scrape::AwaitArrivals await_arrivals = {};  ///< and for the next request; empty: by HTTP
  std::optional<http::Url> prometheus = {};   ///< who answers `spec.scaling.prometheusQuery`
  scrape::WebhookReach webhooks = {};         ///< of `spec.scaling.webhook`
  scrape::PostQuestion post_question = {};    ///< how these are asked; empty: by HTTP
};

/// Keeps every service of a backend as its spec says: looks at it when the backend names it and every
/// `spec.scaling.interval`, and performs what Step says. Use from the executor's thread only.
class Reconciler {
 public:
  Reconciler(asio::any_io_executor executor, backend::Backend& backend, OperatorMetrics& metrics,
             Listener listener, Options options = {});

  /// Runs until stop(), or until the backend has no more changes to tell; that error then.
  [[nodiscard]] asio::awaitable<Result<void>> run();
  /// Makes run() return once what is running has been cancelled.
  void stop();

 private:
  struct Entry {
    Entry(asio::any_io_executor executor, scrape::Ask ask) : scraper(std::move(executor), std::move(ask)) {}
    Memory memory;
    scrape::Scraper scraper;
    std::shared_ptr<scrape::Webhook> webhook;        ///< null before it is asked first
    std::unique_ptr<scrape::ArrivalWatch> arrivals;  ///< of a service without workers
  };

  asio::awaitable<void> follow_changes();
  asio::awaitable<void> handle(api::ServiceKey key);
  asio::awaitable<Result<Next>> reconcile(api::ServiceKey key);
  asio::awaitable<scrape::Scrape> perform(Scrape wanted, scrape::Scraper& scraper);
  asio::awaitable<Result<void>> perform(Apply wanted, Memory const& memory);
  void post(api::ServiceKey const& key, Entry& entry, Post wanted);
  void watch_arrivals(api::ServiceKey const& key, Done const& done);
  void count(Decided const& decided, Memory const& memory);
  void tell_failed_write(api::ServiceKey const& key, FailedWrite const& failed);
  void tell_events(api::ServiceKey const& key, plan::Actions const& applied);
  void forget(api::ServiceKey const& key);
  void finish(api::ServiceKey const& key, Result<Next> const& outcome);
  void start_due();
  void wake() { woken_.notify(); }

  asio::any_io_executor executor_;
  backend::Backend& backend_;
  OperatorMetrics& metrics_;
  Listener listener_;
  Options options_;
  std::optional<scrape::Prometheus> prometheus_;
  Workqueue queue_;
  std::map<api::ServiceKey, Entry> entries_;
  TaskGroup tasks_;
  Event woken_;  ///< the queue has changed, or the end has come
  bool stopped_ = false;
  std::optional<Error> ended_;
  DecisionIds ids_;
};

}  // namespace ei::reconcile
