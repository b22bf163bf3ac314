// gRPC's messages of the Open Inference Protocol as what dispatcher/oip has of them, and back. What a request
// means is decided there, for HTTP and gRPC alike. Pure.
#pragma once

#include <inference.pb.h>

#include <string_view>
#include <vector>

#include "dispatcher/oip/infer.hpp"

namespace ei::dispatcher::grpc_front {

struct InferMessage {
  std::string model;
  std::string version;  ///< empty: any
  bool raw = false;     ///< the tensor came as raw_input_contents, and so goes the answer
  oip::InferRequest request;
};

/// Errors: Invalid with http_status 400, naming field, value and what is allowed.
[[nodiscard]] Result<InferMessage> read_infer(std::string_view bytes);

/// `answers` as in oip::output_tensors().
[[nodiscard]] inference::ModelInferResponse write_infer(oip::ServedModel const& model,
                                                        InferMessage const& asked,
                                                        std::vector<Answer> const& answers);

[[nodiscard]] inference::ServerMetadataResponse server_metadata();
[[nodiscard]] inference::ModelMetadataResponse model_metadata(oip::ServedModel const& model,
                                                              oip::Versions const& served);

}  // namespace ei::dispatcher::grpc_front
