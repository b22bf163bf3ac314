#include "inference/checkpoint/safetensors.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <cstring>
#include <optional>

#include "runtime/core/json.hpp"

namespace ei::inference {
namespace {

/// The reference implementation takes 100 MB. A ResNet18's header has 10 kB, and JSON takes ten times its
/// size while it is read.
constexpr std::uint64_t kMaxHeader = 4U << 20U;

std::optional<DType> parse_type(std::string_view name) {
  for (auto const type : {DType::F32, DType::F16, DType::BF16, DType::F64, DType::I64, DType::I32, DType::I16,
                          DType::I8, DType::U8, DType::Bool}) {
    if (to_string(type) == name) return type;
  }
  return {};
}

std::optional<std::vector<std::int64_t>> integers(boost::json::value const* value) {
  if (value == nullptr || !value->is_array()) return {};
  std::vector<std::int64_t> numbers;
  for (auto const& entry : value->get_array()) {
    if (!entry.is_int64() || entry.get_int64() < 0) return {};
    numbers.push_back(entry.get_int64());
  }
  return numbers;
}

Result<TensorView> read_entry(boost::json::value const& entry, std::span<const std::byte> data) {
  auto const invalid = [](std::string what) { return make_error(ErrorKind::Invalid, std::move(what)); };
  if (!entry.is_object()) return invalid("its header entry is not an object");
  auto const type_name = string_or(entry, "dtype");
  auto const type = parse_type(type_name);
  if (!type) return invalid("dtype '" + std::string(type_name) + "' is not supported");
  auto const& object = entry.get_object();
  auto shape = integers(object.if_contains("shape"));
  if (!shape) return invalid("shape must be a list of non-negative integers");
  auto const offsets = integers(object.if_contains("data_offsets"));
  if (!offsets || offsets->size() != 2) return invalid("data_offsets must be two non-negative integers");
  auto const begin = static_cast<std::uint64_t>((*offsets)[0]);
  auto const end = static_cast<std::uint64_t>((*offsets)[1]);
  if (begin > end || end > data.size()) return invalid("data_offsets lie outside the file");
  TensorView tensor{*type, *shape, contiguous_strides(*shape), data.subspan(begin, end - begin)};
  if (auto const bounds = check_bounds(tensor); !bounds) return bounds.error();
  if (static_cast<std::uint64_t>(tensor.count()) * size_of(*type) != end - begin) {
    return invalid("data_offsets span " + std::to_string(end - begin) + " bytes, shape " +
                   format_shape(*shape) + " takes another number");
  }
  return tensor;
}

struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string name;
};
using Ranges = std::vector<Range>;

/// The format allows neither overlaps nor holes. A hole is also what is left of a name that is there twice.
Result<void> check_ranges(Ranges ranges, std::size_t size) {
  std::sort(ranges.begin(), ranges.end(), [](auto const& a, auto const& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::size_t at = 0;
  for (auto const& [begin, end, name] : ranges) {
    if (begin < at)
      return make_error(ErrorKind::Invalid, "safetensors: " + name + ": overlaps another tensor");
    if (begin > at) {
      return make_error(ErrorKind::Invalid, "safetensors: no tensor has the " + std::to_string(begin - at) +
                                                " bytes before " + name + " (a name that is there twice?)");
    }
    at = end;
  }
  if (at == size) return {};
  return make_error(ErrorKind::Invalid, "safetensors: no tensor has the last " + std::to_string(size - at) +
                                            " bytes of the file");
}

}  // namespace

Result<StateDict> read_safetensors(std::span<const std::byte> file) {
  std::uint64_t length = 0;
  if (file.size() < sizeof length)
    return make_error(ErrorKind::Invalid, "safetensors: shorter than its header length");
  std::memcpy(&length, file.data(), sizeof length);
  if (length > kMaxHeader || length > file.size() - sizeof length) {
    return make_error(ErrorKind::Invalid,
                      "safetensors: a header of " + std::to_string(length) +
                          " bytes does not fit the file (truncated, or not safetensors), or is over 4 MiB");
  }
  auto const* const text = reinterpret_cast<char const*>(file.data() + sizeof length);
  auto const header = parse_json(std::string_view(text, length));
  if (!header) return with_context(header.error(), "safetensors: the header");
  if (!header->is_object()) return make_error(ErrorKind::Invalid, "safetensors: the header is not an object");
  auto const data = file.subspan(sizeof length + length);
  StateDict tensors;
  Ranges ranges;
  for (auto const& [key, entry] : header->get_object()) {
    std::string const name(key);
    if (name == "__metadata__") continue;
    auto tensor = read_entry(entry, data);
    if (!tensor) return with_context(tensor.error(), "safetensors: " + name);
    auto const begin = static_cast<std::size_t>(tensor->bytes.data() - data.data());
    ranges.push_back({begin, begin + tensor->bytes.size(), name});
    tensors.emplace(name, std::move(*tensor));
  }
  if (auto const whole = check_ranges(std::move(ranges), data.size()); !whole) return whole.error();
  return tensors;
}

}  // namespace ei::inference
