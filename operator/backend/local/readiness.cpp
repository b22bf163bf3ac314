#include "operator/backend/local/readiness.hpp"

namespace ei::backend::local {
Readiness::Readiness(asio::any_io_executor executor, http::Url origin)
    : client_(std::move(executor), std::move(origin)) {}

asio::awaitable<bool> Readiness::ask() {
  http::Request request;
  request.target = "/readyz";
  auto const answer = co_await client_.send(std::move(request), milliseconds(1000));
  if (answer) {
    ready_ = answer->status == 200;
    standby_ = answer->body == "standby\n";
    silent_ = 0;
  } else if (++silent_ >= 3) {
    ready_ = false;
  }
  co_return ready_;
}

}  // namespace ei::backend::local
