#include "dispatcher/grpc/convert.hpp"

#include <google/protobuf/util/json_util.h>

#include <boost/json.hpp>
#include <limits>
#include <utility>

#include "dispatcher/grpc/wire.hpp"

namespace ei::dispatcher::grpc_front {
namespace {

namespace json = boost::json;

Error bad(std::string message) {
  Error error = make_error(ErrorKind::Invalid, std::move(message));
  error.http_status = 400;
  return error;
}

json::value value_of(inference::InferParameter const& parameter) {
  switch (parameter.parameter_choice_case()) {
    case inference::InferParameter::kBoolParam:
      return parameter.bool_param();
    case inference::InferParameter::kInt64Param:
      return parameter.int64_param();
    case inference::InferParameter::kStringParam:
      return json::value(parameter.string_param());
    case inference::InferParameter::kDoubleParam:
      return parameter.double_param();
    case inference::InferParameter::kUint64Param:
      // JSON has one kind of whole numbers.
      if (parameter.uint64_param() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        return static_cast<std::int64_t>(parameter.uint64_param());
      return parameter.uint64_param();
    case inference::InferParameter::PARAMETER_CHOICE_NOT_SET:
      break;
  }
  return nullptr;
}

template <class Message>
void add_parameters(Message const& message, json::object& out) {
  if (message.parameters().empty()) return;
  json::object parameters;
  for (auto const& [name, parameter] : message.parameters()) parameters[name] = value_of(parameter);
  out["parameters"] = std::move(parameters);
}

// The members that JSON would have, but for the tensors.
json::object head_of(inference::ModelInferRequest const& message) {
  json::object head;
  if (!message.id().empty()) head["id"] = message.id();
  add_parameters(message, head);
  json::array inputs;
  for (auto const& input : message.inputs()) {
    json::object one{{"name", input.name()}, {"datatype", input.datatype()}};
    one["shape"] = json::array(input.shape().begin(), input.shape().end());
    add_parameters(input, one);
    inputs.push_back(std::move(one));
  }
  head["inputs"] = std::move(inputs);
  json::array outputs;
  for (auto const& output : message.outputs()) {
    json::object one{{"name", output.name()}};
    add_parameters(output, one);
    outputs.push_back(std::move(one));
  }
  head["outputs"] = std::move(outputs);
  return head;
}

bool has_contents(inference::ModelInferRequest const& message) {
  for (auto const& input : message.inputs())
    if (input.contents().ByteSizeLong() > 0) return true;
  return false;
}

Result<oip::InferRequest> read_request(inference::ModelInferRequest& message) {
  json::object const head = head_of(message);
  if (message.raw_input_contents().empty()) {
    oip::TypedContents contents;
    if (message.inputs_size() > 0) {
      auto& given = *message.mutable_inputs(0)->mutable_contents();
      for (auto& bytes : *given.mutable_bytes_contents()) contents.bytes.push_back(std::move(bytes));
      contents.fp32.assign(given.fp32_contents().begin(), given.fp32_contents().end());
    }
    return oip::parse_infer(head, std::move(contents));
  }
  if (has_contents(message))
    return bad("the message has both raw_input_contents and inputs[].contents; allowed: one of them");
  if (message.raw_input_contents_size() != 1) {
    return bad("raw_input_contents has " + std::to_string(message.raw_input_contents_size()) +
               " elements; allowed: 1, as there is one input");
  }
  return oip::parse_infer(head, std::string_view(message.raw_input_contents(0)));
}

// HTTP's body has the members of the message.
template <class Message>
Message from_json(std::string const& body) {
  Message out;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  // What this program wrote itself is always read.
  (void)google::protobuf::util::JsonStringToMessage(body, &out, options);
  return out;
}

}  // namespace

Result<InferMessage> read_infer(std::string_view bytes) {
  if (auto const checked = check_infer_message(bytes); !checked) return checked.error();
  inference::ModelInferRequest message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return bad("the message is no ModelInferRequest, or has a string that is not UTF-8");
  InferMessage out;
  out.model = message.model_name();
  out.version = message.model_version();
  out.raw = !message.raw_input_contents().empty();
  auto request = read_request(message);
  if (!request) return request.error();
  out.request = std::move(*request);
  return out;
}

inference::ModelInferResponse write_infer(oip::ServedModel const& model, InferMessage const& asked,
                                          std::vector<Answer> const& answers) {
  inference::ModelInferResponse out;
  out.set_model_name(model.name);
  out.set_model_version(oip::model_version(answers));
  if (asked.request.id) out.set_id(*asked.request.id);
  for (auto& tensor : oip::output_tensors(asked.request, answers)) {
    auto& output = *out.add_outputs();
    output.set_name(tensor.name);
    output.set_datatype(tensor.datatype);
    for (std::size_t const size : tensor.shape) output.add_shape(static_cast<std::int64_t>(size));
    if (asked.raw) {
      out.add_raw_output_contents(oip::binary_tensor(tensor));
      continue;
    }
    for (auto& text : tensor.texts) output.mutable_contents()->add_bytes_contents(std::move(text));
    output.mutable_contents()->mutable_fp32_contents()->Add(tensor.numbers.begin(), tensor.numbers.end());
  }
  return out;
}

inference::ServerMetadataResponse server_metadata() {
  return from_json<inference::ServerMetadataResponse>(oip::server_metadata());
}

inference::ModelMetadataResponse model_metadata(oip::ServedModel const& model, oip::Versions const& served) {
  return from_json<inference::ModelMetadataResponse>(oip::model_metadata(model, served));
}

}  // namespace ei::dispatcher::grpc_front
