#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <optional>
#include <string_view>

#include "runtime/compression/inflater.hpp"
#include "runtime/core/result.hpp"
#include "runtime/http/message.hpp"

namespace ei::http {

/// The coding that a Content-Encoding names; none for identity or an empty value. Names compare without case;
/// x-gzip is gzip. Errors: Invalid with http_status 415 for another one, and for two, one upon the other.
[[nodiscard]] Result<std::optional<compression::Coding>> parse_coding(std::string_view content_encoding);

/// Replaces a body by what its Content-Encoding (gzip, deflate) says it stands for, and takes that field
/// away; leaves one without a coding alone. Other coroutines run in between. Gives the answer that refuses
/// the request: 415 with Accept-Encoding for another coding, 400 for a broken body, 413 for one that decodes
/// to more than `max_bytes`, to more than its size justifies (compression::InflateLimits),
/// or for longer than a second.
[[nodiscard]] boost::asio::awaitable<std::optional<Response>> decode_content(Request& request,
                                                                             std::size_t max_bytes);

}  // namespace ei::http
