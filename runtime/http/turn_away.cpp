#include "runtime/http/turn_away.hpp"

#include "runtime/http/wire.hpp"

namespace ei::http {

void say_at_once(Transport& transport, Response const& response) {
  if (transport.encrypted()) return;
  ResponseHeadOptions options;
  options.keep_alive = false;
  options.body_size = response.body.size();
  std::string const bytes = response_head(response, options) + response.body;
  transport.say(bytes);
  boost::system::error_code ignored;
  transport.socket().shutdown(tcp::socket::shutdown_both, ignored);
}

}  // namespace ei::http
