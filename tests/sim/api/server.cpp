#include "tests/sim/api/server.hpp"

#include "operator/backend/kube/protocol/resource.hpp"
#include "tests/sim/api/answers.hpp"
#include "tests/sim/api/members.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <charconv>
#include <cstdio>
#include <utility>

namespace ei::sim {
namespace {

namespace json = boost::json;

http::Response answer(int status, std::string body) {
  http::Response made;
  made.status = status;
  made.headers.set("Content-Type", "application/json");
  made.body = std::move(body);
  return made;
}

/// A resourceVersion of a query: none when it is absent, or no number.
std::optional<std::uint64_t> version_of(std::string const& text) {
  std::uint64_t version = 0;
  auto const read = std::from_chars(text.data(), text.data() + text.size(), version);
  if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return version;
}

http::Response too_large(std::uint64_t asked, std::uint64_t current) {
  return failure(
      504, "Timeout",
      "Too large resource version: " + std::to_string(asked) + ", current: " + std::to_string(current));
}

http::Response no_version(std::string const& text) {
  return failure(400, "BadRequest", "resourceVersion: Invalid value: \"" + text + "\"");
}

std::string path_of(http::Request const& request) {
  return request.target.substr(0, request.target.find('?'));
}

}  // namespace

ApiServer::ApiServer() {
  serve_document("/version", json::object{{"major", "1"}, {"minor", "35"}, {"gitVersion", "v1.35.0-sim"}});
}

void ApiServer::serve_document(std::string path, json::value document) {
  documents_[std::move(path)] = json::serialize(document);
}

std::string ApiServer::next_uid() {
  char text[37];
  std::snprintf(text, sizeof text, "00000000-0000-4000-8000-%012llx",
                static_cast<unsigned long long>(++uids_));
  return text;
}

bool ApiServer::is_watch(http::Request const& request) {
  auto const route = read_route(request.target);
  return request.method == "GET" && route && route->key.name.empty() && route->is_set("watch");
}

http::Response ApiServer::handle(http::Request const& request, WallTime now) {
  if (auto const document = documents_.find(path_of(request));
      document != documents_.end() && request.method == "GET")
    return answer(200, document->second);
  auto const route = read_route(request.target);
  if (!route) return failure(404, "", "the server could not find the requested resource");
  bool const collection = route->key.name.empty();
  if (request.method == "GET") return collection ? list(*route) : get(*route);
  if (request.method == "POST" && collection) return post(*route, request, now);
  if (request.method == "PUT" && !collection) return replace(*route, request, now);
  if (request.method == "PATCH" && !collection) return patch(*route, request, now);
  if (request.method == "DELETE" && !collection) return erase(*route, request, now);
  return failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
}

http::Response ApiServer::get(Route const& route) const {
  auto const found = storage_.find(*route.kind, route.key);
  if (found == nullptr) return not_found(*route.kind, route.key.name);
  if (route.subresource != "scale") return answer(200, found->text);
  json::object const scale{{"kind", "Scale"},
                           {"apiVersion", "autoscaling/v1"},
                           {"metadata", json::object{{"name", route.key.name},
                                                     {"namespace", route.key.namespace_name},
                                                     {"uid", text_of(found->object, "metadata.uid")},
                                                     {"resourceVersion", std::to_string(found->version)}}},
                           {"spec", json::object{{"replicas", *member_of(found->object, "spec.replicas")}}}};
  return answer(200, json::serialize(scale));
}

http::Response ApiServer::list(Route const& route) {
  auto const text = route.parameter("resourceVersion");
  auto const asked = version_of(text);
  if (!text.empty() && !asked) return no_version(text);
  if (asked && *asked > storage_.version()) return too_large(*asked, storage_.version());
  std::size_t const limit = version_of(route.parameter("limit")).value_or(0);
  auto token = route.parameter("continue");
  if (token.empty()) {
    auto const version = storage_.version();
    Snapshot snapshot{version, {}};
    auto const selector = parse_selector(route.parameter("labelSelector"));
    for (auto const& [key, revision] : storage_.all(*route.kind)) {
      bool const inside = route.key.namespace_name.empty() || key.namespace_name == route.key.namespace_name;
      if (inside && selects(selector, revision->object)) snapshot.objects.emplace(key, revision);
    }
    token = std::to_string(version) + "/" + std::to_string(snapshots_.size());
    snapshots_[token] = std::move(snapshot);
  }
  return page(route, token, limit);
}

http::Response ApiServer::page(Route const& route, std::string const& token, std::size_t limit) {
  if (token.find('/') == std::string::npos) return failure(400, "BadRequest", "continue key is not valid");
  auto const found = snapshots_.find(token);
  bool const kept = found != snapshots_.end() && found->second.version >= storage_.forgotten();
  if (!kept)
    return failure(410, "Expired",
                   "The provided continue parameter is too old to display a consistent list result");
  auto& snapshot = found->second;
  auto const version = snapshot.version;
  std::string items;
  std::size_t count = 0;
  while (!snapshot.objects.empty() && (limit == 0 || count < limit)) {
    if (count++ > 0) items += ',';
    items += snapshot.objects.begin()->second->text;
    snapshot.objects.erase(snapshot.objects.begin());
  }
  json::object metadata{{"resourceVersion", std::to_string(version)}};
  if (snapshot.objects.empty()) {
    snapshots_.erase(found);
  } else {
    metadata["continue"] = token;
    metadata["remainingItemCount"] = snapshot.objects.size();
  }
  auto const& type = route.kind->type;
  return answer(200, "{\"kind\":\"" + std::string(type.kind) + "List\",\"apiVersion\":\"" +
                         kube::api_version(type) + "\",\"metadata\":" + json::serialize(metadata) +
                         ",\"items\":[" + items + "]}");
}

std::variant<Watch, http::Response> ApiServer::watch(http::Request const& request, SteadyTime now) const {
  auto const route = read_route(request.target);
  if (!route) return failure(404, "", "the server could not find the requested resource");
  Watch::Options options;
  options.kind = route->kind;
  options.namespace_name = route->key.namespace_name;
  options.selector = parse_selector(route->parameter("labelSelector"));
  options.bookmarks = route->is_set("allowWatchBookmarks");
  options.opened = now;
  // Without one the real server draws 30 to 60 minutes.
  options.timeout = std::chrono::seconds(version_of(route->parameter("timeoutSeconds")).value_or(1800));
  auto const text = route->parameter("resourceVersion");
  auto const asked = version_of(text);
  if (!text.empty() && !asked) return no_version(text);
  options.marks_end = route->is_set("sendInitialEvents");
  if (options.marks_end && route->parameter("resourceVersionMatch") != "NotOlderThan")
    return failure(422, "Invalid",
                   "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
                   "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  options.initial = options.marks_end || asked.value_or(0) == 0;
  options.after = asked.value_or(0);
  if (options.after > storage_.version()) return too_large(options.after, storage_.version());
  return Watch(std::move(options));
}

}  // namespace ei::sim
