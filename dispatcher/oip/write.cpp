#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cstdio>

#include "dispatcher/contract/link/floats.hpp"
#include "dispatcher/oip/infer.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/version.hpp"

namespace ei::dispatcher::oip {
namespace {

namespace json = boost::json;

void append_little_endian(std::string& out, std::uint32_t bits) {
  for (int i = 0; i < 4; ++i, bits >>= 8) out.push_back(static_cast<char>(bits & 0xff));
}

OutputTensor labels(std::vector<Answer> const& answers) {
  OutputTensor out{"label", "BYTES", {answers.size()}, {}, {}};
  for (auto const& answer : answers) out.texts.push_back(answer.top.front().label);
  return out;
}

OutputTensor probability(std::vector<Answer> const& answers) {
  OutputTensor out{"probability", "FP32", {answers.size()}, {}, {}};
  for (auto const& answer : answers)
    out.numbers.push_back(static_cast<float>(answer.top.front().probability));
  return out;
}

OutputTensor probabilities(std::vector<Answer> const& answers) {
  OutputTensor out{"probabilities", "FP32", {answers.size(), answers.front().probabilities.size()}, {}, {}};
  for (auto const& answer : answers)
    out.numbers.insert(out.numbers.end(), answer.probabilities.begin(), answer.probabilities.end());
  return out;
}

// The classification extension: a model of fewer classes gives all that it has.
OutputTensor classification(WantedOutput const& wanted, std::vector<Answer> const& answers) {
  std::size_t count = wanted.classes;
  for (auto const& answer : answers) count = std::min(count, answer.top.size());
  char const* const name = wanted.output == Output::Probability ? "probability" : "probabilities";
  OutputTensor out{name, "BYTES", {answers.size(), count}, {}, {}};
  for (auto const& answer : answers) {
    for (std::size_t i = 0; i < count; ++i) {
      auto const& prediction = answer.top[i];
      char number[32];  // six digits after the point, as Triton's std::to_string gives
      std::snprintf(number, sizeof number, "%f:", prediction.probability);
      out.texts.push_back(number + std::to_string(prediction.index) + ":" + prediction.label);
    }
  }
  return out;
}

OutputTensor tensor_of(WantedOutput const& wanted, std::vector<Answer> const& answers) {
  if (wanted.classes > 0) return classification(wanted, answers);
  switch (wanted.output) {
    case Output::Label:
      return labels(answers);
    case Output::Probability:
      return probability(answers);
    case Output::Probabilities:
      break;
  }
  return probabilities(answers);
}

// The number that a float32's shortest decimal form names: 0.931, not 0.9309999942779541.
double in_few_digits(float value) {
  char digits[32];
  auto const end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  double out = value;
  std::from_chars(digits, end, out);
  return out;
}

json::array json_data(OutputTensor const& tensor) {
  json::array out;
  for (auto const& text : tensor.texts) out.emplace_back(text);
  for (float const number : tensor.numbers) out.emplace_back(in_few_digits(number));
  return out;
}

json::object tensor_metadata(std::string_view name, std::string_view datatype, json::array shape) {
  return {{"name", name}, {"datatype", datatype}, {"shape", std::move(shape)}};
}

}  // namespace

std::vector<OutputTensor> output_tensors(InferRequest const& request, std::vector<Answer> const& answers) {
  std::vector<OutputTensor> out;
  for (auto const& wanted : request.outputs) out.push_back(tensor_of(wanted, answers));
  return out;
}

std::string binary_tensor(OutputTensor const& tensor) {
  std::string out = link::float_bytes(tensor.numbers);
  for (auto const& text : tensor.texts) {
    append_little_endian(out, static_cast<std::uint32_t>(text.size()));
    out += text;
  }
  return out;
}

std::string model_version(std::vector<Answer> const& answers) {
  Versions seen;
  for (auto const& answer : answers) {
    if (std::find(seen.begin(), seen.end(), answer.model_version) == seen.end())
      seen.push_back(answer.model_version);
  }
  std::string out;
  for (auto const& version : seen) out += (out.empty() ? "" : ",") + version;
  return out;
}

InferResponse write_infer(ServedModel const& model, InferRequest const& request,
                          std::vector<Answer> const& answers) {
  json::array outputs;
  std::string binary;
  bool any_binary = false;
  auto const tensors = output_tensors(request, answers);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    auto const& tensor = tensors[i];
    json::object output =
        tensor_metadata(tensor.name, tensor.datatype, json::array(tensor.shape.begin(), tensor.shape.end()));
    if (request.outputs[i].binary) {
      any_binary = true;
      std::string const bytes = binary_tensor(tensor);
      output["parameters"] = {{"binary_data_size", bytes.size()}};
      binary += bytes;
    } else {
      output["data"] = json_data(tensor);
    }
    outputs.push_back(std::move(output));
  }
  json::object head{{"model_name", model.name}, {"model_version", model_version(answers)}};
  if (request.id) head["id"] = *request.id;
  head["outputs"] = std::move(outputs);
  InferResponse out;
  out.body = to_json_text(head);
  if (any_binary) out.header_length = out.body.size();
  out.body += binary;
  return out;
}

std::string server_metadata() {
  json::object const out{{"name", "elastic-inference"},
                         {"version", version()},
                         {"extensions", {"binary_tensor_data", "classification"}}};
  return json::serialize(out);
}

std::string model_metadata(ServedModel const& model, Versions const& served) {
  // The FP32 form of the input is not listed: clients send one tensor for each input that they read here.
  json::object const out{
      {"name", model.name},
      {"versions", json::array(served.begin(), served.end())},
      {"platform", "pytorch_libtorch"},
      {"inputs", {tensor_metadata("image", "BYTES", {-1})}},
      {"outputs",
       {tensor_metadata("label", "BYTES", {-1}), tensor_metadata("probability", "FP32", {-1}),
        tensor_metadata("probabilities", "FP32", {-1, -1})}}};
  return json::serialize(out);
}

}  // namespace ei::dispatcher::oip
