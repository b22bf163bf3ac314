#include "dispatcher/routes/predict.hpp"

#include "dispatcher/contract/answer/answer.hpp"
#include "dispatcher/contract/form/submitted.hpp"
#include "dispatcher/routes/deadline.hpp"

namespace ei::dispatcher {
namespace {

/// Memory that a waiting picture may hold beyond its bytes, which are what the queue counts: a form with
/// nothing but a picture has some hundred bytes around it.
constexpr std::size_t kSmallEnvelope = 1024;

double to_ms(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

}  // namespace

Result<Work> picture_of(http::Request& request, PictureLimits const& limits) {
  auto const bytes = submitted_picture(request, limits);
  if (!bytes) return bytes.error();
  Work work;
  std::size_t const begin = static_cast<std::size_t>(bytes->data() - request.body.data());
  if (request.body.size() - bytes->size() <= kSmallEnvelope) {
    // A raw body is the picture itself; a form's picture is moved to its front.
    std::size_t const size = bytes->size();
    work.bytes = std::move(request.body);
    work.bytes.resize(begin + size);
    work.bytes.erase(0, begin);
  } else {
    work.bytes = std::string(*bytes);
  }
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
  auto tag = std::move(request.tag);
  request = {};  // the form's bytes are not needed while it waits
  auto const answers = co_await context.live.ask(std::move(pictures), false, *deadline, 0, std::move(tag));
  if (!answers) co_return problem_of(answers.error());
  Duration const total = std::chrono::steady_clock::now() - start;
  Answer const& answer = answers->front();
  std::vector<Timing> timing{{"queue_ms", to_ms(answer.queued)}};
  if (answer.cold_start) timing.emplace_back("cold_start_ms", to_ms(*answer.cold_start));
  timing.emplace_back("inference_ms", answer.inference_ms);
  timing.emplace_back("total_ms", to_ms(total));
  co_return prediction_answer(answer.top, answer.model_version, timing,
                              context.live.exchange().queue().size());
}

}  // namespace ei::dispatcher
