#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>

#include "dispatcher/link/floats.hpp"
#include "dispatcher/oip/infer.hpp"
#include "runtime/core/encoding.hpp"
#include "runtime/core/json.hpp"

namespace ei::dispatcher::oip {
namespace {

namespace json = boost::json;

constexpr std::size_t kPixels = 3 * 224 * 224;  // numbers in one FP32 picture

Error bad(std::string message) {
  Error error = make_error(ErrorKind::Invalid, std::move(message));
  error.http_status = 400;
  return error;
}

std::string quoted(json::value const* value) {
  if (value == nullptr) return "missing";
  std::string text = json::serialize(*value);
  return text.size() > 80 ? std::string(clipped(text, 77)) + "..." : text;
}

// The one member `name` of the object's "parameters", or null.
json::value const* parameter(json::object const& object, std::string_view name) {
  auto const* parameters = object.if_contains("parameters");
  if (parameters == nullptr || !parameters->is_object()) return nullptr;
  return parameters->get_object().if_contains(name);
}

Result<bool> boolean_parameter(json::object const& object, std::string_view name, bool otherwise,
                               std::string const& where) {
  auto const* value = parameter(object, name);
  if (value == nullptr) return otherwise;
  if (value->is_bool()) return value->get_bool();
  return bad(where + "parameters." + std::string(name) + " is " + quoted(value) + "; allowed: true or false");
}

// N, from BYTES [N] or [N,1] and FP32 [N,3,224,224].
Result<std::size_t> picture_count(json::object const& input, bool tensor) {
  auto const* shape = input.if_contains("shape");
  std::string const allowed =
      std::string(tensor ? "[N,3,224,224]" : "[N]") + " with N from 1 to " + std::to_string(kMaxPictures);
  std::vector<std::int64_t> sizes;
  if (shape != nullptr && shape->is_array()) {
    for (auto const& size : shape->get_array()) sizes.push_back(size.is_int64() ? size.get_int64() : -1);
  }
  bool const fits = tensor ? sizes.size() == 4 && sizes[1] == 3 && sizes[2] == 224 && sizes[3] == 224
                           : sizes.size() == 1 || (sizes.size() == 2 && sizes[1] == 1);
  if (!fits || sizes[0] < 1 || sizes[0] > static_cast<std::int64_t>(kMaxPictures)) {
    return bad("inputs[0].shape is " + quoted(shape) + "; allowed: " + allowed);
  }
  return static_cast<std::size_t>(sizes[0]);
}

// Appends the numbers of a flat or nested array; false on anything else, or more than `most`.
bool flatten(json::value const& value, std::size_t most, std::vector<float>& out) {
  if (value.is_array()) {
    for (auto const& element : value.get_array()) {
      if (!flatten(element, most, out)) return false;
    }
    return true;
  }
  if (!value.is_number() || out.size() == most) return false;
  out.push_back(static_cast<float>(value.to_number<double>()));
  return true;
}

Result<std::vector<Work>> tensors_from_floats(std::vector<float> const& values, std::size_t count) {
  if (values.size() != count * kPixels) {
    return bad("inputs[0].data has " + std::to_string(values.size()) +
               " numbers; allowed: as many as its shape says, " + std::to_string(count * kPixels));
  }
  auto const odd =
      std::find_if_not(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
  if (odd != values.end()) {
    return bad("inputs[0] number " + std::to_string(odd - values.begin()) + " is not a finite float32");
  }
  std::string const bytes = link::float_bytes(values);
  std::vector<Work> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = {link::ItemKind::Tensor, bytes.substr(i * link::kTensorBytes, link::kTensorBytes)};
  }
  return out;
}

Result<std::vector<Work>> tensors_from_binary(std::string_view bytes, std::size_t count) {
  if (bytes.size() != count * link::kTensorBytes) {
    return bad("inputs[0].parameters.binary_data_size is " + std::to_string(bytes.size()) +
               "; allowed: what the shape says, " + std::to_string(count * link::kTensorBytes));
  }
  return tensors_from_floats(link::floats(bytes), count);
}

Result<std::vector<Work>> images_from_binary(std::string_view bytes, std::size_t count) {
  std::vector<Work> out;
  while (!bytes.empty()) {
    std::size_t length = 0;
    if (bytes.size() >= 4) {
      for (std::size_t i = 4; i-- > 0;) length = length << 8 | static_cast<unsigned char>(bytes[i]);
    }
    if (bytes.size() < 4 || length > bytes.size() - 4) {
      return bad("inputs[0] element " + std::to_string(out.size()) + " is cut off: its 4-byte length says " +
                 std::to_string(length) + " bytes, " +
                 std::to_string(bytes.size() < 4 ? 0 : bytes.size() - 4) + " are left");
    }
    if (out.size() == count) break;
    out.push_back({link::ItemKind::Image, std::string(bytes.substr(4, length))});
    bytes.remove_prefix(4 + length);
  }
  if (out.size() != count || !bytes.empty()) {
    return bad("inputs[0] does not hold the " + std::to_string(count) +
               " length-prefixed elements of its shape");
  }
  return out;
}

// `data` is flat, or nested as the shape [N,1].
Result<std::vector<Work>> images_from_json(json::object const& input, json::array const& data,
                                           std::size_t count) {
  if (auto const* type = parameter(input, "content_type"); type != nullptr && *type != "base64") {
    return bad("inputs[0].parameters.content_type is " + quoted(type) + "; allowed: \"base64\"");
  }
  std::vector<Work> out;
  for (auto const& element : data) {
    auto const* text = &element;
    if (text->is_array() && text->get_array().size() == 1) text = &text->get_array()[0];
    std::string const where = "inputs[0].data[" + std::to_string(out.size()) + "]";
    if (!text->is_string()) return bad(where + " is " + quoted(text) + "; allowed: a base64 string");
    auto bytes = base64_decode(std::string_view(text->get_string()));
    if (!bytes) return bad(where + " is not base64: " + bytes.error().message);
    out.push_back({link::ItemKind::Image, std::move(*bytes)});
  }
  if (out.size() != count) {
    return bad("inputs[0].data has " + std::to_string(out.size()) +
               " elements; allowed: as many as its shape says, " + std::to_string(count));
  }
  return out;
}

Result<std::vector<Work>> parse_input(json::object const& input, std::string_view binary) {
  auto const* datatype = input.if_contains("datatype");
  bool const tensor = datatype != nullptr && *datatype == "FP32";
  if (!tensor && (datatype == nullptr || *datatype != "BYTES")) {
    return bad("inputs[0].datatype is " + quoted(datatype) + "; allowed: \"BYTES\", \"FP32\"");
  }
  auto const count = picture_count(input, tensor);
  if (!count) return count.error();
  auto const* size = parameter(input, "binary_data_size");
  auto const* data = input.if_contains("data");
  if (size != nullptr) {
    if (data != nullptr)
      return bad("inputs[0] has both data and parameters.binary_data_size; allowed: one of them");
    if (!size->is_int64() || size->get_int64() < 0 ||
        static_cast<std::size_t>(size->get_int64()) != binary.size()) {
      return bad("inputs[0].parameters.binary_data_size is " + quoted(size) + " but " +
                 std::to_string(binary.size()) + " bytes follow the JSON of " + std::string(kHeaderLength));
    }
    return tensor ? tensors_from_binary(binary, *count) : images_from_binary(binary, *count);
  }
  if (!binary.empty()) {
    return bad(std::to_string(binary.size()) +
               " bytes follow the JSON but no input has parameters.binary_data_size");
  }
  if (data == nullptr || !data->is_array())
    return bad("inputs[0].data is " + quoted(data) + "; allowed: an array");
  if (!tensor) return images_from_json(input, data->get_array(), *count);
  std::vector<float> values;
  values.reserve(*count * kPixels);
  if (!flatten(*data, *count * kPixels, values)) {
    return bad("inputs[0].data holds something other than " + std::to_string(*count * kPixels) + " numbers");
  }
  return tensors_from_floats(values, *count);
}

Result<std::vector<WantedOutput>> parse_outputs(json::object const& request) {
  auto const all_binary = boolean_parameter(request, "binary_data_output", false, "");
  if (!all_binary) return all_binary.error();
  auto const* outputs = request.if_contains("outputs");
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
    json::value const* name = element.is_object() ? element.get_object().if_contains("name") : nullptr;
    WantedOutput wanted;
    if (name != nullptr && *name == "label") {
      wanted.output = Output::Label;
    } else if (name != nullptr && *name == "probability") {
      wanted.output = Output::Probability;
    } else if (name != nullptr && *name == "probabilities") {
      wanted.output = Output::Probabilities;
    } else {
      return bad(where + "name is " + quoted(name) +
                 "; allowed: \"label\", \"probability\", \"probabilities\"");
    }
    auto const binary = boolean_parameter(element.get_object(), "binary_data", *all_binary, where);
    if (!binary) return binary.error();
    wanted.binary = *binary;
    out.push_back(wanted);
  }
  return out;
}

}  // namespace

