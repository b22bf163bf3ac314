#include "tests/sim/api/answers.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <utility>

namespace ei::sim {
namespace {

namespace json = boost::json;

std::string status(int code, std::string_view reason, std::string const& message) {
  return json::serialize(json::object{{"kind", "Status"},
                                      {"apiVersion", "v1"},
                                      {"metadata", json::object{}},
                                      {"status", "Failure"},
                                      {"message", message},
                                      {"reason", reason},
                                      {"code", code}});
}

/// "deployments.apps", "pods": how the server names a kind to people.
std::string qualified(Kind const& kind) {
  auto name = std::string(kind.type.plural);
  if (!kind.type.group.empty()) name += "." + std::string(kind.type.group);
  return name;
}

std::string quoted(Kind const& kind, std::string const& name) {
  return qualified(kind) + " \"" + name + "\"";
}

}  // namespace

http::Response failure(int code, std::string_view reason, std::string const& message) {
  http::Response answer;
  answer.status = code;
  answer.headers.set("Content-Type", "application/json");
  answer.body = status(code, reason, message);
  return answer;
}

http::Response not_found(Kind const& kind, std::string const& name) {
  return failure(404, "NotFound", quoted(kind, name) + " not found");
}

http::Response already_exists(Kind const& kind, std::string const& name) {
  return failure(409, "AlreadyExists", quoted(kind, name) + " already exists");
}

http::Response conflict(Kind const& kind, std::string const& name, std::string const& why) {
  return failure(409, "Conflict", "Operation cannot be fulfilled on " + quoted(kind, name) + ": " + why);
}

http::Response invalid(Kind const& kind, std::string const& name, std::string const& why) {
  return failure(422, "Invalid", std::string(kind.type.kind) + " \"" + name + "\" is invalid: " + why);
}

std::string gone_status(std::uint64_t asked, std::uint64_t oldest) {
  return status(410, "Expired",
                "too old resource version: " + std::to_string(asked) + " (" + std::to_string(oldest) + ")");
}

}  // namespace ei::sim
