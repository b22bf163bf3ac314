#include "operator/backend/kube/informer.hpp"

#include "operator/backend/kube/protocol/owned_fields.hpp"
#include "runtime/async/clock.hpp"
#include "runtime/async/task_group.hpp"
#include "runtime/core/json.hpp"
#include "runtime/log/log.hpp"

#include <utility>

namespace ei::kube {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

}  // namespace

Informer::Informer(Client& client, InformerOptions options, OnChange on_change)
    : client_(client),
      options_(std::move(options)),
      on_change_(std::move(on_change)),
      watcher_(options_.watcher),
      store_(options_.index_label) {}

asio::awaitable<void> Informer::run() {
  watch::Input input = watch::Started{};
  while (true) {
    auto const step = watcher_.step(input, steady_now());
    note_obstacle(input);
    log_step(step, input);
    update_cache(step.cache);
    // The next action names what is still needed; a stream that it does not read is dropped before the pause.
    if (!std::holds_alternative<watch::ReadEvent>(step.action)) stream_.reset();
    if (step.delay > milliseconds(0)) co_await sleep_for(step.delay);
    input = co_await perform(step.action);
  }
}

asio::awaitable<watch::Input> Informer::perform(watch::Action const& action) {
  if (auto const* page = std::get_if<watch::RequestPage>(&action)) return perform(*page);
  if (auto const* open = std::get_if<watch::OpenStream>(&action)) return perform(*open);
  return perform(std::get<watch::ReadEvent>(action));
}

asio::awaitable<watch::Input> Informer::perform(watch::RequestPage const& action) {
  ListQuery query{options_.label_selector, action.limit, action.continue_token};
  auto page = co_await client_.list_page(options_.type, options_.namespace_name, std::move(query));
  if (!page) co_return watch::Input(watch::Failed{page.error()});
  page_ = std::move(*page);
  watch::PageArrived arrived{std::string(string_or(page_, "metadata.resourceVersion")),
                             std::string(string_or(page_, "metadata.continue"))};
  co_return watch::Input(std::move(arrived));
}

asio::awaitable<watch::Input> Informer::perform(watch::OpenStream const& action) {
  lines_ = LineSplitter();
  WatchQuery query{options_.label_selector, action.resource_version, action.initial_events, action.timeout};
  auto stream = co_await client_.watch(options_.type, options_.namespace_name, std::move(query));
  if (!stream) co_return watch::Input(watch::Failed{stream.error()});
  stream_ = std::move(*stream);
  co_return watch::Input(watch::StreamOpened{});
}

asio::awaitable<watch::Input> Informer::perform(watch::ReadEvent const& action) {
  while (true) {
    if (auto const line = lines_.next()) {
      auto parsed = parse_watch_line(*line);
      if (!parsed) co_return watch::Input(watch::Failed{parsed.error()});
      object_ = std::move(parsed->object);
      if (auto* event = std::get_if<watch::EventArrived>(&parsed->input))
        co_return watch::Input(std::move(*event));
      co_return watch::Input(std::get<watch::Failed>(std::move(parsed->input)));
    }
    auto chunk = co_await stream_->read(action.timeout);
    if (!chunk) co_return watch::Input(watch::Failed{chunk.error()});
    if (chunk->empty()) {
      if (!lines_.partial()) co_return watch::Input(watch::StreamEnded{});
      auto cut = make_error(ErrorKind::Unavailable, "the stream ended within a line");
      co_return watch::Input(watch::Failed{std::move(cut)});
    }
    auto fed = lines_.feed(*chunk);
    if (!fed) co_return watch::Input(watch::Failed{fed.error()});
  }
}

