#include "dispatcher/routes/predict.hpp"

#include "dispatcher/contract/answer/answer.hpp"
#include "dispatcher/contract/form/submitted.hpp"
#include "dispatcher/routes/deadline.hpp"

namespace ei::dispatcher {
namespace {

double to_ms(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
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
  Answer const& answer = answers->front();
  co_return prediction_answer(
      answer.top, answer.model_version,
      {{"queue_ms", to_ms(answer.queued)}, {"inference_ms", answer.inference_ms}, {"total_ms", to_ms(total)}},
      context.service.exchange().queue().size());
}

}  // namespace ei::dispatcher
