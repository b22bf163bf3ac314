// A request of the Open Inference Protocol once it is read, whichever way it came: over HTTP or gRPC.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "dispatcher/contract/picture/inspect.hpp"
#include "dispatcher/live/live_exchange.hpp"
#include "dispatcher/oip/infer.hpp"

namespace ei::dispatcher {

/// Checks the request's pictures, takes them, and waits for their answers as LiveExchange::ask() does.
/// `version`: the one that the request names; none: any. Errors: those, of a picture with its place (400,
/// 413, 415), and 503 when the model was replaced meanwhile by one of other classes, or by another version
/// than the named one; Error::http_status is set, but for ErrorKind::Canceled.
[[nodiscard]] asio::awaitable<Result<std::vector<Answer>>> classify(LiveExchange& live,
                                                                    oip::InferRequest& request,
                                                                    PictureLimits const& limits,
                                                                    SteadyTime deadline, RequestTag tag,
                                                                    std::optional<std::string> version);

/// The versions of the model that linked workers compute with; where none is linked, that of the last one.
[[nodiscard]] oip::Versions served_versions(LiveExchange const& live);

/// Whether a model's requests would be computed: a worker is linked, or the first request starts one.
[[nodiscard]] bool model_ready(LiveExchange const& live);

/// Whether requests are taken, and would be computed.
[[nodiscard]] bool inference_ready(LiveExchange const& live);

}  // namespace ei::dispatcher
