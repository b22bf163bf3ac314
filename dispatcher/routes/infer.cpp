#include "dispatcher/routes/infer.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "dispatcher/oip/infer.hpp"
#include "dispatcher/routes/answer.hpp"
#include "runtime/core/encoding.hpp"

namespace ei::dispatcher {
namespace {

// 404 when the path names another model than ours.
Result<void> check_model(RouteContext const& context, http::Request const& request) {
  std::string const& asked = request.params.at("model");
  if (asked == context.options.model) return {};
  return status_error(404, "there is no model \"" + std::string(clipped(asked, 80)) + "\"; allowed: \"" +
                               context.options.model + "\"");
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
  bool const probabilities =
      std::any_of(parsed->outputs.begin(), parsed->outputs.end(),
                  [](auto const& wanted) { return wanted.output == oip::Output::Probabilities; });
  auto const answers = co_await context.service.ask(std::move(parsed->pictures), probabilities, *deadline);
  if (!answers) co_return problem_of(answers.error());
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
  boost::json::object body{{"name", context.options.model}};
  return ready_answer(context.service.exchange().workers() > 0, std::move(body));
}

http::Response inference_ready(RouteContext& context) {
  return ready_answer(!context.service.leaving() && context.service.exchange().workers() > 0, {});
}

}  // namespace ei::dispatcher
