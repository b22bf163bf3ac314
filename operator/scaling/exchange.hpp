#pragma once

#include <string>
#include <string_view>

#include "operator/scaling/settings.hpp"
#include "operator/scaling/snapshot.hpp"
#include "runtime/core/result.hpp"

// How another program decides: one JSON document out, one in. `inference-bench policy --contestant` carries
// them as lines of standard input and output, `spec.scaling.policy: Webhook` as an HTTP request and its
// answer. docs/policy.md describes them, bench/policies/schema.json is their schema.
namespace ei::scaling {

/// Raised when a program that reads today's question could misread the new one. A new key does not raise it.
inline constexpr int kExchangeVersion = 1;

/// A count, a word and a sentence: what is longer is a mistake of the program, or an attack on the operator.
inline constexpr std::size_t kMostAnswerBytes = 16 * 1024;
/// The API's largest number of workers.
inline constexpr int kMostAnsweredReplicas = 1000;
/// What still reads well as one word in an event.
inline constexpr std::size_t kMostReasonBytes = 64;
/// Two or three lines on a screen; Kubernetes cuts an event's message at 1,024 bytes.
inline constexpr std::size_t kMostExplanationBytes = 512;

/// The question as one line without its end. `service` tells services apart for a program that answers for
/// several: `namespace/name`.
std::string question(std::string_view service, Settings const& settings, Snapshot const& snapshot, Time now);

/// Reads what a program answered. Errors: Invalid, with the key, its value and what is allowed.
Result<Answer> read_answer(std::string_view text);

}  // namespace ei::scaling
