#include "operator/scrape/scraper.hpp"

#include <algorithm>

#include "dispatcher/contract/arrivals.hpp"
#include "runtime/async/clock.hpp"
#include "runtime/http/url.hpp"

namespace ei::scrape {
namespace {

Scrape no_sample(std::string fault) {
  Scrape scrape;
  scrape.fault = std::move(fault);
  return scrape;
}

}  // namespace

asio::awaitable<Scrape> Scraper::scrape(std::vector<Target> targets, int wanted, milliseconds deadline) {
  drop_clients_except(targets);
  if (targets.size() < static_cast<std::size_t>(wanted)) {
    co_return no_sample(std::to_string(targets.size()) + " of " + std::to_string(wanted) +
                        " dispatchers run");
  }
  auto const end = steady_now() + deadline;
  std::vector<Reading> readings;
  std::vector<std::string> incarnations;
  Quarantined quarantined;
  for (auto const& target : targets) {
    if (target.metrics_url.empty()) co_return no_sample(target.name + " has no address yet");
    auto const left = std::chrono::ceil<milliseconds>(end - steady_now());
    if (left <= milliseconds(0)) co_return no_sample(target.name + ": not asked, the time was up");
    auto asked = ask_ ? ask_(target.metrics_url, left) : fetch(target, left);
    auto text = co_await std::move(asked);
    if (!text) co_return no_sample(target.name + ": " + text.error().message);
    auto reading = read_exposition(*text);
    if (!reading) co_return no_sample(target.name + ": " + reading.error().message);
    quarantined[target.incarnation] = reading->quarantined;
    readings.push_back(std::move(*reading));
    incarnations.push_back(target.incarnation);
  }
  Scrape scrape;
  scrape.quarantined = std::move(quarantined);
  scrape.sample = sum(readings, incarnations, steady_now());
  scrape.answers = sum_answers(readings);
  for (auto const& reading : readings) scrape.arrivals.push_back(reading.arrivals);
  scrape.output = usual_output(readings);
  scrape.precision = usual_precision(readings);
  scrape.version = usual_version(readings);
  scrape.mixed_versions = mixed_versions(readings);
  scrape.agreement = least_agreement(readings);
  for (auto const& each : readings) scrape.refused += each.refused;
  co_return scrape;
}

asio::awaitable<Result<std::string>> Scraper::fetch(Target target, milliseconds timeout) {
  auto const& url = target.metrics_url;
  auto parsed = http::parse_url(url);
  if (!parsed) co_return parsed.error();
  auto found = clients_.find(url);
  if (found == clients_.end()) {
    http::ClientLimits limits;
    limits.max_body = 4U << 20U;  // a dispatcher's metrics are about 20 KiB
    found = clients_.emplace(url, http::Client(executor_, *parsed, {}, limits)).first;
  }
  http::Request request;
  request.target = parsed->target;
  if (!target.no_worker.empty())
    request.target += "?" + std::string(dispatcher::arrival::kNoWorker) + "=" + target.no_worker;
  auto answer = co_await found->second.send(std::move(request), timeout);
  if (!answer) co_return answer.error();
  if (answer->status != 200) co_return http::error_from_response(*answer);
  co_return std::move(answer->body);
}

void Scraper::drop_clients_except(std::vector<Target> const& targets) {
  for (auto each = clients_.begin(); each != clients_.end();) {
    bool const wanted = std::any_of(targets.begin(), targets.end(),
                                    [&](Target const& target) { return target.metrics_url == each->first; });
    each = wanted ? std::next(each) : clients_.erase(each);
  }
}

}  // namespace ei::scrape
