#include "dispatcher/routes/predict.hpp"

#include <boost/json.hpp>
#include <cmath>
#include <cstdio>

#include "dispatcher/form/multipart.hpp"
#include "dispatcher/routes/answer.hpp"
#include "runtime/core/encoding.hpp"

namespace ei::dispatcher {
namespace {

namespace json = boost::json;

constexpr std::string_view kField = "image";

Result<Work> picture_of_form(http::Request const& request, std::string_view content_type,
                             PictureLimits const& limits) {
  auto const boundary = http::header_parameter(content_type, "boundary");
  if (!boundary) return status_error(400, "the Content-Type multipart/form-data has no boundary");
  auto const parts = parse_multipart(request.body, *boundary);
  if (!parts) return status_error(400, parts.error().message);
  Part const* image = nullptr;
  std::string names;
  for (Part const& part : *parts) {
    names += names.empty() ? "" : ", ";
    names += clipped(part.name, 40);
    if (part.name != kField) continue;
    if (image != nullptr)
      return status_error(400, "the form has more than one field \"image\"; allowed: one");
    image = &part;
  }
  if (image == nullptr) {
    return status_error(400,
                        "the form has no field \"image\"; its fields: " + (names.empty() ? "none" : names));
  }
  if (auto const checked = check_picture(image->data, limits); !checked) return checked.error();
  Work work;
  work.bytes = std::string(image->data);
  return work;
}

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
  std::string const content_type(request.headers.get("Content-Type").value_or(""));
  std::string const type = http::media_type(content_type);
  if (type == "multipart/form-data") return picture_of_form(request, content_type, limits);
  // What kind of image it is, its bytes say better than its label.
  if (!type.starts_with("image/") && type != "application/octet-stream") {
    return status_error(415, "the Content-Type is \"" + type.substr(0, 80) +
                                 "\"; allowed: multipart/form-data with a field \"image\", " +
                                 std::string(kPictureTypes));
  }
  if (auto const checked = check_picture(request.body, limits); !checked) return checked.error();
  Work work;
  work.bytes = std::move(request.body);
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
