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

Error replaced(std::string const& by) {
  Error error = make_error(ErrorKind::Unavailable, "the model was replaced while it answered, by " + by);
  error.http_status = 503;
  error.retry_after = std::chrono::seconds(1);
  return error;
}

// While the model is being replaced, workers of the old and of the new one may share a request's pictures.
Result<void> check_classes(std::vector<Answer> const& answers) {
  std::size_t const classes = answers.front().probabilities.size();
  bool const same = std::all_of(answers.begin(), answers.end(),
                                [&](auto const& answer) { return answer.probabilities.size() == classes; });
  if (same) return {};
  return replaced("one of other classes");
}

// No worker may have been there to tell when the request came, or both versions were.
Result<void> check_version(std::vector<Answer> const& answers, std::string const& version) {
  auto const other = std::find_if(answers.begin(), answers.end(),
                                  [&](auto const& answer) { return answer.model_version != version; });
  if (other == answers.end()) return {};
  return replaced("version \"" + other->model_version + "\"");
}

}  // namespace

asio::awaitable<Result<std::vector<Answer>>> classify(LiveExchange& live, oip::InferRequest& request,
                                                      PictureLimits const& limits, SteadyTime deadline,
                                                      RequestTag tag, std::optional<std::string> version) {
  if (auto const checked = check_pictures(request.pictures, limits); !checked) co_return checked.error();
  auto answers = co_await live.ask(std::move(request.pictures), request.probabilities(), deadline,
                                   request.top(), std::move(tag));
  if (!answers) co_return answers.error();
  if (auto const same = check_classes(*answers); !same) co_return same.error();
  if (version) {
    if (auto const named = check_version(*answers, *version); !named) co_return named.error();
  }
  co_return std::move(*answers);
}

oip::Versions served_versions(LiveExchange const& live) {
  oip::Versions out;
  for (auto const& [version, workers] : live.exchange().workers_by_version()) out.push_back(version);
  // Of a service that sleeps, what its next worker computes with, as far as anybody knows.
  if (out.empty() && !live.exchange().last_version().empty()) out.push_back(live.exchange().last_version());
  return out;
}

bool model_ready(LiveExchange const& live) {
  return live.exchange().workers() > 0 || live.sleeps();
}

bool inference_ready(LiveExchange const& live) {
  return !live.leaving() && model_ready(live);
}

}  // namespace ei::dispatcher
