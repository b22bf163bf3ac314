#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <string>
#include <string_view>

#include "operator/scrape/scraper.hpp"
#include "runtime/http/client.hpp"

namespace ei::scrape {

/// Reads the answer of Prometheus' `/api/v1/query` as one queue length. Pure. The query must give exactly one
/// sample (an instant vector of one element, or a scalar): none is no data, and of several nobody could tell
/// which one counts. Errors: Protocol (no such answer), Invalid (Prometheus refused the query; several
/// samples; a negative or non-finite number; a range or a string), NotFound (no sample).
[[nodiscard]] Result<double> read_query_answer(std::string_view body);

/// Asks one Prometheus server for queue lengths, over connections that are kept.
/// Use from the executor's thread only; several questions at once are fine.
class Prometheus {
 public:
  /// `base` is the server's address, with a path where it serves below one: `http://prometheus:9090`.
  Prometheus(asio::any_io_executor executor, http::Url base);

  /// The sample of a PromQL query: a queue length and nothing else, `at` the time of the answer.
  [[nodiscard]] asio::awaitable<Scrape> query(std::string query, milliseconds deadline);

 private:
  http::Client client_;
};

}  // namespace ei::scrape
