#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <random>
#include <string>

#include "inference/checkpoint/checkpoint.hpp"
#include "inference/checkpoint/pickle.hpp"
#include "inference/checkpoint/random_weights.hpp"
#include "inference/checkpoint/resnet18.hpp"
#include "inference/checkpoint/safetensors.hpp"
#include "inference/checkpoint/torch_file.hpp"
#include "inference/checkpoint/values.hpp"
#include "runtime/core/encoding.hpp"
#include "tests/inference/torch_files.hpp"

using namespace ei;
using namespace ei::inference;
using namespace ei::test;

TEST_CASE("safetensors: tensors are found with their type, shape and bytes") {
  auto const file =
      safetensors(R"({"__metadata__":{"by":"test"},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
                  R"("b":{"dtype":"BF16","shape":[],"data_offsets":[8,10]}})",
                  std::string("\0\0\x80\x3f\0\0\0\x40\x80\x3f", 10));
  auto const tensors = read_safetensors(bytes_of(file));
  REQUIRE(tensors.has_value());
  CHECK(tensors->size() == 2);
  CHECK(tensors->at("a").shape == std::vector<std::int64_t>{1, 2});
  CHECK(first_element<float>(tensors->at("a")) == 1.0F);
  CHECK(tensors->at("b").type == DType::BF16);
  CHECK(tensors->at("b").count() == 1);
}

TEST_CASE("safetensors: what does not add up is refused by name") {
  struct Row {
    std::string header;
    std::string expected;
    std::string why;
  };
  auto const row = GENERATE(values<Row>({
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", "a: shape [2]",
       "too few bytes for the shape"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", "a: data_offsets span 8",
       "too many bytes"},
      {R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", "a: data_offsets lie outside",
       "past the end"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}})", "a: data_offsets lie outside",
       "backwards"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", "a: shape must be", "a negative size"},
      {R"({"a":{"dtype":"F32","shape":[3037000500,3037000500],"data_offsets":[0,4]}})", "too large",
       "overflow"},
      {R"({"a":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}})", "a: dtype 'Q4'", "an unknown type"},
      {R"({"a":7})", "a: its header entry", "no object"},
      {R"([1])", "not an object", "a list"},
      {R"({"a":)", "the header", "broken JSON"},
  }));
  CAPTURE(row.why);
  auto const result = read_safetensors(bytes_of(safetensors(row.header, std::string(8, '\0'))));
  CHECK_THAT(message(result), Catch::Contains(row.expected));
}

TEST_CASE("safetensors: a header longer than the file is refused") {
  std::string file = "\xff\xff\xff\xff\xff\xff\xff\x7f{}";
  CHECK_THAT(message(read_safetensors(bytes_of(file))), Catch::Contains("does not fit the file"));
  CHECK_THAT(message(read_safetensors(bytes_of("abc"))), Catch::Contains("shorter than"));
}

TEST_CASE("torch.save: the present and the old format give the same tensors") {
  auto const old = GENERATE(false, true);
  auto const file = torch_file(old ? kTorchLegacy : kTorchZip);
  CHECK(detect_format(bytes_of(file)) == (old ? FileFormat::TorchSaveLegacy : FileFormat::TorchSave));
  auto const tensors = read_torch_save(bytes_of(file));
  REQUIRE(message(tensors) == "no error");
  REQUIRE(tensors->size() == 3);
  auto const& a = tensors->at("module.a");
  CHECK(a.shape == std::vector<std::int64_t>{2, 2});
  CHECK(a.strides == std::vector<std::int64_t>{1, 2});  // it was saved transposed
  CHECK(first_element<float>(a) == 1.0F);
  CHECK(first_element<std::int64_t>(tensors->at("module.b")) == 5);
  CHECK(tensors->at("c").type == DType::F16);
  CHECK(first_element<std::uint16_t>(tensors->at("c")) == 0x3800);  // 0.5 in half precision
}

TEST_CASE("torch.save: a file cut off anywhere is an error, never a crash") {
  auto const old = GENERATE(false, true);
  auto const whole = torch_file(old ? kTorchLegacy : kTorchZip);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    std::string const cut = whole.substr(0, length);
    CHECK_FALSE(read_torch_save(bytes_of(cut)).has_value());
    static_cast<void>(read_checkpoint(bytes_of(cut)));
  }
}

