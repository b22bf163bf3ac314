#pragma once

#include "tests/sim/api/members.hpp"
#include "tests/sim/api/server.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <string>
#include <utility>

namespace ei::sim {

/// An ApiServer and the requests of a test, in few words.
struct Requests {
  ApiServer server;
  WallTime now{std::chrono::hours(24 * 365 * 56)};

  static http::Request make(std::string method, std::string target, std::string body = {},
                            std::string type = "application/json") {
    http::Request request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.body = std::move(body);
    request.headers.set("Content-Type", std::move(type));
    return request;
  }
  http::Response send(std::string method, std::string target, std::string body = {}) {
    return server.handle(make(std::move(method), std::move(target), std::move(body)), now);
  }
  http::Response apply(std::string path, std::string manager, std::string body, bool force = false) {
    auto target = path + "?fieldManager=" + manager + (force ? "&force=true" : "");
    return server.handle(make("PATCH", std::move(target), std::move(body), "application/apply-patch+yaml"),
                         now);
  }
  http::Response merge(std::string target, std::string body) {
    return server.handle(make("PATCH", std::move(target), std::move(body), "application/merge-patch+json"),
                         now);
  }
  static boost::json::object object(http::Response const& answer) {
    return boost::json::parse(answer.body).as_object();
  }
  boost::json::object get(std::string target) { return object(send("GET", std::move(target))); }
  static std::string reason(http::Response const& answer) { return text_of(object(answer), "reason"); }
};

inline constexpr char const* kMaps = "/api/v1/namespaces/default/configmaps";
inline constexpr char const* kMap = "/api/v1/namespaces/default/configmaps/a";
inline constexpr char const* kDeploys = "/apis/apps/v1/namespaces/default/deployments";

/// The body of a ConfigMap called `name` with these data.
inline std::string config_map(std::string const& name, std::string const& data,
                              std::string const& more = {}) {
  return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name + "\"" + more +
         R"(},"data":)" + data + "}";
}

}  // namespace ei::sim
