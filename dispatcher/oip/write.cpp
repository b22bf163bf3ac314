#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cstdio>

#include "dispatcher/link/floats.hpp"
#include "dispatcher/oip/infer.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/version.hpp"

namespace ei::dispatcher::oip {
namespace {

namespace json = boost::json;

void append_little_endian(std::string& out, std::uint32_t bits) {
  for (int i = 0; i < 4; ++i, bits >>= 8) out.push_back(static_cast<char>(bits & 0xff));
}

// An output tensor; exactly one of its two forms of data is filled.
struct Tensor {
  char const* name;
  char const* datatype;
  json::array shape;
  json::array data;
  std::string binary;
};

void append_text(Tensor& tensor, std::string const& text, bool binary) {
  if (binary) {
    append_little_endian(tensor.binary, static_cast<std::uint32_t>(text.size()));
    tensor.binary += text;
  } else {
    tensor.data.emplace_back(text);
  }
}

Tensor labels(std::vector<Answer> const& answers, bool binary) {
  Tensor out{"label", "BYTES", {answers.size()}, {}, {}};
  for (auto const& answer : answers) append_text(out, answer.top.front().label, binary);
  return out;
}

// The number that a float32's shortest decimal form names: 0.931, not 0.9309999942779541.
double in_few_digits(float value) {
  char digits[32];
  auto const end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  double out = value;
  std::from_chars(digits, end, out);
  return out;
}

void append_number(Tensor& tensor, float value, bool binary) {
  if (binary) {
    tensor.binary += link::float_bytes({value});
  } else {
    tensor.data.emplace_back(in_few_digits(value));
  }
}

Tensor probability(std::vector<Answer> const& answers, bool binary) {
  Tensor out{"probability", "FP32", {answers.size()}, {}, {}};
  for (auto const& answer : answers)
    append_number(out, static_cast<float>(answer.top.front().probability), binary);
  return out;
}

Tensor probabilities(std::vector<Answer> const& answers, bool binary) {
  Tensor out{"probabilities", "FP32", {answers.size(), answers.front().probabilities.size()}, {}, {}};
  for (auto const& answer : answers) {
    for (float const value : answer.probabilities) append_number(out, value, binary);
  }
  return out;
}

// The classification extension: a model of fewer classes gives all that it has.
Tensor classification(WantedOutput const& wanted, std::vector<Answer> const& answers) {
  std::size_t count = wanted.classes;
  for (auto const& answer : answers) count = std::min(count, answer.top.size());
  char const* const name = wanted.output == Output::Probability ? "probability" : "probabilities";
  Tensor out{name, "BYTES", {answers.size(), count}, {}, {}};
  for (auto const& answer : answers) {
    for (std::size_t i = 0; i < count; ++i) {
      auto const& prediction = answer.top[i];
      char number[32];  // six digits after the point, as Triton's std::to_string gives
      std::snprintf(number, sizeof number, "%f:", prediction.probability);
      append_text(out, number + std::to_string(prediction.index) + ":" + prediction.label, wanted.binary);
    }
  }
  return out;
}

Tensor tensor_of(WantedOutput const& wanted, std::vector<Answer> const& answers) {
  if (wanted.classes > 0) return classification(wanted, answers);
  switch (wanted.output) {
    case Output::Label:
      return labels(answers, wanted.binary);
    case Output::Probability:
      return probability(answers, wanted.binary);
    case Output::Probabilities:
      break;
  }
  return probabilities(answers, wanted.binary);
}

json::object tensor_metadata(char const* name, char const* datatype, json::array shape) {
  return {{"name", name}, {"datatype", datatype}, {"shape", std::move(shape)}};
}

}  // namespace

InferResponse write_infer(ServedModel const& model, InferRequest const& request,
                          std::vector<Answer> const& answers) {
  json::array outputs;
  std::string binary;
  bool any_binary = false;
  for (auto const& wanted : request.outputs) {
    Tensor tensor = tensor_of(wanted, answers);
    json::object output = tensor_metadata(tensor.name, tensor.datatype, std::move(tensor.shape));
    if (wanted.binary) {
      any_binary = true;
      output["parameters"] = {{"binary_data_size", tensor.binary.size()}};
      binary += tensor.binary;
    } else {
      output["data"] = std::move(tensor.data);
    }
    outputs.push_back(std::move(output));
  }
  json::object head{{"model_name", model.name}, {"model_version", model.version}};
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

std::string model_metadata(ServedModel const& model) {
  // The FP32 form of the input is not listed: clients send one tensor for each input that they read here.
  json::object const out{
      {"name", model.name},
      {"versions", json::array{model.version}},
      {"platform", "pytorch_libtorch"},
      {"inputs", {tensor_metadata("image", "BYTES", {-1})}},
      {"outputs",
       {tensor_metadata("label", "BYTES", {-1}), tensor_metadata("probability", "FP32", {-1}),
        tensor_metadata("probabilities", "FP32", {-1, -1})}}};
  return json::serialize(out);
}

}  // namespace ei::dispatcher::oip
