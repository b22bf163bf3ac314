#include "operator/scrape/prometheus.hpp"

#include <charconv>
#include <cmath>

#include "runtime/async/clock.hpp"
#include "runtime/core/encoding.hpp"
#include "runtime/core/json.hpp"

namespace ei::scrape {
namespace {

namespace json = boost::json;

/// One sample is 200 bytes; a query that forgot its sum() over a large cluster is cut here.
constexpr std::size_t kMaxAnswerBytes = 1U << 20U;

/// `[1763955600.1, "7"]`: the time of the evaluation and the number as text, for JSON knows no NaN.
Result<double> read_pair(json::value const& value) {
  auto const* pair = value.if_array();
  auto const* text = pair && pair->size() == 2 ? (*pair)[1].if_string() : nullptr;
  if (!text) return make_error(ErrorKind::Protocol, "its sample is not [time, \"value\"]");
  double number = 0;
  auto const [end, wrong] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (wrong != std::errc{} || end != text->data() + text->size() || !std::isfinite(number) || number < 0) {
    return make_error(ErrorKind::Invalid, "the query gives " + std::string(text->data(), text->size()) +
                                              ", which is no queue length");
  }
  return number;
}

Result<double> read_vector(json::array const& samples) {
  if (samples.empty()) {
    return make_error(ErrorKind::NotFound,
                      "the query gives no sample: no series matches, or none was scraped lately");
  }
  if (samples.size() > 1) {
    return make_error(ErrorKind::Invalid, "the query gives " + std::to_string(samples.size()) +
                                              " samples: sum() makes one of them");
  }
  auto const* value = find_member(samples.front(), "value");
  return value ? read_pair(*value) : make_error(ErrorKind::Protocol, "its sample has no value");
}

/// What an error answer says, or nothing when it is none.
std::string complaint(json::value const& answer) {
  if (string_or(answer, "status") != "error") return {};
  return std::string(string_or(answer, "errorType", "error")) + ": " +
         std::string(string_or(answer, "error"));
}

Scrape no_sample(std::string const& fault) {
  Scrape scrape;
  scrape.fault = "Prometheus: " + fault;
  return scrape;
}

http::Client client_of(asio::any_io_executor executor, http::Url base) {
  http::ClientLimits limits;
  limits.max_body = kMaxAnswerBytes;
  return http::Client(std::move(executor), std::move(base), {}, limits);
}

}  // namespace

Result<double> read_query_answer(std::string_view body) {
  auto const answer = parse_json(body);
  if (!answer) return make_error(ErrorKind::Protocol, "the answer is not JSON");
  if (auto const refused = complaint(*answer); !refused.empty()) {
    return make_error(ErrorKind::Invalid, refused);
  }
  auto const type = string_or(*answer, "data.resultType");
  auto const* result = find_member(*answer, "data.result");
  if (string_or(*answer, "status") != "success" || !result) {
    return make_error(ErrorKind::Protocol, "the answer is not one of /api/v1/query");
  }
  if (type == "scalar") return read_pair(*result);
  if (type == "vector" && result->is_array()) return read_vector(result->get_array());
  return make_error(ErrorKind::Invalid,
                    "the query gives a " + std::string(type) + ": an instant vector or a scalar is needed");
}

Prometheus::Prometheus(asio::any_io_executor executor, http::Url base)
    : client_(client_of(std::move(executor), std::move(base))) {}

asio::awaitable<Scrape> Prometheus::query(std::string query, milliseconds deadline) {
  auto path = client_.origin().target;
  if (path.ends_with('/')) path.pop_back();
  http::Request request;
  request.target = path + "/api/v1/query?query=" + percent_encode(query);
  auto answer = co_await client_.send(std::move(request), deadline);
  if (!answer) co_return no_sample(answer.error().message);
  auto const queue = read_query_answer(answer->body);
  if (!queue) {
    // Its own errors come with 4xx and 5xx and say more than these; a proxy's page does not.
    bool const foreign = queue.error().kind == ErrorKind::Protocol && answer->status != 200;
    co_return no_sample(foreign ? "HTTP status " + std::to_string(answer->status) : queue.error().message);
  }
  Scrape scrape;
  scrape.sample.emplace();
  scrape.sample->at = steady_now();
  scrape.sample->queue = *queue;
  co_return scrape;
}

}  // namespace ei::scrape