TEST_CASE(
    "torch.save: a file with changed bytes is an error or other tensors within the file, never a crash") {
  auto const old = GENERATE(false, true);
  auto const whole = torch_file(old ? kTorchLegacy : kTorchZip);
  constexpr unsigned kSeed = 20260711;
  CAPTURE(kSeed);
  std::mt19937 random(kSeed);
  for (int round = 0; round < 20'000; ++round) {
    std::string changed = whole;
    for (unsigned changes = 1 + random() % 3; changes > 0; --changes) {
      changed[random() % changed.size()] = static_cast<char>(random());
    }
    auto const tensors = read_torch_save(bytes_of(changed));
    if (!tensors) continue;
    for (auto const& [name, tensor] : *tensors) {
      REQUIRE(check_bounds(tensor).has_value());
      REQUIRE(reinterpret_cast<char const*>(tensor.bytes.data()) >= changed.data());
      REQUIRE(reinterpret_cast<char const*>(tensor.bytes.data() + tensor.bytes.size()) <=
              changed.data() + changed.size());
    }
  }
}

TEST_CASE("pickle: a callable is described, not called") {
  // What pickle.dumps gives for an object whose __reduce__ returns (os.system, ("touch /tmp/x",)).
  using namespace std::string_literals;
  auto const file =
      "\x80\x02"
      "cposix\nsystem\nq\0X\x0c\0\0\0touch /tmp/xq\x01\x85q\x02Rq\x03."s;
  auto const document = pickle::read(bytes_of(file));
  REQUIRE(document.has_value());
  auto const* const call = pickle::get<pickle::Call>(document->root);
  REQUIRE(call != nullptr);
  CHECK(pickle::get<pickle::Global>(call->callable)->path == "posix.system");
}

