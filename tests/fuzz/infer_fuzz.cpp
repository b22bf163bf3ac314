// The Open Inference Protocol: the first line is the value of Inference-Header-Content-Length ("-": absent).
#include "dispatcher/oip/infer.hpp"
#include "runtime/core/json.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/pictures.hpp"

namespace {

using namespace ei;
using namespace ei::dispatcher;
using fuzz::require;

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
  // A number of JSON takes two bytes with its comma and becomes four.
  fuzz::require_pictures(*request, 2 * body.size() + 4);
  check_answer(*request);
  return 0;
}
