// The Open Inference Protocol, version 2: what requests and answers say, and the bodies of
// POST /v2/models/{model}/infer, both ways. gRPC's messages are read and written in dispatcher/grpc, by what
// is here. Sources: https://github.com/kserve/open-inference-protocol (rest/predict_v2.md) and two of
// Triton's extensions (https://github.com/triton-inference-server/server: extension_binary_data.md,
// extension_classification.md). Pure: strings in, strings out.
//
// One input, `image`, in one of two forms:
//
//   BYTES [N] or [N,1]     N whole JPEG or PNG files. In JSON each is a base64 string, as a file is no
//                          text; parameters.content_type may say "base64". As a binary tensor each is a
//                          4-byte little-endian length and the file's bytes.
//   FP32  [N,3,224,224]    N pictures ready for the model: RGB, ImageNet-normalised, NCHW. JSON numbers,
//                          flat or nested as the shape, or a little-endian binary tensor.
//
// Outputs: `label` BYTES [N] and `probability` FP32 [N] of the most probable class, and on request
// `probabilities` FP32 [N,classes]. With parameters.classification k the two latter are the k most probable
// classes instead, BYTES [N,k] of "probability:index:label".
//
// A member that is null counts as absent, everywhere.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dispatcher/exchange/exchange.hpp"
#include "runtime/core/result.hpp"

namespace ei::dispatcher::oip {

/// The header that says how long the JSON before the binary tensors is.
inline constexpr std::string_view kHeaderLength = "Inference-Header-Content-Length";
/// Bytes of one request's body: the greatest picture as base64 is 14 MiB.
inline constexpr std::size_t kMaxBodyBytes = std::size_t{16} << 20;
/// Pictures in one request as files: as many as a job may hold.
inline constexpr std::size_t kMaxImages = link::kMaxItems;
/// Pictures in one request as tensors: as many as fit a body as binary, 27. As JSON fewer may fit.
inline constexpr std::size_t kMaxTensors = kMaxBodyBytes / link::kTensorBytes;

/// What is served under /v2/models.
struct ServedModel {
  std::string name;
};

/// The versions that linked workers compute with; none where no worker is there to tell.
using Versions = std::vector<std::string>;

enum class Output { Label, Probability, Probabilities };

struct WantedOutput {
  Output output{};
  bool binary = false;
  std::size_t classes = 0;  ///< of the classification extension, [1, link::kMaxTop]; 0: not asked for
  bool operator==(WantedOutput const&) const = default;
};

struct InferRequest {
  std::optional<std::string> id;
  std::vector<Work> pictures;         ///< images are not looked at yet; tensors are finite
  std::vector<WantedOutput> outputs;  ///< in the order they were asked for, none twice

  /// Whether an output needs the probabilities of all classes.
  [[nodiscard]] bool probabilities() const;
  /// The most labels that an output needs of a picture.
  [[nodiscard]] std::size_t top() const;
};

/// `header_length` is the value of kHeaderLength, where the request has one.
/// Errors: Invalid with http_status 400, naming field, value and what is allowed.
[[nodiscard]] Result<InferRequest> parse_infer(std::string_view body,
                                               std::optional<std::string_view> header_length);

/// A tensor in the elements of gRPC's InferTensorContents; only what pictures come in.
struct TypedContents {
  std::vector<std::string> bytes;
  std::vector<float> fp32;
};

/// Likewise a request of gRPC: `head` has its other members as the JSON of HTTP has them, `raw` is the one
/// raw_input_contents, laid out as a binary tensor. Errors: the same.
[[nodiscard]] Result<InferRequest> parse_infer(boost::json::object const& head, std::string_view raw);
[[nodiscard]] Result<InferRequest> parse_infer(boost::json::object const& head, TypedContents contents);

/// Errors: NotFound with http_status 404, when `name` is another model than ours, or `version` one that no
/// worker computes with. While there is no worker, it may be the version of the one that comes.
[[nodiscard]] Result<void> check_model(ServedModel const& ours, Versions const& served, std::string_view name,
                                       std::optional<std::string_view> version);

/// Of the weights that gave these answers. While a rollout replaces workers, two of them may share a request:
/// then both, with a comma between, in the order of the pictures.
[[nodiscard]] std::string model_version(std::vector<Answer> const& answers);

/// An output of an answer; `texts` where the datatype is BYTES, else `numbers`.
struct OutputTensor {
  std::string name;
  std::string datatype;
  std::vector<std::size_t> shape;
  std::vector<std::string> texts;
  std::vector<float> numbers;
};

/// The outputs that `request` asks for. `answers`: one per picture of it, none empty,
/// all of a model with the same classes.
[[nodiscard]] std::vector<OutputTensor> output_tensors(InferRequest const& request,
                                                       std::vector<Answer> const& answers);

/// The tensor's bytes as a binary tensor has them.
[[nodiscard]] std::string binary_tensor(OutputTensor const& tensor);

struct InferResponse {
  std::string body;
  /// Bytes of JSON in `body` when binary tensors follow it; goes into kHeaderLength.
  std::optional<std::size_t> header_length;
};

/// `answers` as in output_tensors().
[[nodiscard]] InferResponse write_infer(ServedModel const& model, InferRequest const& request,
                                        std::vector<Answer> const& answers);

/// GET /v2 and GET /v2/models/{model}; the messages of gRPC have the same members.
[[nodiscard]] std::string server_metadata();
[[nodiscard]] std::string model_metadata(ServedModel const& model, Versions const& served);

}  // namespace ei::dispatcher::oip
