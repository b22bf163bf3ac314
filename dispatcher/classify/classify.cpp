#include "dispatcher/classify/classify.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "dispatcher/contract/form/submitted.hpp"

namespace ei::dispatcher {
namespace {

Result<void> check_pictures(std::vector<Work> const& pictures, PictureLimits const& limits) {
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    if (pictures[i].kind != link::ItemKind::Image) continue;
    auto const checked = check_picture(pictures[i].bytes, limits);
    if (!checked) return with_context(checked.error(), "inputs[0] element " + std::to_string(i));
  }
  return {};
}

// While the model is being replaced, workers of the old and of the new one may share a request's pictures.
Result<void> check_classes(std::vector<Answer> const& answers) {
  std::size_t const classes = answers.front().probabilities.size();
  bool const same = std::all_of(answers.begin(), answers.end(),
                                [&](auto const& answer) { return answer.probabilities.size() == classes; });
  if (same) return {};
  Error error =
      make_error(ErrorKind::Unavailable, "the model was replaced while it answered, by one of other classes");
  error.http_status = 503;
  error.retry_after = std::chrono::seconds(1);
  return error;
}

}  // namespace

asio::awaitable<Result<std::vector<Answer>>> classify(Service& service, oip::InferRequest& request,
                                                      PictureLimits const& limits, SteadyTime deadline) {
  if (auto const checked = check_pictures(request.pictures, limits); !checked) co_return checked.error();
  auto answers =
      co_await service.ask(std::move(request.pictures), request.probabilities(), deadline, request.top());
  if (!answers) co_return answers.error();
  if (auto const same = check_classes(*answers); !same) co_return same.error();
  co_return std::move(*answers);
}

bool model_ready(Service const& service) {
  return service.exchange().workers() > 0;
}

bool inference_ready(Service const& service) {
  return !service.leaving() && model_ready(service);
}

}  // namespace ei::dispatcher
