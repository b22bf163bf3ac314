#include "inference/service/routes.hpp"

#include <boost/json.hpp>
#include <chrono>

#include "dispatcher/contract/answer/answer.hpp"
#include "dispatcher/contract/form/submitted.hpp"
#include "runtime/core/version.hpp"
#include "runtime/http/content.hpp"
#include "runtime/metrics/registry.hpp"

namespace ei::inference {
namespace {

namespace json = boost::json;
namespace link = dispatcher::link;

using dispatcher::problem_of;

/// A worker that loads, leaves or is full may take the same request a moment later.
http::Response refusal_of(Error error) {
  if (error.http_status == 0) error.http_status = error.kind == ErrorKind::TooMany ? 429 : 503;
  if (error.http_status == 429 || error.http_status == 503) error.retry_after = std::chrono::seconds(1);
  return problem_of(error);
}

/// The picture as a job of its own. Errors: 400, 413, 415.
Result<std::shared_ptr<link::Job const>> job_of(http::Request const& request,
                                                dispatcher::PictureLimits const& limits) {
  auto const bytes = dispatcher::submitted_picture(request, limits);
  if (!bytes) return bytes.error();
  auto job = std::make_shared<link::Job>();
  job->items.push_back({link::ItemKind::Image, bytes->size(), 1, request.tag});
  job->payload = std::string(*bytes);
  return std::shared_ptr<link::Job const>(std::move(job));
}

http::Response answer_of(link::JobResult const& result, std::string const& version, double total_ms) {
  if (auto const* const error = std::get_if<link::ItemError>(&result.items.front())) {
    return refusal_of(dispatcher::status_error(error->status, error->detail));
  }
  return dispatcher::prediction_answer(std::get<std::vector<link::Prediction>>(result.items.front()), version,
                                       {{"preprocess_ms", result.preprocess_ms},
                                        {"inference_ms", result.inference_ms},
                                        {"total_ms", total_ms}});
}

std::size_t max_body(RouteContext const& context) {
  return context.limits.max_bytes + dispatcher::kFormEnvelopeBytes;
}

asio::awaitable<http::Response> predict(RouteContext& context, http::Request request) {
  auto const start = std::chrono::steady_clock::now();
  if (!context.worker.accepts()) {
    co_return refusal_of(
        make_error(ErrorKind::Unavailable, "the worker is still loading its model, or is leaving"));
  }
  auto refusal = co_await http::decode_content(request, max_body(context));
  if (refusal) co_return std::move(*refusal);
  auto job = job_of(request, context.limits);
  if (!job) co_return problem_of(job.error());
  request = {};  // the picture's bytes are in the job
  auto const result = co_await context.worker.answer(std::move(*job));
  if (!result) co_return refusal_of(result.error());
  co_return answer_of(
      *result, context.worker.model_version(),
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
}

http::Route get(std::string pattern, std::function<http::Response()> answer) {
  http::Route route;
  route.method = "GET";
  route.pattern = std::move(pattern);
  route.handler = [answer = std::move(answer)](http::Request) -> asio::awaitable<http::Response> {
    co_return answer();
  };
  return route;
}

http::Response about(RouteContext const& context) {
  json::object body{{"name", "inference-worker"},
                    {"version", version()},
                    {"model", context.model_name},
                    {"ready", context.worker.ready()},
                    {"predict", "POST /predict with a JPEG or PNG"}};
  if (context.worker.accepts()) {
    body["classes"] = context.worker.classes();
    body["precision"] = context.worker.precision();
    body["output"] = context.worker.output();
    body["model_version"] = context.worker.model_version();
  }
  return http::json(200, std::move(body));
}

std::string unready_reason(Worker const& worker) {
  if (!worker.fault().empty()) return worker.fault();
  if (worker.draining()) return "the worker is leaving";
  if (!worker.accepts()) return "the model is loading";
  return "the model's weights are broken: the scores of " + std::to_string(worker.nonfinite()) +
         " finite pictures were not finite";
}

http::Response health(Worker const& worker) {
  if (worker.fault().empty()) return http::text(200, "ok\n");
  return http::problem(503, "Service Unavailable", worker.fault());
}

http::Response ready(Worker const& worker) {
  if (worker.ready()) return http::text(200, worker.standby() ? "standby\n" : "ready\n");
  return http::problem(503, "Service Unavailable", unready_reason(worker));
}

}  // namespace

std::vector<http::Route> main_routes(RouteContext& context) {
  std::vector<http::Route> routes;
  for (char const* const method : {"POST", "PUT"}) {  // `curl -T cat.jpg` sends a PUT
    http::Route predicting;
    predicting.method = method;
    predicting.pattern = "/predict";
    predicting.handler = [&context](http::Request request) { return predict(context, std::move(request)); };
    predicting.max_body = max_body(context);
    routes.push_back(std::move(predicting));
  }
  routes.push_back(get("/", [&context] { return about(context); }));
  routes.push_back(get("/healthz", [&context] { return health(context.worker); }));
  routes.push_back(get("/readyz", [&context] { return ready(context.worker); }));
  return routes;
}

std::vector<http::Route> metrics_routes(RouteContext& context) {
  std::vector<http::Route> routes;
  routes.push_back(get("/metrics", [&context] {
    auto response = http::text(200, context.exposition());
    response.headers.set("Content-Type", std::string(metrics::kContentType));
    return response;
  }));
  routes.push_back(get("/healthz", [&context] { return health(context.worker); }));
  routes.push_back(get("/readyz", [&context] { return ready(context.worker); }));
  return routes;
}

}  // namespace ei::inference