TEST_CASE("resnet18: torchvision's 102 tensors with 11,689,512 parameters and 9,600 statistics") {
  auto const shapes = resnet18_shapes(1000);
  CHECK(shapes.size() == 102);
  std::int64_t elements = 0;
  std::int64_t statistics = 0;
  for (auto const& [name, shape] : shapes) {
    std::int64_t count = 1;
    for (auto const size : shape) count *= size;
    (name.find(".running_") != std::string::npos ? statistics : elements) += count;
  }
  CHECK(elements == 11'689'512);  // as torchvision's documentation says
  CHECK(statistics == 9'600);
}

TEST_CASE("resnet18: a wrapper's prefix and counters are dropped") {
  auto const owned = random_resnet18(1, 7);
  StateDict wrapped;
  for (auto const& [name, tensor] : owned.tensors) wrapped.emplace("module." + name, tensor);
  wrapped.emplace("module.bn1.num_batches_tracked", TensorView{DType::I64, {}, {}, {}});
  auto const selected = select_resnet18(std::move(wrapped));
  REQUIRE(message(selected) == "no error");
  CHECK(selected->size() == 102);
  CHECK(class_count(*selected) == 7);
}

TEST_CASE("resnet18: a fault names the tensor, what it is, and what is expected") {
  auto const owned = random_resnet18(1, 7);
  auto tensors = owned.tensors;
  SECTION("missing") {
    tensors.erase("layer3.1.bn2.running_var");
    CHECK_THAT(message(select_resnet18(tensors)),
               Catch::Contains("'layer3.1.bn2.running_var' [256] is missing"));
  }
  SECTION("another shape") {
    auto const found = tensors.find("layer2.0.downsample.0.weight");
    found->second.shape = {128, 64, 3, 3};
    CHECK_THAT(
        message(select_resnet18(tensors)),
        Catch::Contains(
            "'layer2.0.downsample.0.weight' has shape [128, 64, 3, 3], a ResNet18 has [128, 64, 1, 1]"));
  }
  SECTION("integers") {
    tensors.at("bn1.weight").type = DType::I32;
    CHECK_THAT(message(select_resnet18(tensors)), Catch::Contains("'bn1.weight' is of type I32"));
  }
  SECTION("too much") {
    tensors.emplace("layer1.2.conv1.weight", tensors.at("layer1.0.conv1.weight"));
    CHECK_THAT(message(select_resnet18(tensors)),
               Catch::Contains("'layer1.2.conv1.weight' [64, 64, 3, 3] is not part"));
  }
  SECTION("no classifier") {
    tensors.erase("fc.weight");
    CHECK_THAT(message(select_resnet18(tensors)), Catch::Contains("'fc.weight' is missing"));
  }
  SECTION("more classes than the worker link carries") {
    tensors.at("fc.weight").shape = {65'537, 512};
    CHECK_THAT(message(select_resnet18(tensors)), Catch::Contains("with 1 to 65536 classes"));
  }
  SECTION("bias of another length") {
    tensors.at("fc.bias").shape = {8};
    CHECK_THAT(message(select_resnet18(tensors)),
               Catch::Contains("'fc.bias' has shape [8], a ResNet18 has [7]"));
  }
}

TEST_CASE("values: what float32 cannot hold, and a negative variance, is refused with its place and number") {
  struct Row {
    DType type;
    std::string elements;  // of [2, 2]
    Values allowed;
    std::string expected;
    std::string why;
  };
  using namespace std::string_literals;
  auto const floats = [](std::vector<float> const& values) {
    return std::string(reinterpret_cast<char const*>(values.data()), values.size() * sizeof(float));
  };
  auto const doubles = [](std::vector<double> const& values) {
    return std::string(reinterpret_cast<char const*>(values.data()), values.size() * sizeof(double));
  };
  auto const finite = Values::Finite;
  auto const row = GENERATE_COPY(values<Row>({
      {DType::F32, floats({1, -2, 0, 3e38F}), finite, "", "all finite"},
      {DType::F32, floats({1, NAN, -NAN, 1}), finite,
       "holds nan at [0, 1], the first of 2 bad ones among its 4", "NaN of either sign"},
      {DType::F32, floats({1, 1, 1, -INFINITY}), finite, "holds -inf at [1, 1], the first of 1 bad ones",
       "infinity"},
      {DType::F32, floats({0, 1e-45F, -1, -2}), Values::Variance,
       "holds -1 at [1, 0], the first of 2 bad ones", "a variance below 0"},
      {DType::F32, floats({-0.0F, 0, 0, 0}), Values::Variance, "", "zero is a variance, also -0"},
      {DType::F16, "\x00\x3c\x00\x7c\x00\x00\x01\x00"s, finite, "holds inf at [0, 1]",
       "float16 that overflowed"},
      {DType::F16, "\x00\x3c\xff\x7b\x00\x00\x01\x80"s, finite, "", "float16's largest and smallest"},
      {DType::BF16, "\x80\x3f\xc0\xff\x00\x00\x01\x00"s, finite, "holds nan at [0, 1]", "bfloat16"},
      {DType::BF16, "\x80\x3f\x80\xbf\x00\x00\x01\x00"s, Values::Variance, "holds -1 at [0, 1]",
       "bfloat16 below 0"},
      {DType::F64, doubles({1, 1, 1e300, 1}), finite, "holds 1e+300 at [1, 0]",
       "float64 that float32 cannot hold"},
      {DType::F64, doubles({1, 1, 1e-300, 1}), finite, "", "float64 that rounds to 0"},
  }));
  CAPTURE(row.why);
  TensorView const tensor{row.type, {2, 2}, {2, 1}, bytes_of(row.elements)};
  auto const result = check_values(tensor, row.allowed);
  CHECK(result.has_value() == row.expected.empty());
  CHECK_THAT(result ? "" : result.error().message, Catch::StartsWith(row.expected));
}

TEST_CASE("values: the index is the tensor's own, also where it lies transposed or repeated") {
  std::vector<float> const data = {0, 1, 2, NAN, 4, 5};
  auto const bytes = std::as_bytes(std::span(data));
  auto const message_of = [&](TensorView const& tensor) {
    return check_values(tensor, Values::Finite).error().message;
  };
  CHECK_THAT(message_of({DType::F32, {2, 3}, {1, 2}, bytes}), Catch::Contains("at [1, 1], the first of 1 "));
  CHECK_THAT(message_of({DType::F32, {2, 4}, {0, 1}, bytes}), Catch::Contains("at [0, 3], the first of 2 "));
  CHECK(check_values(TensorView{DType::F32, {0, 3}, {3, 1}, {}}, Values::Finite).has_value());
}

TEST_CASE("random weights depend on the seed alone") {
  auto const a = random_resnet18(5, 3);
  auto const b = random_resnet18(5, 3);
  auto const c = random_resnet18(6, 3);
  CHECK(a.elements == b.elements);
  CHECK(a.elements != c.elements);
}

TEST_CASE("bounds: strides may reach every element of the bytes and none beyond") {
  std::string const data(24, '\0');
  auto const tensor = [&](std::vector<std::int64_t> shape, std::vector<std::int64_t> strides) {
    return TensorView{DType::F32, std::move(shape), std::move(strides), bytes_of(data)};
  };
  CHECK(check_bounds(tensor({2, 3}, {1, 2})).has_value());
  CHECK(check_bounds(tensor({6}, {0})).has_value());
  CHECK(check_bounds(tensor({0, 9}, {9, 9})).has_value());
  CHECK_FALSE(check_bounds(tensor({2, 3}, {4, 1})).has_value());
  CHECK_FALSE(check_bounds(tensor({2}, {-1})).has_value());
  CHECK_FALSE(check_bounds(tensor({2}, {1, 1})).has_value());
  CHECK_FALSE(check_bounds(tensor({1'000'000, 1'000'000}, {0, 0})).has_value());
}
