#pragma once

#include "runtime/http/message.hpp"
#include "tests/sim/api/schema.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace ei::sim {

/// An answer with a metav1.Status of a failure; `reason` empty: a path that nothing is at.
http::Response failure(int code, std::string_view reason, std::string const& message);

http::Response not_found(Kind const& kind, std::string const& name);
http::Response already_exists(Kind const& kind, std::string const& name);
http::Response conflict(Kind const& kind, std::string const& name, std::string const& why);
http::Response invalid(Kind const& kind, std::string const& name, std::string const& why);

/// The Status of a watch whose version is no longer kept, as one line of JSON.
std::string gone_status(std::uint64_t asked, std::uint64_t oldest);

}  // namespace ei::sim
