#pragma once

#include "runtime/http/message.hpp"
#include "runtime/http/transport.hpp"

namespace ei::http {

/// Sends a last answer as far as that goes without waiting, on a plain connection that is to be closed.
void say_at_once(Transport& transport, Response const& response);

}  // namespace ei::http
