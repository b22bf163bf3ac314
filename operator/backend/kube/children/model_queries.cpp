#include "operator/backend/kube/children/model_queries.hpp"

#include <boost/json/array.hpp>

#include "operator/api/limits.hpp"

namespace ei::kube {
namespace {

namespace json = boost::json;

// As the other volumes: the program's user is not known here, and nobody else has a process in the pod.
constexpr int kReadable = 0444;

}  // namespace

std::optional<json::object> queries_volume(api::Model const& model) {
  json::array sources;
  auto const add = [&sources](std::string const& secret, std::string_view key) {
    if (secret.empty()) return;
    json::array items{json::object{{"key", key}, {"path", key}}};
    sources.push_back(json::object{{"secret", json::object{{"name", secret}, {"items", std::move(items)}}}});
  };
  add(model.uri_query_secret, api::kUriQueryKey);
  add(model.labels_query_secret, api::kLabelsQueryKey);
  if (sources.empty()) return std::nullopt;
  json::object projected{{"defaultMode", kReadable}, {"sources", std::move(sources)}};
  return json::object{{"name", "queries"}, {"projected", std::move(projected)}};
}

std::vector<std::string> query_arguments(api::Model const& model) {
  std::vector<std::string> arguments;
  auto const add = [&arguments](char const* flag, std::string const& secret, std::string_view key) {
    if (secret.empty()) return;
    arguments.emplace_back(flag);
    arguments.push_back(std::string(kQueriesDirectory) + "/" + std::string(key));
  };
  add("--model-uri-query-file", model.uri_query_secret, api::kUriQueryKey);
  add("--labels-query-file", model.labels_query_secret, api::kLabelsQueryKey);
  return arguments;
}

}  // namespace ei::kube
