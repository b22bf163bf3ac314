#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "dispatcher/oip/document.hpp"
#include "dispatcher/oip/head.hpp"
#include "dispatcher/oip/infer.hpp"
#include "dispatcher/oip/pictures.hpp"
#include "runtime/core/encoding.hpp"

namespace ei::dispatcher::oip {
namespace {

namespace json = boost::json;

constexpr char const* kInput = "image";

Result<bool> boolean_parameter(json::object const& object, std::string_view name, bool otherwise,
                               std::string const& where) {
  auto const value = parameter(object, name, where);
  if (!value) return value.error();
  if (*value == nullptr) return otherwise;
  if ((*value)->is_bool()) return (*value)->get_bool();
  return bad(where + "parameters." + std::string(name) + " is " + quoted(*value) +
             "; allowed: true or false");
}

// N, from BYTES [N] or [N,1] and FP32 [N,3,224,224].
Result<std::size_t> picture_count(json::object const& input, bool tensor) {
  auto const* shape = member(input, "shape");
  std::size_t const most = tensor ? kMaxTensors : kMaxImages;
  std::vector<std::int64_t> sizes;
  if (shape != nullptr && shape->is_array()) {
    for (auto const& size : shape->get_array()) sizes.push_back(size.is_int64() ? size.get_int64() : -1);
  }
  bool const fits = tensor ? sizes.size() == 4 && sizes[1] == 3 && sizes[2] == 224 && sizes[3] == 224
                           : sizes.size() == 1 || (sizes.size() == 2 && sizes[1] == 1);
  if (!fits || sizes[0] < 1 || sizes[0] > static_cast<std::int64_t>(most)) {
    return bad("inputs[0].shape is " + quoted(shape) + "; allowed for " + (tensor ? "FP32" : "BYTES") + ": " +
               (tensor ? "[N,3,224,224]" : "[N]") + " with N from 1 to " + std::to_string(most));
  }
  return static_cast<std::size_t>(sizes[0]);
}

// Whether the datatype is FP32, and not BYTES.
Result<bool> is_tensor(json::object const& input) {
  auto const* name = member(input, "name");
  if (name == nullptr || *name != kInput) {
    return bad("inputs[0].name is " + quoted(name) + "; allowed: \"" + kInput + "\"");
  }
  auto const* datatype = member(input, "datatype");
  if (datatype != nullptr && *datatype == "FP32") return true;
  if (datatype != nullptr && *datatype == "BYTES") return false;
  return bad("inputs[0].datatype is " + quoted(datatype) + "; allowed: \"BYTES\", \"FP32\"");
}

// The bytes after the JSON, where the input says that they are its own; else none.
Result<std::optional<std::string_view>> binary_data(json::object const& input, std::string_view binary) {
  auto const size = parameter(input, "binary_data_size", "inputs[0].");
  if (!size) return size.error();
  if (*size == nullptr && binary.empty()) return std::optional<std::string_view>();
  if (*size == nullptr) {
    return bad(std::to_string(binary.size()) +
               " bytes follow the JSON but no input has parameters.binary_data_size");
  }
  auto const* whole = (*size)->if_int64();
  if (whole == nullptr || *whole < 0 || static_cast<std::uint64_t>(*whole) != binary.size()) {
    return bad("inputs[0].parameters.binary_data_size is " + quoted(*size) + " but " +
               std::to_string(binary.size()) + " bytes follow the JSON of " + std::string(kHeaderLength));
  }
  return std::optional(binary);
}

Result<InputKind> input_kind(json::object const& input) {
  auto const region = parameter(input, "shared_memory_region", "inputs[0].");
  if (!region) return region.error();
  if (*region != nullptr) {
    return bad("inputs[0].parameters.shared_memory_region is " + quoted(*region) +
               "; allowed: none, as there is no shared memory with a client here");
  }
  auto const tensor = is_tensor(input);
  if (!tensor) return tensor.error();
  auto const count = picture_count(input, *tensor);
  if (!count) return count.error();
  return InputKind{*tensor, *count};
}

// `bytes`: those after the JSON.
Result<std::vector<Work>> parse_input(json::object const& input, InputKind kind, Document const& document,
                                      std::string_view bytes) {
  auto const binary = binary_data(input, bytes);
  if (!binary) return binary.error();
  if (document.data_count > 1) return bad("inputs[0].data is there more than once; allowed: once");
  bool const in_json = document.data && document.data->no_array != "null";
  if (*binary) {
    if (in_json) return bad("inputs[0] has both data and parameters.binary_data_size; allowed: one of them");
    return pictures_from_binary(**binary, kind, "inputs[0].parameters.binary_data_size is ");
  }
  if (!in_json || document.data->no_array) {
    return bad("inputs[0].data is " + (in_json ? *document.data->no_array : "missing") +
               "; allowed: an array");
  }
  return pictures_from_json(input, *document.data, kind);
}

// k of the classification extension; 0, as Triton's clients mean it, is no classification.
Result<std::size_t> classes_of(json::object const& output, Output kind, std::string const& where) {
  auto const value = parameter(output, "classification", where);
  if (!value) return value.error();
  if (*value == nullptr) return std::size_t{0};
  auto const* count = (*value)->if_int64();
  if (count == nullptr || *count < 0 || *count > static_cast<std::int64_t>(link::kMaxTop)) {
    return bad(where + "parameters.classification is " + quoted(*value) + "; allowed: 0 to " +
               std::to_string(link::kMaxTop));
  }
  if (*count > 0 && kind == Output::Label) {
    return bad(where + "parameters.classification is " + quoted(*value) +
               "; allowed for \"probability\" and \"probabilities\", as \"label\" has no numbers");
  }
  return static_cast<std::size_t>(*count);
}

Result<Output> output_kind(json::value const& output, std::string const& where) {
  auto const* object = output.if_object();
  auto const* name = object == nullptr ? nullptr : member(*object, "name");
  if (name != nullptr && *name == "label") return Output::Label;
  if (name != nullptr && *name == "probability") return Output::Probability;
  if (name != nullptr && *name == "probabilities") return Output::Probabilities;
  return bad(where + "name is " + quoted(name) + "; allowed: \"label\", \"probability\", \"probabilities\"");
}

Result<std::vector<WantedOutput>> parse_outputs(json::object const& request) {
  auto const all_binary = boolean_parameter(request, "binary_data_output", false, "");
  if (!all_binary) return all_binary.error();
  auto const* outputs = member(request, "outputs");
  std::vector<WantedOutput> out;
  if (outputs == nullptr || (outputs->is_array() && outputs->get_array().empty())) {
    out = {{Output::Label, *all_binary}, {Output::Probability, *all_binary}};
    return out;
  }
  constexpr std::size_t kOutputs = 3;
  if (!outputs->is_array() || outputs->get_array().size() > kOutputs) {
    return bad("outputs is " + quoted(outputs) + "; allowed: an array of at most 3 objects");
  }
  for (auto const& element : outputs->get_array()) {
    std::string const where = "outputs[" + std::to_string(out.size()) + "].";
    auto const kind = output_kind(element, where);
    if (!kind) return kind.error();
    bool const again =
        std::any_of(out.begin(), out.end(), [&](auto const& one) { return one.output == *kind; });
    if (again) {
      return bad(where + "name is " + quoted(&element.get_object().at("name")) +
                 " again; allowed: each output once");
    }
    auto const binary = boolean_parameter(element.get_object(), "binary_data", *all_binary, where);
    if (!binary) return binary.error();
    auto const classes = classes_of(element.get_object(), *kind, where);
    if (!classes) return classes.error();
    out.push_back({*kind, *binary, *classes});
  }
  return out;
}

// Where the JSON ends and the binary tensors begin.
Result<std::size_t> json_size(std::size_t body_size, std::optional<std::string_view> header_length) {
  if (!header_length) return body_size;
  std::size_t size = 0;
  auto const* const last = header_length->data() + header_length->size();
  auto const [end, failed] = std::from_chars(header_length->data(), last, size);
  if (failed == std::errc() && end == last && size >= 1 && size <= body_size) return size;
  return bad(std::string(kHeaderLength) + " is \"" + std::string(clipped(*header_length, 40)) +
             "\"; allowed: 1 to the body's length, " + std::to_string(body_size));
}

// What is the same in every form of a request; `take` gives the pictures of its one input.
template <class Take>
Result<InferRequest> parse_request(json::object const& request, Take take) {
  auto const* inputs = member(request, "inputs");
  if (inputs == nullptr || !inputs->is_array() || inputs->get_array().size() != 1 ||
      !inputs->get_array()[0].is_object()) {
    return bad("inputs is " + quoted(inputs) + "; allowed: an array of exactly one object");
  }
  InferRequest out;
  if (auto const* id = member(request, "id")) {
    if (!id->is_string()) return bad("id is " + quoted(id) + "; allowed: a string");
    out.id = std::string(id->get_string());
  }
  auto outputs = parse_outputs(request);
  if (!outputs) return outputs.error();
  out.outputs = std::move(*outputs);
  auto const& input = inputs->get_array()[0].get_object();
  auto const kind = input_kind(input);
  if (!kind) return kind.error();
  Result<std::vector<Work>> pictures = take(input, *kind);
  if (!pictures) return pictures.error();
  out.pictures = std::move(*pictures);
  return out;
}

}  // namespace

bool InferRequest::probabilities() const {
  return std::any_of(outputs.begin(), outputs.end(), [](auto const& wanted) {
    return wanted.output == Output::Probabilities && wanted.classes == 0;
  });
}

std::size_t InferRequest::top() const {
  std::size_t most = 1;
  for (auto const& wanted : outputs) most = std::max(most, wanted.classes);
  return most;
}

Result<InferRequest> parse_infer(std::string_view body, std::optional<std::string_view> header_length) {
  auto const size = json_size(body.size(), header_length);
  if (!size) return size.error();
  auto const document = parse_document(body.substr(0, *size), {kMaxTensors * kPictureNumbers, kMaxImages});
  if (!document) return bad(document.error().message);
  auto const* request = document->head.if_object();
  if (request == nullptr) return bad("the body is " + quoted(&document->head) + "; allowed: an object");
  return parse_request(*request, [&](json::object const& input, InputKind kind) {
    return parse_input(input, kind, *document, body.substr(*size));
  });
}

Result<InferRequest> parse_infer(json::object const& head, std::string_view raw) {
  return parse_request(head, [&](json::object const&, InputKind kind) {
    return pictures_from_binary(raw, kind, "the length of raw_input_contents[0] is ");
  });
}

Result<InferRequest> parse_infer(json::object const& head, TypedContents contents) {
  return parse_request(head, [&](json::object const&, InputKind kind) {
    return pictures_from_contents(std::move(contents), kind);
  });
}

Result<void> check_model(ServedModel const& ours, Versions const& served, std::string_view name,
                         std::optional<std::string_view> version) {
  auto const unknown = [](std::string message) {
    Error error = make_error(ErrorKind::NotFound, std::move(message));
    error.http_status = 404;
    return error;
  };
  if (name != ours.name) {
    return unknown("there is no model \"" + std::string(clipped(name, 80)) + "\"; allowed: \"" + ours.name +
                   "\"");
  }
  if (!version || served.empty() || std::find(served.begin(), served.end(), *version) != served.end())
    return {};
  std::string allowed;
  for (auto const& each : served) allowed += (allowed.empty() ? "\"" : ", \"") + each + "\"";
  return unknown("the model \"" + ours.name + "\" has no version \"" + std::string(clipped(*version, 80)) +
                 "\"; allowed: " + allowed);
}

}  // namespace ei::dispatcher::oip
