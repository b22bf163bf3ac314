// A ModelInferRequest of gRPC, as bytes.
#include "dispatcher/grpc/convert.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/pictures.hpp"

using namespace ei;
using namespace ei::dispatcher;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const bytes = fuzz::view(data, size);
  auto const message = grpc_front::read_infer(bytes);
  if (!message) {
    require(message.error().http_status == 400, "a refusal has its status");
    return 0;
  }
  fuzz::require_pictures(message->request, bytes.size());
  std::vector<Answer> answers(message->request.pictures.size());
  for (auto& answer : answers) {
    answer.top = {{"tabby \"cat\"", 1, 0.75}, {"dog", 0, 0.25}};
    answer.probabilities = {0.25F, 0.75F};
  }
  auto const response = grpc_front::write_infer({"resnet18"}, *message, answers);
  require(response.outputs_size() == static_cast<int>(message->request.outputs.size()),
          "an answer has the outputs that were asked for");
  require(response.raw_output_contents_size() == (message->raw ? response.outputs_size() : 0),
          "an answer's tensors come as the request's");
  return 0;
}
