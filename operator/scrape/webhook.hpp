#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "operator/scaling/snapshot.hpp"
#include "runtime/core/address.hpp"
#include "runtime/http/client.hpp"

namespace ei::scrape {
namespace asio = boost::asio;

/// Where an administrator lets snapshots be posted, and who vouches for the cluster's own hosts.
struct WebhookReach {
  AllowedAddresses addresses;
  bool services = false;  ///< names of Services may lead to private addresses
  /// The cluster's own authority as PEM, for names of Services; empty, or giving "": the system's store. Its
  /// error is the answer's failure.
  std::function<Result<std::string>()> cluster_ca = {};
};

/// Posts a question to a URL. Errors: as http::Client::send.
using PostQuestion = std::function<asio::awaitable<Result<http::Response>>(
    std::string url, std::string question, milliseconds deadline)>;

/// Whether a host is a Service as DNS in a cluster has it: `NAME.NAMESPACE.svc`, perhaps with the domain
/// `cluster.local` behind it.
[[nodiscard]] bool names_service(std::string_view host);

/// Errors: Forbidden, saying who can allow it.
[[nodiscard]] Result<void> admit_webhook(WebhookReach const& reach, std::string_view host, AddressKind kind);

/// The program behind one service's `spec.scaling.webhook`, over a connection that is kept. Redirects are not
/// followed. Use from the executor's thread only.
class Webhook {
 public:
  /// `ca_pem` empty: the cluster's authority for names of Services, the system's store for all others. `post`
  /// empty: by HTTP.
  Webhook(asio::any_io_executor executor, std::string url, std::string ca_pem, WebhookReach reach,
          PostQuestion post = {})
      : executor_(std::move(executor)),
        url_(std::move(url)),
        ca_pem_(std::move(ca_pem)),
        reach_(std::move(reach)),
        post_(std::move(post)) {}

  [[nodiscard]] bool is(std::string_view url, std::string_view ca_pem) const {
    return url == url_ && ca_pem == ca_pem_;
  }

  /// Posts a question and reads the answer. Whatever goes wrong is the answer's `failure`.
  [[nodiscard]] asio::awaitable<scaling::Answer> ask(std::string question, milliseconds deadline);

 private:
  Result<void> connect();
  asio::awaitable<Result<http::Response>> post(std::string question, milliseconds deadline);

  asio::any_io_executor executor_;
  std::string url_;
  std::string ca_pem_;
  WebhookReach reach_;
  PostQuestion post_;
  std::optional<http::Client> client_;  ///< made anew after a failure, as the cluster's authority may be new
};

}  // namespace ei::scrape
