#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <map>
#include <string>
#include <vector>

#include "operator/scrape/reading.hpp"
#include "runtime/http/client.hpp"

namespace ei::scrape {
namespace asio = boost::asio;

/// Asks the dispatchers of one service for their metrics, over connections that are kept.
/// Use from the executor's thread only, one scrape at a time.
class Scraper {
 public:
  explicit Scraper(asio::any_io_executor executor) : executor_(std::move(executor)) {}

  /// Every target within `deadline`, one after the other (a scrape takes a millisecond, and the first that
  /// fails makes the sum unusable). Fewer targets than `wanted` are no data either.
  [[nodiscard]] asio::awaitable<Scrape> scrape(std::vector<Target> targets, int wanted,
                                               milliseconds deadline);

 private:
  asio::awaitable<Result<Reading>> ask(std::string url, milliseconds timeout);
  void drop_clients_except(std::vector<Target> const& targets);

  asio::any_io_executor executor_;
  std::map<std::string, http::Client> clients_;  ///< by URL
};

}  // namespace ei::scrape
