#include "dispatcher/routes/routes.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "dispatcher/contract/answer/answer.hpp"
#include "dispatcher/contract/arrivals.hpp"
#include "dispatcher/contract/form/submitted.hpp"
#include "dispatcher/routes/arrivals.hpp"
#include "dispatcher/routes/deadline.hpp"
#include "dispatcher/routes/infer.hpp"
#include "dispatcher/routes/predict.hpp"
#include "runtime/core/version.hpp"
#include "runtime/http/content.hpp"
#include "runtime/http/request_tag.hpp"
#include "runtime/metrics/registry.hpp"

namespace ei::dispatcher {
namespace {

using Immediate = std::function<http::Response(http::Request const&)>;

asio::awaitable<http::Response> answer_now(Immediate const& answer, http::Request request) {
  co_return answer(request);
}

http::Route get(std::string pattern, Immediate answer) {
  http::Route route;
  route.method = "GET";
  route.pattern = std::move(pattern);
  route.handler = [answer = std::move(answer)](http::Request request) {
    return answer_now(answer, std::move(request));
  };
  return route;
}

using Handle = asio::awaitable<http::Response> (*)(RouteContext&, http::Request);

asio::awaitable<http::Response> decode_and_handle(RouteContext& context, Handle handle, http::Request request,
                                                  std::size_t max_body) {
  auto refusal = co_await http::decode_content(request, max_body);
  if (refusal) co_return std::move(*refusal);
  co_return co_await handle(context, std::move(request));
}

asio::awaitable<http::Response> answer_later(RouteContext& context, Handle handle, http::Request request,
                                             std::size_t max_body) {
  http::Response response = co_await decode_and_handle(context, handle, std::move(request), max_body);
  // A client that comes back on a new connection reaches another dispatcher.
  if (context.live.exchange().draining()) response.headers.set("Connection", "close");
  co_return response;
}

http::Route upload(std::string method, std::string pattern, RouteContext& context, Handle handle,
                   std::size_t max_body) {
  http::Route route;
  route.method = std::move(method);
  route.pattern = std::move(pattern);
  route.max_body = max_body;
  route.handler = [&context, handle, max_body](http::Request request) {
    return answer_later(context, handle, std::move(request), max_body);
  };
  return route;
}

http::Response exposition(RouteContext& context) {
  http::Response out;
  out.body = context.exposition();
  out.headers.set("Content-Type", std::string(metrics::kContentType));
  return out;
}

/// Clients read it: letters alone.
bool is_word(std::string_view text) {
  auto const letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return !text.empty() && text.size() <= arrival::kMostNoWorker &&
         std::all_of(text.begin(), text.end(), letter);
}

// Ready means that requests are taken; without workers they wait, which is what the queue is for.
http::Response ready(RouteContext& context) {
  if (!context.live.leaving()) return http::text(200, "ready\n");
  return problem_of(status_error(503, "this dispatcher is draining"));
}

http::Response about(RouteContext& context) {
  boost::json::object const body{
      {"name", "elastic-inference dispatcher"},
      {"version", version()},
      {"model", context.options.model.name},
      {"routes",
       {"POST /predict", "POST /add_to_queue", "GET /v2", "GET /v2/health/live", "GET /v2/health/ready",
        "GET /v2/models/{model}[/versions/{version}]", "GET /v2/models/{model}[/versions/{version}]/ready",
        "POST /v2/models/{model}[/versions/{version}]/infer", "GET /healthz", "GET /readyz",
        "GET /metrics"}}};
  return http::json(200, body);
}

http::Response json_text(std::string body) {
  http::Response out;
  out.body = std::move(body);
  out.headers.set("Content-Type", "application/json");
  return out;
}

/// What people and probes ask on either port.
std::vector<http::Route> common_routes(RouteContext& context) {
  std::vector<http::Route> routes;
  routes.push_back(get("/healthz", [](auto const&) { return http::text(200, "ok\n"); }));
  routes.push_back(get("/readyz", [&context](auto const&) { return ready(context); }));
  return routes;
}

}  // namespace

std::vector<http::Route> metrics_routes(RouteContext& context) {
  auto routes = common_routes(context);
  routes.push_back(get("/metrics", [&context](auto const& request) {
    if (auto why = http::query_value(request.query, arrival::kNoWorker); why && is_word(*why))
      context.live.explain_no_worker(std::move(*why));
    return exposition(context);
  }));
  http::Route waits;
  waits.method = "GET";
  waits.pattern = arrival::kPath;
  waits.handler = [&context](http::Request request) { return arrivals(context, std::move(request)); };
  routes.push_back(std::move(waits));
  return routes;
}

http::CorsOptions cors_options(RouteOptions const& options) {
  return {options.cors_allowed_origins,
          {"Content-Type", "Content-Encoding", std::string(oip::kHeaderLength), std::string(kTimeoutHeader),
           std::string(http::kRequestId), std::string(http::kTraceparent), std::string(http::kTracestate)},
          {"Retry-After", "Accept", "Accept-Encoding", "Allow", std::string(oip::kHeaderLength),
           std::string(http::kRequestId)}};
}

std::vector<http::Route> main_routes(RouteContext& context) {
  std::vector<http::Route> routes = common_routes(context);
  routes.push_back(get("/metrics", [&context](auto const&) { return exposition(context); }));
  std::size_t const form = context.options.picture.max_bytes + kFormEnvelopeBytes;
  for (std::string const pattern : {"/predict", "/add_to_queue"}) {
    // `curl -T cat.jpg` sends a PUT.
    for (std::string const method : {"POST", "PUT"}) {
      routes.push_back(upload(method, pattern, context, predict, form));
    }
  }
  routes.push_back(get("/", [&context](auto const&) { return about(context); }));
  routes.push_back(get("/v2", [](auto const&) { return json_text(oip::server_metadata()); }));
  routes.push_back(get("/v2/health/live", [](auto const&) { return json_text(R"({"live":true})"); }));
  routes.push_back(get("/v2/health/ready", [&context](auto const&) { return inference_ready(context); }));
  // One picture of the greatest size fits as base64, whatever size is allowed.
  std::size_t const tensors = std::max(oip::kMaxBodyBytes, form / 3 * 4);
  for (std::string const at : {"/v2/models/{model}", "/v2/models/{model}/versions/{version}"}) {
    routes.push_back(upload("POST", at + "/infer", context, infer, tensors));
    routes.push_back(get(at, [&context](auto const& request) { return model(context, request); }));
    routes.push_back(
        get(at + "/ready", [&context](auto const& request) { return model_ready(context, request); }));
  }
  return http::with_preflight(std::move(routes), cors_options(context.options));
}

}  // namespace ei::dispatcher
