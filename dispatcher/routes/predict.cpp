#include "dispatcher/routes/predict.hpp"

#include <boost/json.hpp>
#include <cmath>
#include <cstdio>

#include "dispatcher/contract/form/submitted.hpp"
#include "dispatcher/routes/answer.hpp"

namespace ei::dispatcher {
namespace {

namespace json = boost::json;

// To what a float32 probability can mean: six digits.
double rounded(double probability) {
  return std::round(probability * 1e6) / 1e6;
}

std::string percent(std::string const& label, double probability) {
  char text[32];
  std::snprintf(text, sizeof text, ": %.1f%%", 100 * probability);
  return label + text;
}

http::Response prediction(Answer const& answer, std::size_t queue_size, Duration total) {
  json::array top;
  for (auto const& p : answer.top) {
    top.push_back({{"label", p.label}, {"index", p.index}, {"probability", rounded(p.probability)}});
  }
  json::object const body{{"prediction", percent(answer.top.front().label, answer.top.front().probability)},
                          {"queue_size", queue_size},
                          {"top", std::move(top)},
                          {"timing",
                           {{"queue_ms", to_ms(answer.queued)},
                            {"inference_ms", std::round(answer.inference_ms * 1000) / 1000},
                            {"total_ms", to_ms(total)}}}};
  return http::json(200, body);
}

}  // namespace

Result<Work> picture_of(http::Request& request, PictureLimits const& limits) {
  auto const bytes = submitted_picture(request, limits);
  if (!bytes) return bytes.error();
  Work work;
  // A raw body is the picture itself and need not be copied.
  bool const whole = bytes->size() == request.body.size();
  work.bytes = whole ? std::move(request.body) : std::string(*bytes);
  return work;
}

asio::awaitable<http::Response> predict(RouteContext& context, http::Request request) {
  SteadyTime const start = std::chrono::steady_clock::now();
  auto const deadline = request_deadline(request.headers, context.options.request_timeout, start);
  if (!deadline) co_return problem_of(deadline.error());
  auto picture = picture_of(request, context.options.picture);
  if (!picture) co_return problem_of(picture.error());
  std::vector<Work> pictures;
  pictures.push_back(std::move(*picture));
  request = {};  // the form's bytes are not needed while it waits
  auto const answers = co_await context.service.ask(std::move(pictures), false, *deadline);
  if (!answers) co_return problem_of(answers.error());
  Duration const total = std::chrono::steady_clock::now() - start;
  co_return prediction(answers->front(), context.service.exchange().queue().size(), total);
}

}  // namespace ei::dispatcher
