#include "dispatcher/oip/pictures.hpp"

#include <algorithm>
#include <cmath>

#include "dispatcher/contract/link/floats.hpp"
#include "dispatcher/oip/head.hpp"
#include "runtime/core/encoding.hpp"

namespace ei::dispatcher::oip {
namespace {

namespace json = boost::json;

std::string shape_text(std::vector<std::size_t> const& shape) {
  std::string out;
  for (std::size_t const size : shape) out += (out.empty() ? "[" : ",") + std::to_string(size);
  return out + "]";
}

// Appends one picture; `first` is the place of its first number among all.
Result<void> add_tensor(std::string bytes, std::size_t first, std::vector<Work>& out) {
  auto const values = link::floats(bytes);
  auto const odd =
      std::find_if_not(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
  if (odd != values.end()) {
    std::size_t const at = first + static_cast<std::size_t>(odd - values.begin());
    return bad("inputs[0] number " + std::to_string(at) + " is not a finite float32");
  }
  out.push_back({link::ItemKind::Tensor, std::move(bytes)});
  return {};
}

Result<std::vector<Work>> tensors_from_binary(std::string_view bytes, std::size_t count,
                                              std::string_view size_of) {
  if (bytes.size() != count * link::kTensorBytes) {
    return bad(std::string(size_of) + std::to_string(bytes.size()) + "; allowed: what the shape says, " +
               std::to_string(count * link::kTensorBytes));
  }
  std::vector<Work> out;
  for (std::size_t i = 0; i < count; ++i) {
    std::string picture(bytes.substr(i * link::kTensorBytes, link::kTensorBytes));
    if (auto const added = add_tensor(std::move(picture), i * kPictureNumbers, out); !added)
      return added.error();
  }
  return out;
}

// `numbers` are as many as the pictures have.
Result<std::vector<Work>> tensors_from_numbers(std::vector<float> const& numbers, std::size_t count) {
  std::vector<Work> out;
  for (std::size_t i = 0; i < count; ++i) {
    auto const first = numbers.begin() + static_cast<std::ptrdiff_t>(i * kPictureNumbers);
    std::vector<float> const picture(first, first + static_cast<std::ptrdiff_t>(kPictureNumbers));
    if (auto const added = add_tensor(link::float_bytes(picture), i * kPictureNumbers, out); !added)
      return added.error();
  }
  return out;
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

Error wrong_element(Element const& element, char const* allowed) {
  return bad("inputs[0].data[" + std::to_string(element.index) + "] is " + element.text +
             "; allowed: " + allowed);
}

Error wrong_number(Data const& data, std::size_t wanted, char const* what) {
  return bad("inputs[0].data has " + std::to_string(data.elements) + " " + what +
             "; allowed: as many as its shape says, " + std::to_string(wanted));
}

// Whether an array nested as `nested` holds its elements in the order of `shape`: each of its rows is a row
// of the shape, or several that follow each other.
bool keeps_order(std::vector<std::size_t> const& nested, std::vector<std::size_t> const& shape) {
  std::size_t row = 1;
  std::size_t of_shape = 1;
  auto next = shape.rbegin();
  for (auto size = nested.rbegin(); size != nested.rend(); ++size) {
    row *= *size;
    while (of_shape < row && next != shape.rend()) of_shape *= *next++;
    if (of_shape != row) return false;
  }
  return true;
}

// Numbers in another order, such as with the colours last, would be answered, wrongly.
Result<void> check_nesting(Data const& data, std::vector<std::size_t> const& shape) {
  if (data.shape && keeps_order(*data.shape, shape)) return {};
  return bad("inputs[0].data is nested as " +
             (data.shape ? shape_text(*data.shape) : "arrays of unlike lengths") +
             "; allowed: one flat array, or nested as " + shape_text(shape));
}

Result<std::vector<Work>> tensors_from_json(Data const& data, std::size_t count) {
  if (data.other) return wrong_element(*data.other, "a number");
  if (data.string) return wrong_element(*data.string, "a number");
  if (data.elements != count * kPictureNumbers) return wrong_number(data, count * kPictureNumbers, "numbers");
  if (auto const fits = check_nesting(data, {count, 3, 224, 224}); !fits) return fits.error();
  return tensors_from_numbers(data.numbers, count);
}

Result<std::vector<Work>> images_from_json(json::object const& input, Data const& data, std::size_t count) {
  auto const type = parameter(input, "content_type", "inputs[0].");
  if (!type) return type.error();
  if (*type != nullptr && **type != "base64") {
    return bad("inputs[0].parameters.content_type is " + quoted(*type) + "; allowed: \"base64\"");
  }
  if (data.other) return wrong_element(*data.other, "a base64 string");
  if (data.number) return wrong_element(*data.number, "a base64 string");
  if (data.elements != count) return wrong_number(data, count, "elements");
  if (auto const fits = check_nesting(data, {count, 1}); !fits) return fits.error();
  std::vector<Work> out;
  for (auto const& text : data.strings) {
    auto bytes = base64_decode(text);
    if (!bytes) {
      return bad("inputs[0].data[" + std::to_string(out.size()) +
                 "] is not base64: " + bytes.error().message);
    }
    out.push_back({link::ItemKind::Image, std::move(*bytes)});
  }
  return out;
}

// Elements of typed contents, against what the shape says.
Result<void> check_elements(std::string const& field, std::size_t found, std::size_t wanted) {
  if (found == wanted) return {};
  return bad("inputs[0].contents." + field + " has " + std::to_string(found) +
             " elements; allowed: as many as its shape says, " + std::to_string(wanted));
}

}  // namespace

Result<std::vector<Work>> pictures_from_binary(std::string_view bytes, InputKind kind,
                                               std::string_view size_of) {
  return kind.tensor ? tensors_from_binary(bytes, kind.count, size_of)
                     : images_from_binary(bytes, kind.count);
}

Result<std::vector<Work>> pictures_from_json(json::object const& input, Data const& data, InputKind kind) {
  return kind.tensor ? tensors_from_json(data, kind.count) : images_from_json(input, data, kind.count);
}

Result<std::vector<Work>> pictures_from_contents(TypedContents contents, InputKind kind) {
  std::string const wanted = kind.tensor ? "fp32_contents" : "bytes_contents";
  if (kind.tensor ? !contents.bytes.empty() : !contents.fp32.empty()) {
    return bad("inputs[0].contents has " + std::string(kind.tensor ? "bytes_contents" : "fp32_contents") +
               "; allowed for its datatype: " + wanted);
  }
  if (kind.tensor) {
    auto const fits = check_elements(wanted, contents.fp32.size(), kind.count * kPictureNumbers);
    if (!fits) return fits.error();
    return tensors_from_numbers(contents.fp32, kind.count);
  }
  auto const fits = check_elements(wanted, contents.bytes.size(), kind.count);
  if (!fits) return fits.error();
  std::vector<Work> out;
  for (auto& bytes : contents.bytes) out.push_back({link::ItemKind::Image, std::move(bytes)});
  return out;
}

}  // namespace ei::dispatcher::oip
