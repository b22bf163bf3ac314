#include "operator/backend/kube/client/transport.hpp"

#include <utility>

namespace ei::kube {
namespace {

namespace asio = boost::asio;

class HttpTransport final : public Transport {
 public:
  explicit HttpTransport(http::Client client) : client_(std::move(client)) {}

  asio::awaitable<Result<http::Response>> send(http::Request request, milliseconds timeout) override {
    return client_.send(std::move(request), timeout);
  }

  asio::awaitable<Result<std::unique_ptr<http::ResponseStream>>> open(http::Request request,
                                                                      milliseconds timeout) override {
    return client_.open(std::move(request), timeout);
  }

 private:
  http::Client client_;
};

}  // namespace

Dial dial_http(asio::any_io_executor executor) {
  return [executor = std::move(executor)](
             std::string const& server,
             http::TlsClientOptions const& tls) -> Result<std::shared_ptr<Transport>> {
    auto origin = http::parse_url(server);
    if (!origin) return origin.error();
    http::Client client(executor, std::move(*origin), tls);
    return std::shared_ptr<Transport>(std::make_shared<HttpTransport>(std::move(client)));
  };
}

}  // namespace ei::kube
