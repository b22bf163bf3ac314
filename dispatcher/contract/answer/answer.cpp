#include "dispatcher/contract/answer/answer.hpp"

#include <boost/json.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "dispatcher/contract/form/submitted.hpp"

namespace ei::dispatcher {
namespace {

namespace json = boost::json;

ErrorKind kind_of(int status) {
  switch (status) {
    case 404:
      return ErrorKind::NotFound;
    case 429:
      return ErrorKind::TooMany;
    case 502:
    case 503:
      return ErrorKind::Unavailable;
    case 504:
      return ErrorKind::Timeout;
    default:
      return ErrorKind::Invalid;
  }
}

double rounded_probability(double probability) {
  return std::round(probability * 1e6) / 1e6;
}

std::string percent(link::Prediction const& prediction) {
  char text[32];
  std::snprintf(text, sizeof text, ": %.1f%%", 100 * prediction.probability);
  return prediction.label + text;
}

}  // namespace

Error status_error(int status, std::string message) {
  Error error = make_error(kind_of(status), std::move(message));
  error.http_status = status;
  return error;
}

http::Response problem_of(Error const& error) {
  int const status = error.http_status == 0 ? 500 : error.http_status;
  http::Response out = http::problem(status, std::string(http::reason_phrase(status)), error.message);
  if (error.retry_after) {
    auto const seconds = std::chrono::ceil<std::chrono::seconds>(*error.retry_after).count();
    out.headers.set("Retry-After", std::to_string(seconds));
  }
  if (status == 415) out.headers.set("Accept", std::string(kPictureTypes));
  return out;
}

json::array top_of(std::vector<link::Prediction> const& predictions) {
  json::array top;
  for (auto const& each : predictions) {
    top.push_back({{"label", each.label},
                   {"index", each.index},
                   {"probability", rounded_probability(each.probability)}});
  }
  return top;
}

http::Response prediction_answer(std::vector<link::Prediction> const& predictions,
                                 std::string_view model_version, std::vector<Timing> const& timing,
                                 std::optional<std::size_t> queue_size) {
  json::object body{{"prediction", percent(predictions.front())}};
  if (queue_size) body["queue_size"] = *queue_size;
  body["top"] = top_of(predictions);
  body["model_version"] = model_version;
  json::object& times = body["timing"].emplace_object();
  for (auto const& [name, milliseconds] : timing) times[name] = rounded_ms(milliseconds);
  return http::json(200, body);
}

double rounded_ms(double milliseconds) {
  return std::round(milliseconds * 1000) / 1000;
}

}  // namespace ei::dispatcher
