#pragma once

#include "operator/backend/kube/client/client.hpp"
#include "operator/backend/kube/client/identity.hpp"
#include "operator/backend/kube/protocol/backoff.hpp"
#include "operator/backend/kube/protocol/rate_limit.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace ei::kube {

/// One request before credentials and connection are chosen.
struct Call {
  http::Request request;
  std::string_view resource;  ///< for the metrics; of static life time
  bool writes = false;
  bool repeat = true;  ///< when the server asks to come again later
  milliseconds timeout{};
};

/// Carries calls out: rate limit, credentials, the connection pool that fits them,
/// repetition, the right to write.
class Caller {
 public:
  Caller(boost::asio::any_io_executor executor, Access access, ClientOptions options);

  boost::asio::awaitable<Result<http::Response>> send(Call call);
  boost::asio::awaitable<Result<std::unique_ptr<http::ResponseStream>>> open(Call call);

  ClientOptions const& options() const { return options_; }

 private:
  struct Prepared {
    http::Request request;
    IdentitySnapshot identity;
    std::shared_ptr<Transport> transport;
  };

  boost::asio::awaitable<Result<Prepared>> prepare(Call const& call);
  boost::asio::awaitable<Result<http::Response>> attempt(Call const& call, milliseconds timeout);
  Result<std::shared_ptr<Transport>> transport_for(http::TlsClientOptions const& tls);
  bool may_write(Call const& call) const;
  void tell(Call const& call, int status, SteadyTime since) const;

  ClientOptions options_;
  Identity identity_;
  std::string server_;
  std::string base_;  ///< of the server's URL: its path, without a slash at the end
  TokenBucket bucket_;
  Jitter jitter_;
  std::shared_ptr<Transport> transport_;
  std::string transport_material_;  ///< what transport_ was made with
};

}  // namespace ei::kube
