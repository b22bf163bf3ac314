// The picture that a client submits for classification: one piece of code for the dispatcher and for a worker
// that is asked directly, so that both take and refuse the same requests with the same words. Pure.
#pragma once

#include <cstddef>
#include <string_view>

#include "dispatcher/contract/picture/inspect.hpp"
#include "runtime/core/result.hpp"
#include "runtime/http/message.hpp"

namespace ei::dispatcher {

/// The pictures a raw body or a form field may be, as a 415 lists them.
inline constexpr std::string_view kPictureTypes = "image/jpeg, image/png";
/// What a form may add to the greatest picture: boundaries, headers and a few small fields.
inline constexpr std::size_t kFormEnvelopeBytes = 64 * 1024;

/// The whole, checked picture of a request: the one field `image` of a form, or the body itself where its
/// type is an image's, the type of any bytes, or not said. A view into the request's body. Errors: Invalid
/// with http_status 400, 413 or 415.
[[nodiscard]] Result<std::string_view> submitted_picture(http::Request const& request,
                                                         PictureLimits const& limits);

/// Success when the bytes are a whole JPEG or PNG within the limits. Errors: 400, 413, 415.
[[nodiscard]] Result<void> check_picture(std::string_view bytes, PictureLimits const& limits);

}  // namespace ei::dispatcher
