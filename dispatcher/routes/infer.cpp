#include "dispatcher/routes/infer.hpp"

#include <boost/json.hpp>
#include <optional>
#include <string_view>

#include "dispatcher/classify/classify.hpp"
#include "dispatcher/contract/answer/answer.hpp"
#include "dispatcher/routes/deadline.hpp"

namespace ei::dispatcher {
namespace {

std::optional<std::string> named_version(http::Request const& request) {
  auto const version = request.params.find("version");
  return version == request.params.end() ? std::nullopt : std::optional(version->second);
}

// 404 when the path names another model than ours, or a version of it that no worker has.
Result<void> check_path(RouteContext const& context, http::Request const& request) {
  return oip::check_model(context.options.model, served_versions(context.live), request.params.at("model"),
                          named_version(request));
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
  if (auto const found = check_path(context, request); !found) co_return problem_of(found.error());
  auto const deadline = request_deadline(request.headers, context.options.request_timeout, start);
  if (!deadline) co_return problem_of(deadline.error());
  auto parsed = oip::parse_infer(request.body, request.headers.get(oip::kHeaderLength));
  if (!parsed) co_return problem_of(parsed.error());
  auto version = named_version(request);
  auto tag = std::move(request.tag);
  request = {};  // its bytes are not needed while it waits
  auto const answers = co_await classify(context.live, *parsed, context.options.picture, *deadline,
                                         std::move(tag), std::move(version));
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
  if (auto const found = check_path(context, request); !found) return problem_of(found.error());
  return plain_json(oip::model_metadata(context.options.model, served_versions(context.live)));
}

http::Response model_ready(RouteContext& context, http::Request const& request) {
  if (auto const found = check_path(context, request); !found) return problem_of(found.error());
  boost::json::object body{{"name", context.options.model.name}};
  return ready_answer(model_ready(context.live), std::move(body));
}

http::Response inference_ready(RouteContext& context) {
  return ready_answer(inference_ready(context.live), {});
}

}  // namespace ei::dispatcher
