#include "operator/backend/kube/client/identity.hpp"

#include "operator/backend/kube/client/exec_plugin.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace ei::kube {
namespace {

namespace asio = boost::asio;

// A credential is renewed before it expires, so that no request carries one that ends on its way.
constexpr std::chrono::seconds kExpiryMargin{30};

bool not_blank(std::string_view text) {
  return !trimmed(text).empty();
}

PemSource token_source(Access const& access) {
  if (auto const* file = std::get_if<TokenFile>(&access.token)) return {{}, file->path};
  if (auto const* fixed = std::get_if<StaticToken>(&access.token)) return {fixed->token, {}};
  return {};
}

}  // namespace

Identity::Identity(Access access)
    : access_(std::move(access)),
      ca_(access_.ca, holds_certificates, read_credential),
      certificate_(access_.client_certificate, holds_certificates, read_credential),
      key_(access_.client_key, not_blank, read_credential),
      token_(token_source(access_), not_blank, read_credential) {}

asio::awaitable<Result<IdentitySnapshot>> Identity::current() {
  auto const now = steady_now();
  auto ca = ca_.read(now);
  if (!ca) co_return with_context(ca.error(), "certificate authority");
  auto certificate = certificate_.read(now);
  if (!certificate) co_return with_context(certificate.error(), "client certificate");
  auto key = key_.read(now);
  if (!key) co_return with_context(key.error(), "client key");
  IdentitySnapshot snapshot;
  snapshot.tls.ca_pem = std::move(*ca);
  snapshot.tls.client_cert_pem = std::move(*certificate);
  snapshot.tls.client_key_pem = std::move(*key);
  snapshot.tls.server_name = access_.tls_server_name;
  snapshot.tls.verify = !access_.insecure_skip_tls_verify;
  auto bearer = co_await token(snapshot.tls);
  if (!bearer) co_return bearer.error();
  snapshot.bearer_token = std::move(*bearer);
  co_return snapshot;
}

asio::awaitable<Result<std::string>> Identity::token(http::TlsClientOptions& tls) {
  auto const* plugin = std::get_if<ExecPlugin>(&access_.token);
  if (plugin == nullptr) {
    auto text = token_.read(steady_now());
    if (!text) co_return with_context(text.error(), "token");
    co_return std::string(trimmed(*text));
  }
  auto refreshed = co_await refresh_plugin(*plugin, tls.ca_pem);
  if (!refreshed) co_return refreshed.error();
  if (!credential_->client_key_pem.empty()) {
    tls.client_cert_pem = credential_->client_certificate_pem;
    tls.client_key_pem = credential_->client_key_pem;
  }
  co_return credential_->token;
}

asio::awaitable<Result<void>> Identity::refresh_plugin(ExecPlugin const& plugin, std::string const& ca_pem) {
  // Requests that start together share one run of the plugin.
  while (plugin_runs_) {
    auto const done = plugin_done_;
    co_await done->async_wait(asio::as_tuple(asio::use_awaitable));
  }
  auto const wall = wall_now();
  bool const fresh = credential_ && (!credential_->expires || wall + kExpiryMargin < *credential_->expires);
  if (fresh) co_return Result<void>{};
  plugin_done_ = std::make_shared<Timer>(co_await asio::this_coro::executor, SteadyTime::max());
  plugin_runs_ = true;
  // Also when this coroutine is cancelled.
  struct Done {
    Identity& self;
    ~Done() {
      self.plugin_runs_ = false;
      self.plugin_done_->cancel();
    }
  } const done{*this};
  auto info = exec_info(plugin, access_, ca_pem);
  auto credential = co_await run_exec_plugin(plugin, std::move(info));
  if (!credential) co_return credential.error();
  credential_ = std::move(*credential);
  co_return Result<void>{};
}

void Identity::rejected(IdentitySnapshot const& snapshot) {
  ca_.expire();
  certificate_.expire();
  key_.expire();
  token_.expire();
  bool const same =
      credential_ && credential_->token == snapshot.bearer_token &&
      (credential_->client_key_pem.empty() || credential_->client_key_pem == snapshot.tls.client_key_pem);
  if (same) credential_.reset();
}

}  // namespace ei::kube