Result<InferRequest> parse_infer(std::string_view body, std::optional<std::string_view> header_length) {
  std::size_t json_bytes = body.size();
  if (header_length) {
    auto const [end, failed] =
        std::from_chars(header_length->data(), header_length->data() + header_length->size(), json_bytes);
    if (failed != std::errc() || end != header_length->data() + header_length->size() ||
        json_bytes > body.size()) {
      return bad(std::string(kHeaderLength) + " is \"" + std::string(header_length->substr(0, 40)) +
                 "\"; allowed: 0 to the body's length, " + std::to_string(body.size()));
    }
  }
  auto const value = parse_json(body.substr(0, json_bytes));
  if (!value) return bad("the body is not JSON: " + value.error().message);
  if (!value->is_object()) return bad("the body is " + quoted(&*value) + "; allowed: an object");
  json::object const& request = value->get_object();
  auto const* inputs = request.if_contains("inputs");
  if (inputs == nullptr || !inputs->is_array() || inputs->get_array().size() != 1 ||
      !inputs->get_array()[0].is_object()) {
    return bad("inputs is " + quoted(inputs) + "; allowed: an array of exactly one object");
  }
  InferRequest out;
  if (auto const* id = request.if_contains("id")) {
    if (!id->is_string()) return bad("id is " + quoted(id) + "; allowed: a string");
    out.id = std::string(id->get_string());
  }
  auto outputs = parse_outputs(request);
  if (!outputs) return outputs.error();
  out.outputs = std::move(*outputs);
  auto pictures = parse_input(inputs->get_array()[0].get_object(), body.substr(json_bytes));
  if (!pictures) return pictures.error();
  out.pictures = std::move(*pictures);
  return out;
}

}  // namespace ei::dispatcher::oip
