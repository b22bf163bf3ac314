// A request's tensor as pictures, from each of the forms in which the protocol carries one. Not for others.
#pragma once

#include <boost/json/object.hpp>
#include <string_view>
#include <vector>

#include "dispatcher/oip/document.hpp"
#include "dispatcher/oip/infer.hpp"

namespace ei::dispatcher::oip {

/// What an input's datatype and shape say of it.
struct InputKind {
  bool tensor = false;    ///< FP32 instead of BYTES
  std::size_t count = 0;  ///< pictures
};

/// Bytes as they stand in a binary tensor. `size_of`: the words before a wrong size in an error.
[[nodiscard]] Result<std::vector<Work>> pictures_from_binary(std::string_view bytes, InputKind kind,
                                                             std::string_view size_of);

/// `inputs[0].data` of JSON; `input` is the whole input.
[[nodiscard]] Result<std::vector<Work>> pictures_from_json(boost::json::object const& input, Data const& data,
                                                           InputKind kind);

/// The typed contents of gRPC.
[[nodiscard]] Result<std::vector<Work>> pictures_from_contents(TypedContents contents, InputKind kind);

}  // namespace ei::dispatcher::oip
