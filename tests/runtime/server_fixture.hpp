#pragma once

#include <boost/asio/this_coro.hpp>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/async/task_group.hpp"
#include "runtime/http/client.hpp"
#include "runtime/http/server.hpp"

namespace ei::test {

/// What the fixture's handlers saw.
struct Seen {
  int started = 0;
  int canceled = 0;
  std::vector<http::Completed> completed;
};

/// Short limits, so that tests of them are quick.
inline http::ServerOptions quick_options() {
  http::ServerOptions options;
  options.address = "127.0.0.1";
  options.max_body = 1000;
  options.header_timeout = milliseconds{150};
  options.body_timeout = milliseconds{150};
  options.idle_timeout = milliseconds{400};
  options.write_timeout = milliseconds{2000};
  return options;
}

/// A server with one route for each thing a handler can do.
class TestServer {
 public:
  TestServer(asio::any_io_executor executor, http::ServerOptions options,
             std::vector<http::WebSocketRoute> websockets = {}) {
    auto const seen = seen_;
    options.on_completed = [seen](http::Completed const& event) { seen->completed.push_back(event); };
    server_ =
        std::make_unique<http::Server>(executor, std::move(options), routes(seen), std::move(websockets));
    auto const listening = server_->listen();
    if (!listening) throw std::runtime_error(listening.error().message);
    server_->start();
  }

  http::Server& operator*() { return *server_; }
  http::Server* operator->() { return server_.get(); }
  [[nodiscard]] Seen& seen() { return *seen_; }
  [[nodiscard]] http::Url url(std::string scheme = "http") const {
    http::Url out;
    out.scheme = std::move(scheme);
    out.host = "127.0.0.1";
    out.port = server_->port();
    return out;
  }

 private:
  static asio::awaitable<http::Response> echo(http::Request request) {
    co_return http::text(200, request.method + " " + request.path + " " + request.body);
  }
  static asio::awaitable<http::Response> slow(std::shared_ptr<Seen> seen, milliseconds duration) {
    ++seen->started;
    bool finished = false;
    try {
      co_await sleep_for(duration);
      finished = true;
    } catch (boost::system::system_error const&) {
    }
    if (!finished) {
      ++seen->canceled;
      throw std::runtime_error("cancelled");
    }
    co_return http::text(200, "slow");
  }
  static asio::awaitable<http::Response> fail() {
    co_await sleep_for(milliseconds{1});
    throw std::runtime_error("broken on purpose");
  }
  static asio::awaitable<void> stream(http::ResponseWriter& writer) {
    http::Response head = http::text(200, "");
    auto const begun = co_await writer.begin(std::move(head));
    if (!begun) co_return;
    for (int i = 0; i < 3; ++i) {
      std::string chunk = "part" + std::to_string(i) + ";";
      auto const written = co_await writer.write(std::move(chunk));
      if (!written) co_return;
      co_await sleep_for(milliseconds{20});
    }
  }
  static asio::awaitable<void> flood(http::ResponseWriter& writer) {
    http::Response head = http::text(200, "");
    auto const begun = co_await writer.begin(std::move(head));
    if (!begun) co_return;
    for (;;) {
      std::string chunk(64 * 1024, 'x');
      auto const written = co_await writer.write(std::move(chunk));
      if (!written) co_return;
    }
  }
  static asio::awaitable<void> endless(std::shared_ptr<Seen> seen, http::ResponseWriter& writer) {
    ++seen->started;
    http::Response head = http::text(200, "");
    auto const begun = co_await writer.begin(std::move(head));
    static_cast<void>(begun);
    try {
      co_await sleep_for(std::chrono::hours{1});
    } catch (boost::system::system_error const&) {
      ++seen->canceled;
      throw;
    }
  }

  static std::vector<http::Route> routes(std::shared_ptr<Seen> const& seen) {
    std::vector<http::Route> out;
    auto echo_handler = [](http::Request request) { return echo(std::move(request)); };
    out.push_back({"GET", "/echo", echo_handler});
    out.push_back({"POST", "/echo", echo_handler});
    out.push_back({"POST", "/large", echo_handler, {}, std::size_t{64 * 1024 * 1024}});
    out.push_back({"GET", "/slow", [seen](http::Request) { return slow(seen, milliseconds{200}); }});
    out.push_back({"GET", "/forever", [seen](http::Request) { return slow(seen, std::chrono::hours{1}); }});
    out.push_back({"GET", "/fail", [](http::Request) { return fail(); }});
    out.push_back({"GET", "/throws", [](http::Request) -> asio::awaitable<http::Response> {
                     throw std::runtime_error("before the first suspension");
                   }});
    out.push_back({"GET", "/items/{id}", [](http::Request request) { return item(std::move(request)); }});
    http::Route streamed{"GET", "/stream", {}};
    streamed.stream = [](http::Request, http::ResponseWriter& writer) { return stream(writer); };
    out.push_back(streamed);
    http::Route flood_route{"GET", "/flood", {}};
    flood_route.stream = [](http::Request, http::ResponseWriter& writer) { return flood(writer); };
    out.push_back(flood_route);
    http::Route endless_route{"GET", "/endless", {}};
    endless_route.stream = [seen](http::Request, http::ResponseWriter& writer) {
      return endless(seen, writer);
    };
    out.push_back(endless_route);
    return out;
  }
  static asio::awaitable<http::Response> item(http::Request request) {
    co_return http::text(200, request.params.at("id"));
  }

  std::shared_ptr<Seen> seen_ = std::make_shared<Seen>();
  std::unique_ptr<http::Server> server_;
};

inline asio::awaitable<Result<http::Response>> get(http::Client& client, std::string target) {
  http::Request request;
  request.target = std::move(target);
  return client.send(std::move(request), milliseconds{5000});
}

inline asio::awaitable<Result<http::Response>> post(http::Client& client, std::string target,
                                                    std::string body) {
  http::Request request;
  request.method = "POST";
  request.target = std::move(target);
  request.body = std::move(body);
  return client.send(std::move(request), milliseconds{5000});
}

}  // namespace ei::test
