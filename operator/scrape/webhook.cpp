#include "operator/scrape/webhook.hpp"

#include <algorithm>

#include "operator/scaling/exchange.hpp"
#include "runtime/http/resolve.hpp"

namespace ei::scrape {
namespace {

scaling::Answer failure(std::string why) {
  scaling::Answer answer;
  answer.failure = std::move(why);
  return answer;
}

}  // namespace

bool names_service(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  constexpr std::string_view kDomain = ".cluster.local";
  if (host.ends_with(kDomain)) host.remove_suffix(kDomain.size());
  return host.ends_with(".svc") && std::count(host.begin(), host.end(), '.') == 2 && !host.starts_with('.') &&
         host.find("..") == host.npos;
}

Result<void> admit_webhook(WebhookReach const& reach, std::string_view host, AddressKind kind) {
  bool const service = reach.services && kind == AddressKind::Private && names_service(host);
  if (service || reach.addresses.admit(kind)) return {};
  auto const what = " is " + std::string(to_string(kind));
  if (kind == AddressKind::Never)
    return make_error(ErrorKind::Forbidden, what + ", to which nothing is ever posted");
  return make_error(ErrorKind::Forbidden,
                    what +
                        "; an administrator can allow that with the operator's --allow-webhook-address "
                        "(the chart's allow.webhookAddresses)");
}

Result<void> Webhook::connect() {
  auto origin = http::parse_url(url_);
  if (!origin) return origin.error();
  http::ClientLimits limits;
  limits.max_body = scaling::kMostAnswerBytes;
  limits.max_idle = 1;
  limits.admit_address = [reach = reach_, host = origin->host](asio::ip::address const& address) {
    auto admitted = admit_webhook(reach, host, kind_of(http::bytes_of(address)));
    if (admitted) return admitted;
    auto const named = address.to_string() == host ? host : host + " (" + address.to_string() + ")";
    return Result<void>(make_error(ErrorKind::Forbidden, named + admitted.error().message));
  };
  http::TlsClientOptions tls;
  tls.ca_pem = ca_pem_;
  if (ca_pem_.empty() && reach_.cluster_ca && names_service(origin->host)) {
    auto authority = reach_.cluster_ca();
    if (!authority) return with_context(authority.error(), "the cluster's certificate authority");
    tls.ca_pem = *std::move(authority);
  }
  client_.emplace(executor_, std::move(*origin), std::move(tls), std::move(limits));
  return {};
}

asio::awaitable<Result<http::Response>> Webhook::post(std::string question, milliseconds deadline) {
  if (post_) co_return co_await post_(url_, std::move(question), deadline);
  if (!client_) {
    if (auto const made = connect(); !made) co_return made.error();
  }
  http::Request request;
  request.method = "POST";
  request.target = client_->origin().target;
  request.headers.set("Content-Type", "application/json");
  request.body = std::move(question);
  auto answered = co_await client_->send(std::move(request), deadline);
  if (!answered) client_.reset();
  co_return answered;
}

asio::awaitable<scaling::Answer> Webhook::ask(std::string question, milliseconds deadline) {
  auto answered = co_await post(std::move(question), deadline);
  if (!answered) {
    bool const late = answered.error().kind == ErrorKind::Timeout;
    co_return failure(late ? "no answer within " + format_duration(deadline) : answered.error().message);
  }
  if (answered->status != 200) co_return failure("HTTP status " + std::to_string(answered->status));
  auto answer = scaling::read_answer(answered->body);
  if (!answer) co_return failure(answer.error().message);
  co_return std::move(*answer);
}

}  // namespace ei::scrape
