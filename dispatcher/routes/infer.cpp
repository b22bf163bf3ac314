#include "dispatcher/routes/infer.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "dispatcher/form/submitted.hpp"
#include "dispatcher/routes/answer.hpp"
#include "runtime/core/encoding.hpp"

namespace ei::dispatcher {
namespace {

// 404 when the path names another model than ours, or another version of it.
Result<void> check_model(RouteContext const& context, http::Request const& request) {
  oip::ServedModel const& ours = context.options.model;
  std::string const& asked = request.params.at("model");
  if (asked != ours.name) {
    return status_error(
        404, "there is no model \"" + std::string(clipped(asked, 80)) + "\"; allowed: \"" + ours.name + "\"");
  }
  auto const version = request.params.find("version");
  if (version == request.params.end() || version->second == ours.version) return {};
  return status_error(404, "the model \"" + ours.name + "\" has no version \"" +
                               std::string(clipped(version->second, 80)) + "\"; allowed: \"" + ours.version +
                               "\"");
}

// The request's pictures, checked. Errors: 400, 413, 415, with the picture's place.
Result<oip::InferRequest> checked_request(http::Request const& request, PictureLimits const& limits) {
  auto parsed = oip::parse_infer(request.body, request.headers.get(oip::kHeaderLength));
  if (!parsed) return parsed.error();
  for (std::size_t i = 0; i < parsed->pictures.size(); ++i) {
    if (parsed->pictures[i].kind != link::ItemKind::Image) continue;
    auto const checked = check_picture(parsed->pictures[i].bytes, limits);
    if (!checked) return with_context(checked.error(), "inputs[0] element " + std::to_string(i));
  }
  return parsed;
}

// While the model is being replaced, workers of the old and of the new one may share a request's pictures.
Result<void> check_classes(std::vector<Answer> const& answers) {
  std::size_t const classes = answers.front().probabilities.size();
  bool const same = std::all_of(answers.begin(), answers.end(),
                                [&](auto const& answer) { return answer.probabilities.size() == classes; });
  if (same) return {};
  Error error = status_error(503, "the model was replaced while it answered, by one of other classes");
  error.retry_after = std::chrono::seconds(1);
  return error;
}

http::Response plain_json(std::string body) {
  http::Response out;
  out.body = std::move(body);
  out.headers.set("Content-Type", "application/json");
  return out;
}

http::Response ready_answer(bool ready, boost::json::object body) {
  body["ready"] = ready;
  return http::json(ready ? 200 : 503, body);
}

}  // namespace

asio::awaitable<http::Response> infer(RouteContext& context, http::Request request) {
  SteadyTime const start = std::chrono::steady_clock::now();
  if (auto const found = check_model(context, request); !found) co_return problem_of(found.error());
  auto const deadline = request_deadline(request.headers, context.options.request_timeout, start);
  if (!deadline) co_return problem_of(deadline.error());
  auto parsed = checked_request(request, context.options.picture);
  if (!parsed) co_return problem_of(parsed.error());
  request = {};  // its bytes are not needed while it waits
  auto const answers = co_await context.service.ask(std::move(parsed->pictures), parsed->probabilities(),
                                                    *deadline, parsed->top());
  if (!answers) co_return problem_of(answers.error());
  if (auto const same = check_classes(*answers); !same) co_return problem_of(same.error());
  auto written = oip::write_infer(context.options.model, *parsed, *answers);
  http::Response out = plain_json(std::move(written.body));
  if (written.header_length) {
    out.headers.set("Content-Type", "application/octet-stream");
    out.headers.set(std::string(oip::kHeaderLength), std::to_string(*written.header_length));
  }
  co_return out;
}

http::Response model(RouteContext& context, http::Request const& request) {
  if (auto const found = check_model(context, request); !found) return problem_of(found.error());
  return plain_json(oip::model_metadata(context.options.model));
}

http::Response model_ready(RouteContext& context, http::Request const& request) {
  if (auto const found = check_model(context, request); !found) return problem_of(found.error());
  boost::json::object body{{"name", context.options.model.name}};
  return ready_answer(context.service.exchange().workers() > 0, std::move(body));
}

http::Response inference_ready(RouteContext& context) {
  return ready_answer(!context.service.leaving() && context.service.exchange().workers() > 0, {});
}

}  // namespace ei::dispatcher
