// The JSON of an infer request, read in one pass: the small part as a JSON value, and `inputs[].data` beside
// it as plain numbers and strings. A JSON value costs 24 bytes,
// so 16 MiB of "0,0,0," as JSON values were 200 MB.
#pragma once

#include <boost/json/value.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dispatcher/contract/link/protocol.hpp"
#include "runtime/core/result.hpp"

namespace ei::dispatcher::oip {

/// Values and keys outside of `data`. A request of one input, three outputs and every parameter that Triton
/// knows has under a hundred.
inline constexpr std::size_t kMaxHeadValues = 1024;
/// Bytes of strings and keys outside of `data`: names and an id, which the answer repeats.
inline constexpr std::size_t kMaxHeadBytes = 64 * 1024;
/// Arrays and objects within each other: `inputs`, an input, its `data` and a tensor's
/// four dimensions are eight.
inline constexpr std::size_t kMaxDepth = 16;

/// The first element of one kind.
struct Element {
  std::size_t index = 0;  ///< among all elements, in their order
  std::string text;       ///< as JSON, shortened
};

/// What stands at `inputs[].data`.
struct Data {
  std::vector<float> numbers;        ///< at most as many as the limit; infinite where float32 cannot hold one
  std::vector<std::string> strings;  ///< at most as many as the limit
  std::size_t elements = 0;          ///< of every kind, also those over a limit
  std::optional<Element> number;
  std::optional<Element> string;
  std::optional<Element> other;         ///< true, false, null, an object
  std::optional<std::string> no_array;  ///< what it is instead of an array; "null" for an absent one
  /// The lengths of the nested arrays, outermost first; none where arrays of one depth differ.
  std::optional<std::vector<std::size_t>> shape;
};

struct Document {
  boost::json::value head;   ///< everything else; null in the place of `data`
  std::optional<Data> data;  ///< of the first input that has any
  std::size_t data_count = 0;
};

struct DocumentLimits {
  std::size_t numbers = 0;
  std::size_t strings = 0;
};

/// Errors: Invalid, with the offset of the fault or the limit that is exceeded.
[[nodiscard]] Result<Document> parse_document(std::string_view text, DocumentLimits const& limits);

/// The value as JSON, for an error message: at most 80 bytes. "missing" for none.
[[nodiscard]] std::string quoted(boost::json::value const* value);

}  // namespace ei::dispatcher::oip
