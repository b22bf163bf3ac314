// The answers of /predict, and of everything that fails: one shape for the dispatcher and for a worker that
// is asked directly. Pure.
#pragma once

#include <boost/json/array.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dispatcher/contract/link/protocol.hpp"
#include "runtime/core/result.hpp"
#include "runtime/http/message.hpp"

namespace ei::dispatcher {

/// An Error for one status; `kind` follows from it.
[[nodiscard]] Error status_error(int status, std::string message);

/// The error as problem+json: its http_status (500 when 0), Retry-After where it has one,
/// and for 415 an Accept.
[[nodiscard]] http::Response problem_of(Error const& error);

/// `{"label", "index", "probability"}` of each prediction, most probable first. Six digits of a probability:
/// a float32 means no more.
[[nodiscard]] boost::json::array top_of(std::vector<link::Prediction> const& predictions);

/// A member of `timing` and its milliseconds.
using Timing = std::pair<std::string_view, double>;

/// `{"prediction": "tabby: 93.1%", "queue_size", "top", "model_version", "timing"}`, with `queue_size` where
/// there is a queue; `model_version` names the weights. Precondition: a prediction.
[[nodiscard]] http::Response prediction_answer(std::vector<link::Prediction> const& predictions,
                                               std::string_view model_version,
                                               std::vector<Timing> const& timing,
                                               std::optional<std::size_t> queue_size = {});

/// Three digits after the point: a microsecond.
[[nodiscard]] double rounded_ms(double milliseconds);

}  // namespace ei::dispatcher