void Informer::update_cache(watch::CacheOp op) {
  switch (op) {
    case watch::CacheOp::None:
      break;
    case watch::CacheOp::Restage:
      store_.restage();
      break;
    case watch::CacheOp::Stage:
      stage_page();
      break;
    case watch::CacheOp::StageAndCommit:
      stage_page();
      store_.commit(on_change_);
      break;
    case watch::CacheOp::StagePut:
      if (auto cached = shrink(object_)) store_.stage(std::move(*cached));
      break;
    case watch::CacheOp::StageRemove:
      if (auto const cached = read_identity(object_)) store_.unstage(cached->key);
      break;
    case watch::CacheOp::Commit:
      store_.commit(on_change_);
      break;
    case watch::CacheOp::Put:
      put();
      break;
    case watch::CacheOp::Remove:
      remove();
      break;
  }
  page_ = nullptr;
  object_ = nullptr;
}

void Informer::stage_page() {
  auto const* items = find_member(page_, "items");
  if (items == nullptr || !items->is_array()) return;
  for (auto const& item : items->get_array()) {
    if (auto cached = shrink(item)) store_.stage(std::move(*cached));
  }
}

void Informer::put() {
  change(object_, &Store::put);
}

void Informer::learn(json::value const& object) {
  change(object, &Store::learn);
}

void Informer::change(json::value const& object, bool (Store::*take)(CachedObject)) {
  auto cached = shrink(object);
  if (!cached) return;
  auto const key = cached->key;
  auto const* known = store_.find(key);
  auto const before = known != nullptr ? std::optional(*known) : std::nullopt;
  if ((store_.*take)(std::move(*cached))) on_change_(key, before ? &*before : nullptr, store_.find(key));
}

void Informer::remove() {
  auto cached = read_identity(object_);
  if (!cached) return;
  auto const* known = store_.find(cached->key);
  auto const before = known != nullptr ? std::optional(*known) : std::nullopt;
  store_.remove(cached->key, std::move(cached->resource_version));
  if (before) on_change_(cached->key, &*before, nullptr);
}

Result<CachedObject> Informer::shrink(json::value const& object) const {
  auto cached = read_identity(object, options_.keep_labels);
  if (!cached) return cached;
  if (!options_.field_manager.empty()) {
    auto const owned = extract_owned(object.get_object(), options_.field_manager);
    if (!owned.is_null()) cached->owned_digest = owned_digest(owned);
  }
  if (options_.keep) cached->content = options_.keep(object);
  return cached;
}

/// Once for each obstacle: what the watcher tries again after growing delays would fill a log.
void Informer::note_obstacle(watch::Input const& input) {
  // A listing alone is no end of it: the right to list may be there and that to watch may not.
  if (std::holds_alternative<watch::StreamOpened>(input)) obstacle_.reset();
  auto const* failed = std::get_if<watch::Failed>(&input);
  if (failed == nullptr) return;
  auto const kind = failed->error.kind;
  bool const lasting = kind == ErrorKind::NotFound || kind == ErrorKind::Forbidden;
  if (!lasting || obstacle_ == kind) return;
  obstacle_ = kind;
  auto const& type = options_.type;
  auto const name = std::string(type.plural) + (type.group.empty() ? "" : "." + std::string(type.group));
  if (kind == ErrorKind::NotFound) {
    log::warn("kind_not_served",
              {{"resource", name},
               {"namespace", options_.namespace_name},
               {"error", failed->error.message},
               {"detail", "its CustomResourceDefinition has to be there: the chart's crd.install"}});
  } else {
    log::warn("right_missing", {{"resource", name},
                                {"namespace", options_.namespace_name},
                                {"error", failed->error.message},
                                {"detail", "the operator's role needs list and watch of it"}});
  }
}

void Informer::log_step(watch::Step const& step, watch::Input const& input) const {
  auto const* failed = std::get_if<watch::Failed>(&input);
  // Cancelled: this is the end, not an interruption.
  bool const ending = failed != nullptr && failed->error.kind == ErrorKind::Canceled;
  if (step.reason.empty() || ending) return;
  log::info("watch_interrupted", {{"resource", options_.type.plural},
                                  {"namespace", options_.namespace_name},
                                  {"reason", step.reason},
                                  {"error", failed != nullptr ? failed->error.message : std::string()},
                                  {"delay_ms", step.delay.count()}});
}

}  // namespace ei::kube
