#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "operator/reconcile/reconciler.hpp"
#include "operator/show/screen.hpp"
#include "operator/show/table.hpp"
#include "runtime/async/task_group.hpp"

namespace ei::show {
namespace asio = boost::asio;

struct ReporterOptions {
  std::string title;
  std::string footer;
  std::optional<Screen> screen;        ///< draws the live table there
  std::filesystem::path status_json;   ///< empty: none
  std::filesystem::path decision_log;  ///< empty: none
};

/// Tells people and files what the reconciler does: events and changes into the log, every decision
/// with its inputs into the decision log, the newest state into the table and the status file. Use
/// from the executor's thread only.
class Reporter {
 public:
  Reporter(asio::any_io_executor executor, ReporterOptions options);
  ~Reporter();

  /// Opens the decision log. Errors: Io.
  [[nodiscard]] Result<void> start();
  /// Says more in the table's last line.
  void add_to_footer(std::string_view text);
  /// What to hand to the reconciler; it must not outlive this.
  [[nodiscard]] reconcile::Listener listener();
  /// Draws and writes the last state.
  void finish();

 private:
  struct Latest {
    api::Status status;
    std::string endpoint;
  };

  void decided(reconcile::Decided const& decided);
  void event(api::ServiceKey const& key, plan::RecordEvent const& event);
  void log_decision(reconcile::Decided const& decided);
  void refresh();
  View view() const;
  asio::awaitable<void> keep_fresh();

  ReporterOptions options_;
  std::map<api::ServiceKey, Latest> services_;
  std::deque<EventLine> events_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> decisions_;
  bool changed_ = true;
  TaskGroup tasks_;
};

}  // namespace ei::show
