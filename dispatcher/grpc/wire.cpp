#include "dispatcher/grpc/wire.hpp"

#include <array>
#include <cstdint>
#include <string>

#include "dispatcher/oip/document.hpp"

namespace ei::dispatcher::grpc_front {
namespace {

// https://protobuf.dev/programming-guides/encoding: a field is its number and wire type, then its value.
enum class WireType : std::uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

// Numbers of inference.proto.
constexpr std::uint32_t kInputs = 5;            // of ModelInferRequest
constexpr std::uint32_t kRawInputContents = 7;  // likewise
constexpr std::uint32_t kContents = 5;          // of InferInputTensor
constexpr std::uint32_t kFp32Contents = 6;      // of InferTensorContents
constexpr std::uint32_t kBytesContents = 8;     // likewise
constexpr std::array<char const*, 9> kContentsNames = {"no field 0",     "bool_contents", "int_contents",
                                                       "int64_contents", "uint_contents", "uint64_contents",
                                                       "fp32_contents",  "fp64_contents", "bytes_contents"};

Error bad(std::string message) {
  Error error = make_error(ErrorKind::Invalid, std::move(message));
  error.http_status = 400;
  return error;
}

struct Field {
  std::uint32_t number = 0;
  WireType type{};
  std::string_view value;  // of Bytes: the bytes; else the value as it stands
};

// Takes the fields of one message, one after the other.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : left_(bytes) {}

  [[nodiscard]] bool more() const { return !left_.empty(); }

  Result<Field> next() {
    auto const tag = varint();
    if (!tag) return tag.error();
    Field field;
    field.number = static_cast<std::uint32_t>(*tag >> 3);
    field.type = static_cast<WireType>(*tag & 7);
    auto const size = value_size(field.type);
    if (!size) return size.error();
    if (*size > left_.size()) return cut_off();
    field.value = left_.substr(0, *size);
    left_.remove_prefix(*size);
    return field;
  }

 private:
  static Error cut_off() { return bad("the message is no ModelInferRequest: a field of it is cut off"); }

  Result<std::uint64_t> varint() {
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < left_.size() && i < 10; ++i) {
      auto const byte = static_cast<unsigned char>(left_[i]);
      out |= std::uint64_t{byte & 0x7fU} << (7 * i);
      if (byte < 0x80) {
        left_.remove_prefix(i + 1);
        return out;
      }
    }
    return cut_off();
  }

  // For Bytes the length before them is taken.
  Result<std::size_t> value_size(WireType type) {
    switch (type) {
      case WireType::Varint: {
        std::string_view const start = left_;
        auto const value = varint();
        if (!value) return value.error();
        std::size_t const size = start.size() - left_.size();
        left_ = start;
        return size;
      }
      case WireType::Fixed64:
        return std::size_t{8};
      case WireType::Bytes: {
        auto const size = varint();
        if (!size) return size.error();
        return *size > left_.size() ? left_.size() + 1 : static_cast<std::size_t>(*size);
      }
      case WireType::Fixed32:
        return std::size_t{4};
    }
    return bad("the message is no ModelInferRequest: it has a wire type that its fields do not have");
  }

  std::string_view left_;
};

// What is left of the bounds for everything but tensors.
struct Budget {
  std::size_t values = oip::kMaxHeadValues;
  std::size_t bytes = oip::kMaxHeadBytes;

  Result<void> spend(std::size_t size) {
    if (values == 0) {
      return bad("the message has more than " + std::to_string(oip::kMaxHeadValues) +
                 " fields outside of its tensor");
    }
    --values;
    if (size > bytes) {
      return bad("the message has more than " + std::to_string(oip::kMaxHeadBytes) +
                 " bytes outside of its tensor");
    }
    bytes -= size;
    return {};
  }
};

Result<void> check_contents(std::string_view bytes, Budget& budget) {
  for (Fields fields(bytes); fields.more();) {
    auto const field = fields.next();
    if (!field) return field.error();
    // Four bytes of either wire form become four in memory.
    if (field->number == kFp32Contents && field->type != WireType::Varint) continue;
    if (field->number == kBytesContents) {
      if (auto const spent = budget.spend(0); !spent) return spent.error();
      continue;
    }
    std::string const name = field->number < kContentsNames.size() ? kContentsNames[field->number]
                                                                   : "field " + std::to_string(field->number);
    return bad("inputs[0].contents has " + name + "; allowed: bytes_contents, fp32_contents");
  }
  return {};
}

Result<void> check_input(std::string_view bytes, Budget& budget) {
  for (Fields fields(bytes); fields.more();) {
    auto const field = fields.next();
    if (!field) return field.error();
    bool const contents = field->number == kContents && field->type == WireType::Bytes;
    if (auto const spent = budget.spend(contents ? 0 : field->value.size()); !spent) return spent.error();
    if (!contents) continue;
    if (auto const checked = check_contents(field->value, budget); !checked) return checked.error();
  }
  return {};
}

}  // namespace

Result<void> check_infer_message(std::string_view bytes) {
  Budget budget;
  for (Fields fields(bytes); fields.more();) {
    auto const field = fields.next();
    if (!field) return field.error();
    bool const input = field->number == kInputs && field->type == WireType::Bytes;
    bool const raw = field->number == kRawInputContents && field->type == WireType::Bytes;
    if (auto const spent = budget.spend(input || raw ? 0 : field->value.size()); !spent) return spent.error();
    if (!input) continue;
    if (auto const checked = check_input(field->value, budget); !checked) return checked.error();
  }
  return {};
}

}  // namespace ei::dispatcher::grpc_front
