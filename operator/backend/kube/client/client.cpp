#include "operator/backend/kube/client/client.hpp"

#include "operator/backend/kube/client/caller.hpp"
#include "runtime/core/json.hpp"

#include <utility>

namespace ei::kube {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

// A page or a listing comes within the server's own request timeout (60 s) or not at all.
constexpr milliseconds kListTimeout{60'000};

Call make_call(std::string method, std::string_view resource, std::string target, milliseconds timeout) {
  Call call;
  call.resource = resource;
  call.request.method = std::move(method);
  call.request.target = std::move(target);
  call.request.headers.set("Accept", "application/json");
  call.timeout = timeout;
  return call;
}

Call with_body(Call call, std::string media_type, json::value const& body) {
  call.writes = true;
  call.request.headers.set("Content-Type", std::move(media_type));
  call.request.body = json::serialize(body);
  return call;
}

Result<json::value> body_of(Result<http::Response> const& answer) {
  if (!answer) return answer.error();
  auto body = parse_json(answer->body);
  if (!body) return make_error(ErrorKind::Protocol, "the answer is not JSON: " + body.error().message);
  return body;
}

}  // namespace

struct Client::Impl {
  Caller caller;

  milliseconds timeout() const { return caller.options().timeout; }

  asio::awaitable<Value> value(Call call) {
    auto answer = co_await caller.send(std::move(call));
    co_return body_of(answer);
  }
};

Client::Client(asio::any_io_executor executor, Access access, ClientOptions options)
    : impl_(new Impl{Caller(std::move(executor), std::move(access), std::move(options))}) {}

Client::~Client() = default;

asio::awaitable<Client::Value> Client::get(ResourceType type, ObjectKey key, std::string subresource) {
  return impl_->value(make_call("GET", type.plural, object_path(type, key, subresource), impl_->timeout()));
}

asio::awaitable<Client::Value> Client::list_page(ResourceType type, std::string namespace_name,
                                                 ListQuery query) {
  auto target = collection_path(type, namespace_name) +
                query_string({{"labelSelector", query.label_selector},
                              {"fieldSelector", query.field_selector},
                              {"limit", query.limit > 0 ? std::to_string(query.limit) : std::string()},
                              {"continue", query.continue_token}});
  auto call = make_call("GET", type.plural, std::move(target), kListTimeout);
  call.repeat = false;
  return impl_->value(std::move(call));
}

asio::awaitable<Result<std::unique_ptr<http::ResponseStream>>> Client::watch(ResourceType type,
                                                                             std::string namespace_name,
                                                                             WatchQuery query) {
  auto target = collection_path(type, namespace_name) +
                query_string({{"watch", "true"},
                              {"allowWatchBookmarks", "true"},
                              {"labelSelector", query.label_selector},
                              {"resourceVersion", query.resource_version},
                              {"sendInitialEvents", query.initial_events ? "true" : ""},
                              {"resourceVersionMatch", query.initial_events ? "NotOlderThan" : ""},
                              {"timeoutSeconds", std::to_string(query.timeout.count())}});
  auto call = make_call("GET", type.plural, std::move(target), impl_->timeout());
  return impl_->caller.open(std::move(call));
}

asio::awaitable<Client::Value> Client::create(ResourceType type, std::string namespace_name,
                                              json::object object) {
  auto target = collection_path(type, namespace_name) +
                query_string({{"fieldManager", impl_->caller.options().field_manager}});
  auto call = make_call("POST", type.plural, std::move(target), impl_->timeout());
  return impl_->value(with_body(std::move(call), "application/json", object));
}

asio::awaitable<Client::Value> Client::replace(ResourceType type, ObjectKey key, json::object object) {
  auto target =
      object_path(type, key) + query_string({{"fieldManager", impl_->caller.options().field_manager}});
  auto call = make_call("PUT", type.plural, std::move(target), impl_->timeout());
  return impl_->value(with_body(std::move(call), "application/json", object));
}

asio::awaitable<Client::Value> Client::apply(ResourceType type, ObjectKey key, json::object object,
                                             std::string subresource, bool force) {
  auto target =
      object_path(type, key, subresource) +
      query_string({{"fieldManager", impl_->caller.options().field_manager}, {"force", force ? "true" : ""}});
  auto call = make_call("PATCH", type.plural, std::move(target), impl_->timeout());
  // The type is called YAML; JSON is a part of it.
  return impl_->value(with_body(std::move(call), "application/apply-patch+yaml", object));
}

asio::awaitable<Client::Value> Client::merge_patch(ResourceType type, ObjectKey key, json::object patch,
                                                   std::string subresource) {
  auto target = object_path(type, key, subresource) +
                query_string({{"fieldManager", impl_->caller.options().field_manager}});
  auto call = make_call("PATCH", type.plural, std::move(target), impl_->timeout());
  return impl_->value(with_body(std::move(call), "application/merge-patch+json", patch));
}

asio::awaitable<Client::Value> Client::scale(ResourceType type, ObjectKey key, std::string uid,
                                             int replicas) {
  auto target = object_path(type, key, "scale") +
                query_string({{"fieldManager", impl_->caller.options().field_manager}});
  auto call = make_call("PATCH", type.plural, std::move(target), impl_->timeout());
  json::array const patch{{{"op", "test"}, {"path", "/metadata/uid"}, {"value", std::move(uid)}},
                          {{"op", "replace"}, {"path", "/spec/replicas"}, {"value", replicas}}};
  return impl_->value(with_body(std::move(call), "application/json-patch+json", patch));
}

asio::awaitable<Result<void>> Client::remove(ResourceType type, ObjectKey key, DeleteQuery query) {
  json::object options{{"apiVersion", "v1"}, {"kind", "DeleteOptions"}};
  if (!query.propagation.empty()) options["propagationPolicy"] = query.propagation;
  json::object preconditions;
  if (!query.uid.empty()) preconditions["uid"] = query.uid;
  if (!query.resource_version.empty()) preconditions["resourceVersion"] = query.resource_version;
  if (!preconditions.empty()) options["preconditions"] = std::move(preconditions);
  auto call = make_call("DELETE", type.plural, object_path(type, key), impl_->timeout());
  call = with_body(std::move(call), "application/json", options);
  auto answer = co_await impl_->caller.send(std::move(call));
  if (!answer) co_return answer.error();
  co_return Result<void>{};
}

asio::awaitable<Result<bool>> Client::serves(ResourceType type) {
  auto call = make_call("GET", type.plural, discovery_path(type), impl_->timeout());
  auto kinds = co_await impl_->value(std::move(call));
  if (!kinds && kinds.error().kind == ErrorKind::NotFound) co_return false;
  if (!kinds) co_return kinds.error();
  auto const* resources = find_member(*kinds, "resources");
  if (resources == nullptr || !resources->is_array()) co_return false;
  for (auto const& resource : resources->get_array()) {
    if (string_or(resource, "name") == type.plural) co_return true;
  }
  co_return false;
}

asio::awaitable<Client::Value> Client::document(std::string_view name, std::string_view path) {
  auto call = make_call("GET", name, std::string(path), impl_->timeout());
  // The server gives its keys under a media type of their own (RFC 7517, 8.5.2) and to nobody else.
  call.request.headers.set("Accept", "application/json, application/jwk-set+json");
  return impl_->value(std::move(call));
}

asio::awaitable<Result<std::string>> Client::server_version() {
  auto call = make_call("GET", "version", "/version", impl_->timeout());
  auto version = co_await impl_->value(std::move(call));
  if (!version) co_return version.error();
  co_return std::string(string_or(*version, "gitVersion"));
}

}  // namespace ei::kube
