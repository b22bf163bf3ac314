// The Open Inference Protocol: the first line is the value of Inference-Header-Content-Length ("-": absent).
#include <cmath>

#include "dispatcher/link/floats.hpp"
#include "dispatcher/oip/infer.hpp"
#include "runtime/core/json.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ei;
using namespace ei::dispatcher;
using fuzz::require;

void check_pictures(oip::InferRequest const& request, std::size_t body_bytes) {
  require(!request.pictures.empty() && request.pictures.size() <= oip::kMaxImages,
          "1 to kMaxImages pictures");
  std::size_t total = 0;
  for (auto const& picture : request.pictures) {
    total += picture.bytes.size();
    if (picture.kind != link::ItemKind::Tensor) continue;
    require(picture.bytes.size() == link::kTensorBytes, "a tensor is one picture");
    for (float const value : link::floats(picture.bytes)) require(std::isfinite(value), "tensors are finite");
  }
  // A number of JSON takes two bytes with its comma and becomes four.
  require(total <= 2 * body_bytes + 4, "pictures take no more memory than their request paid for");
}

void check_answer(oip::InferRequest const& request) {
  std::vector<Answer> answers(request.pictures.size());
  for (auto& answer : answers) {
    answer.top = {{"tabby \"cat\"", 1, 0.75}, {"dog", 0, 0.25}};
    answer.probabilities = {0.25F, 0.75F};
  }
  auto const response = oip::write_infer({"resnet18"}, request, answers);
  std::size_t const json_bytes = response.header_length.value_or(response.body.size());
  require(json_bytes <= response.body.size(), "the JSON is part of the body");
  auto const json = parse_json(std::string_view(response.body).substr(0, json_bytes));
  require(bool(json), "an answer is JSON");
  require(find_member(*json, "outputs") != nullptr, "an answer has outputs");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const [line, body] = fuzz::headed(fuzz::view(data, size));
  auto const length = line == "-" ? std::nullopt : std::optional<std::string_view>(line);
  auto const request = oip::parse_infer(body, length);
  if (!request) {
    require(request.error().http_status >= 400 && request.error().http_status < 500,
            "a refusal has its status");
    return 0;
  }
  check_pictures(*request, body.size());
  check_answer(*request);
  return 0;
}
