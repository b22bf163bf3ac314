#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "operator/page/services.hpp"
#include "operator/reconcile/reconciler.hpp"
#include "runtime/http/server.hpp"

namespace ei::page {
namespace asio = boost::asio;

struct Options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: the system chooses
  /// A file with the bearer token that the page asks for, read anew for each request because a mounted Secret
  /// changes; empty: none is asked for, and then only browsers that came by an IP address or `localhost` are
  /// answered, since any website can make a name of its own lead here (DNS rebinding).
  std::filesystem::path token_file;
};

/// The live page: what the reconciler tells, as HTML for people and JSON for programs, read-only. Use from
/// the executor's thread only.
class Page {
 public:
  Page(asio::any_io_executor executor, Options options);

  /// What to hand to the reconciler; it must not outlive this.
  [[nodiscard]] reconcile::Listener listener();
  /// Errors: Invalid (address), Io (port taken), or what is wrong with the token's file.
  [[nodiscard]] Result<void> start();
  [[nodiscard]] std::uint16_t port() const { return server_.port(); }
  /// Ends every stream.
  [[nodiscard]] asio::awaitable<void> stop();

 private:
  using Next = std::function<Result<boost::json::object>()>;

  std::vector<http::Route> routes();
  http::Route json_route(std::string pattern, std::function<Result<Next>(http::Request const&)> begin);
  http::Route stream_route(std::string pattern, std::function<Result<Next>(http::Request const&)> begin);
  Result<Next> begin_list(http::Request const& request);
  Result<Next> begin_service(http::Request const& request);
  asio::awaitable<http::Response> try_settings(http::Request const& request);
  asio::awaitable<void> send(http::Request const& request, http::ResponseWriter& writer, Next next);
  std::optional<http::Response> refused(http::Request const& request) const;

  Options options_;
  Services services_;
  http::Server server_;
  int streams_ = 0;
  bool trying_ = false;
};

}  // namespace ei::page
