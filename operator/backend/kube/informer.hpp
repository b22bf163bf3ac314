#pragma once

#include "operator/backend/kube/client/client.hpp"
#include "operator/backend/kube/protocol/lines.hpp"
#include "operator/backend/kube/protocol/store.hpp"
#include "operator/backend/kube/protocol/watch_event.hpp"
#include "operator/backend/kube/protocol/watcher.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace ei::kube {

/// What to watch and what to keep of it.
struct InformerOptions {
  ResourceType type;
  std::string namespace_name;  ///< empty: all
  std::string label_selector;
  std::string index_label;
  std::vector<std::string_view> keep_labels;
  std::string field_manager;  ///< whose owned fields are digested; empty: nobody's
  /// The part of an object worth its memory; null keeps identity and digest alone.
  std::function<boost::json::value(boost::json::value const&)> keep;
  watch::Options watcher;
};

/// Keeps a Store equal to a collection on the API server, by the state machine in watcher.hpp.
class Informer {
 public:
  /// Hears of each change, and after a listing of each difference. Must not call back into the informer.
  using OnChange = Store::OnChange;

  /// `client` must outlive the informer.
  Informer(Client& client, InformerOptions options, OnChange on_change);

  /// Runs until cancelled.
  boost::asio::awaitable<void> run();

  /// True from the first whole listing on.
  bool synced() const { return watcher_.synced(); }
  /// False from the moment at which the server says that it has no such kind, or that there is no right to
  /// it, until it lets the kind be watched.
  bool served() const { return !obstacle_; }
  Store const& store() const { return store_; }
  InformerOptions const& options() const { return options_; }
  int listings() const { return watcher_.listings(); }

  /// Takes an object that a write's answer brought, so that the next read sees our own write.
  void learn(boost::json::value const& object);

 private:
  boost::asio::awaitable<watch::Input> perform(watch::RequestPage const& action);
  boost::asio::awaitable<watch::Input> perform(watch::OpenStream const& action);
  boost::asio::awaitable<watch::Input> perform(watch::ReadEvent const& action);
  boost::asio::awaitable<watch::Input> perform(watch::Action const& action);
  void update_cache(watch::CacheOp op);
  void stage_page();
  void put();
  void change(boost::json::value const& object, bool (Store::*take)(CachedObject));
  void remove();
  Result<CachedObject> shrink(boost::json::value const& object) const;
  void note_obstacle(watch::Input const& input);
  void log_step(watch::Step const& step, watch::Input const& input) const;

  Client& client_;
  InformerOptions options_;
  OnChange on_change_;
  watch::Watcher watcher_;
  Store store_;
  std::optional<ErrorKind> obstacle_;  ///< NotFound or Forbidden
  std::unique_ptr<http::ResponseStream> stream_;
  LineSplitter lines_;
  boost::json::value page_;    ///< the list that the last input carried
  boost::json::value object_;  ///< the object that the last input carried
};

}  // namespace ei::kube
