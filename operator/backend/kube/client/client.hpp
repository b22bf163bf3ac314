#pragma once

#include "operator/backend/kube/client/access.hpp"
#include "operator/backend/kube/client/transport.hpp"
#include "operator/backend/kube/protocol/resource.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"
#include "runtime/http/client.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace ei::kube {

/// What became of one request; a repetition is another one.
struct Answered {
  std::string_view method;
  std::string_view resource;           ///< plural, or `version`
  int status = 0;                      ///< 0: there was no answer
  std::chrono::nanoseconds elapsed{};  ///< to the answer's end, of a watch to its head
};

struct ClientOptions {
  std::string field_manager = "elastic-inference-operator";
  std::string user_agent = "elastic-inference-operator";
  /// Requests a second in the long run, and at once. A thousand services' first reconcile makes
  /// some 8,000 writes; at this rate it takes under a minute, and the server's own priority and
  /// fairness protects it beyond that.
  double requests_per_second = 200;
  double burst = 400;
  milliseconds timeout{30'000};  ///< of one call, its repetitions included
  /// Asked right before every request that changes anything; false makes the call fail with Canceled.
  std::function<bool()> may_write;
  /// Hears of every request; may be empty.
  std::function<void(Answered const&)> on_answer;
  Dial dial;  ///< empty: by HTTP
  std::uint64_t seed = 1;
};

struct ListQuery {
  std::string label_selector;
  int limit = 0;
  std::string continue_token;
  std::string field_selector = {};
};

struct WatchQuery {
  std::string label_selector;
  std::string resource_version;
  bool initial_events = false;
  std::chrono::seconds timeout{300};
};

struct DeleteQuery {
  std::string propagation;       ///< Foreground, Background or Orphan; empty: the kind's default
  std::string uid;               ///< only this very object; empty: whichever has the name
  std::string resource_version;  ///< only as it is now
};

/// Requests to one API server. Answers other than 2xx are Errors by their metav1.Status. A call is repeated
/// by itself only where the server asked for it (429 or 5xx with Retry-After, with jitter on top, within the
/// call's deadline), and once after a 401 with fresh credentials. Bodies are JSON both ways. Use from the
/// executor's thread only.
class Client {
 public:
  Client(boost::asio::any_io_executor executor, Access access, ClientOptions options);
  ~Client();
  Client(Client const&) = delete;
  Client& operator=(Client const&) = delete;

  using Value = Result<boost::json::value>;

  boost::asio::awaitable<Value> get(ResourceType type, ObjectKey key, std::string subresource = {});

  /// One page, not repeated: the watcher's state machine decides about that.
  boost::asio::awaitable<Value> list_page(ResourceType type, std::string namespace_name, ListQuery query);
  /// A stream of JSON lines; likewise not repeated.
  boost::asio::awaitable<Result<std::unique_ptr<http::ResponseStream>>> watch(ResourceType type,
                                                                              std::string namespace_name,
                                                                              WatchQuery query);

  boost::asio::awaitable<Value> create(ResourceType type, std::string namespace_name,
                                       boost::json::object object);
  /// PUT: the whole object, guarded by its resourceVersion.
  boost::asio::awaitable<Value> replace(ResourceType type, ObjectKey key, boost::json::object object);
  /// Server-side apply with force: the fields of `object` become ours and exactly so; those we owned before
  /// and are missing now are given up. Creates the object where it is missing, but not by a subresource.
  /// Without `force` a field that somebody else set to another value makes it fail with Conflict.
  boost::asio::awaitable<Value> apply(ResourceType type, ObjectKey key, boost::json::object object,
                                      std::string subresource = {}, bool force = true);
  /// JSON merge patch (RFC 7396).
  boost::asio::awaitable<Value> merge_patch(ResourceType type, ObjectKey key, boost::json::object patch,
                                            std::string subresource = {});
  /// Sets spec.replicas by the scale subresource, of the object that has this uid and no other: a JSON patch
  /// (RFC 6902) that tests it first. The server looks at no uid in a merge patch or an apply of a scale.
  /// Errors: also Invalid when another object has the name.
  boost::asio::awaitable<Value> scale(ResourceType type, ObjectKey key, std::string uid, int replicas);
  /// Errors: also NotFound when it is gone already.
  boost::asio::awaitable<Result<void>> remove(ResourceType type, ObjectKey key, DeleteQuery query);

  /// Whether the server has this kind now.
  boost::asio::awaitable<Result<bool>> serves(ResourceType type);
  /// A document at a path of its own, such as kKeysPath; `name` is its name in the
  /// metrics, of static life time.
  boost::asio::awaitable<Value> document(std::string_view name, std::string_view path);
  /// "v1.35.2"
  boost::asio::awaitable<Result<std::string>> server_version();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The Error of an answer outside 2xx: its Status body where it has one, else its HTTP
/// status; Retry-After counts.
Error error_from_answer(http::Response const& answer);

}  // namespace ei::kube
