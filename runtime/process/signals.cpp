#include "runtime/process/signals.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>

namespace ei::process {

struct Signals::Impl {
  explicit Impl(asio::any_io_executor executor) : set(std::move(executor), SIGTERM, SIGINT) {}
  asio::signal_set set;
};

Signals::Signals(asio::any_io_executor executor) : impl_(std::make_unique<Impl>(std::move(executor))) {
  std::signal(SIGPIPE, SIG_IGN);
}

Signals::~Signals() = default;

asio::awaitable<int> Signals::next() {
  auto const [code, number] = co_await impl_->set.async_wait(asio::as_tuple(asio::use_awaitable));
  co_return code ? 0 : number;
}

}  // namespace ei::process
