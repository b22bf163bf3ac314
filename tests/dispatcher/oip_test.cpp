#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <limits>
#include <random>

#include "runtime/core/encoding.hpp"
#include "runtime/core/json.hpp"
#include "tests/dispatcher/oip_bodies.hpp"
#include "tests/dispatcher/seed.hpp"

using namespace ei;
using namespace ei::dispatcher;
using namespace ei::dispatcher::oip;

TEST_CASE("pictures come as base64 strings in JSON") {
  for (auto const* rest : {R"("data":["aGVsbG8=","d29ybGQ="])",
                           R"("parameters":{"content_type":"base64"},"data":["aGVsbG8","d29ybGQ="])"}) {
    auto const request = parsed(bytes_input("[2]", rest));
    REQUIRE(request.pictures.size() == 2);
    CHECK(request.pictures[0].kind == link::ItemKind::Image);
    CHECK(request.pictures[0].bytes == "hello");
    CHECK(request.pictures[1].bytes == "world");
    CHECK(request.outputs == std::vector<WantedOutput>{{Output::Label, false}, {Output::Probability, false}});
    CHECK_FALSE(request.id);
  }
  CHECK(parsed(bytes_input("[1,1]", R"("data":[["aGVsbG8="]])")).pictures[0].bytes == "hello");
}

TEST_CASE("pictures come as length-prefixed bytes after the JSON") {
  std::string const binary = element("hello") + element("");
  std::string const head =
      bytes_input("[2]", R"("parameters":{"binary_data_size":)" + std::to_string(binary.size()) + "}");
  auto const request = parsed(head + binary, std::to_string(head.size()));
  REQUIRE(request.pictures.size() == 2);
  CHECK(request.pictures[0].bytes == "hello");
  CHECK(request.pictures[1].bytes.empty());
}

TEST_CASE("tensors come as numbers, flat or nested, or as little-endian floats") {
  std::string flat = "[";
  std::string nested = "[[";
  for (std::size_t p = 0; p < kPixels; ++p) {
    char const* const number = p == 0 ? "1.5" : p == 1 ? "-2" : "0";
    flat += std::string(p == 0 ? "" : ",") + number;
    nested += std::string(p % 224 != 0 ? "," : p == 0 ? "[" : "],[") + number;
  }
  flat += "]";
  nested += "]]]";
  std::string const start = R"({"inputs":[{"name":"image","datatype":"FP32","shape":[1,3,224,224],)";
  std::string const binary =
      std::string("\0\0\xc0\x3f\0\0\0\xc0", 8) + std::string(link::kTensorBytes - 8, '\0');
  std::string const head = start + R"("parameters":{"binary_data_size":602112}}]})";
  for (auto const& request :
       {parsed(start + R"("data":)" + flat + "}]}"), parsed(start + R"("data":)" + nested + "}]}"),
        parsed(head + binary, std::to_string(head.size()))}) {
    REQUIRE(request.pictures.size() == 1);
    CHECK(request.pictures[0].kind == link::ItemKind::Tensor);
    CHECK(request.pictures[0].bytes == binary);
  }
}

TEST_CASE("a wrong request is refused with the field, its value and what is allowed") {
  struct Row {
    std::string body;
    std::string message;
  };
  std::string const tensor = R"({"inputs":[{"name":"image","datatype":"FP32",)";
  for (auto const& row : std::vector<Row>{
           {"hello", "the body is not JSON"},
           {"[]", "the body is []; allowed: an object"},
           {"{}", "inputs is missing; allowed: an array of exactly one object"},
           {R"({"inputs":[{},{}]})", "inputs is [{},{}]; allowed: an array of exactly one object"},
           {R"({"inputs":[{"name":"image","datatype":"INT8","shape":[1]}]})",
            R"(inputs[0].datatype is "INT8"; allowed: "BYTES", "FP32")"},
           {bytes_input("[0]", R"("data":[])"),
            "inputs[0].shape is [0]; allowed for BYTES: [N] with N from 1 to 64"},
           {bytes_input("[65]", R"("data":[])"), "inputs[0].shape is [65]; allowed for BYTES: [N]"},
           {bytes_input("[1,2]", R"("data":[])"), "inputs[0].shape is [1,2]; allowed for BYTES: [N]"},
           {bytes_input("[1.5]", R"("data":[])"), "inputs[0].shape is [1.5]"},
           {bytes_input("[2]", R"("data":["aGVsbG8="])"),
            "inputs[0].data has 1 elements; allowed: as many as its shape says, 2"},
           {bytes_input("[1]", R"("data":["not base64!"])"), "inputs[0].data[0] is not base64"},
           {bytes_input("[1]", R"("data":[7])"), "inputs[0].data[0] is 7; allowed: a base64 string"},
           {bytes_input("[1]", R"("data":"aGVsbG8=")"), R"(inputs[0].data is "aGVsbG8="; allowed: an array)"},
           {bytes_input("[1]", R"("parameters":{"content_type":"np"},"data":["aGVsbG8="])"),
            R"(inputs[0].parameters.content_type is "np"; allowed: "base64")"},
           {bytes_input("[1]", R"("parameters":{"binary_data_size":5})"),
            "inputs[0].parameters.binary_data_size is 5 but 0 bytes follow the JSON"},
           {bytes_input("[1]", R"("parameters":{"binary_data_size":0},"data":["aGVsbG8="])"),
            "inputs[0] has both data and"},
           {tensor + R"("shape":[1,3,224],"data":[]}]})",
            "inputs[0].shape is [1,3,224]; allowed for FP32: [N,3,224,224] with N from 1 to 27"},
           {tensor + R"("shape":[28,3,224,224],"data":[]}]})",
            "allowed for FP32: [N,3,224,224] with N from 1 to 27"},
           {tensor + R"("shape":[1,3,224,224],"data":[1,2]}]})",
            "inputs[0].data has 2 numbers; allowed: as many as its shape says, 150528"},
           {tensor + R"("shape":[1,3,224,224],"data":["x"]}]})",
            R"(inputs[0].data[0] is "x"; allowed: a number)"},
           {R"({"id":7,)" + bytes_input("[1]", R"("data":["aGVsbG8="])").substr(1),
            "id is 7; allowed: a string"},
           {R"({"outputs":[{"name":"logits"}],)" + bytes_input("[1]", R"("data":["aGVsbG8="])").substr(1),
            R"(outputs[0].name is "logits"; allowed: "label", "probability", "probabilities")"},
           {R"({"outputs":[{"name":"label","parameters":{"binary_data":1}}],)" +
                bytes_input("[1]", R"("data":["aGVsbG8="])").substr(1),
            "outputs[0].parameters.binary_data is 1; allowed: true or false"},
       }) {
    CHECK_THAT(refusal(row.body), Catch::Contains(row.message));
  }
  std::string umlauts;
  for (int i = 0; i < 60; ++i) umlauts += "ü";
  CHECK(is_utf8(refusal(R"({"inputs":")" + umlauts + "\"}")));
  CHECK(is_utf8(refusal(R"({"inputs":"x)" + umlauts + "\"}")));
  CHECK_THAT(refusal("{}", "x"),
             Catch::Contains("Inference-Header-Content-Length is \"x\"; allowed: 1 to the body's length, 2"));
  CHECK_THAT(refusal("{}", "3"), Catch::Contains("allowed: 1 to the body's length, 2"));
  std::string const plain = bytes_input("[1]", R"("data":["aGVsbG8="])");
  CHECK_THAT(refusal(plain + "tail", std::to_string(plain.size())),
             Catch::Contains("4 bytes follow the JSON but no input"));
}

TEST_CASE("binary tensors that do not fit their shape are refused") {
  auto const with = [](std::string const& datatype, std::string const& shape, std::string const& binary) {
    std::string const head = R"({"inputs":[{"name":"image","datatype":")" + datatype + R"(","shape":)" +
                             shape + R"(,"parameters":{"binary_data_size":)" + std::to_string(binary.size()) +
                             "}}]}";
    return refusal(head + binary, std::to_string(head.size()));
  };
  CHECK_THAT(with("BYTES", "[1]", "abc"), Catch::Contains("element 0 is cut off"));
  CHECK_THAT(with("BYTES", "[1]", std::string("\xff\xff\xff\xff", 4) + "abc"),
             Catch::Contains("says 4294967295 bytes, 3 are left"));
  CHECK_THAT(with("BYTES", "[2]", element("a")),
             Catch::Contains("does not hold the 2 length-prefixed elements"));
  CHECK_THAT(with("BYTES", "[1]", element("a") + element("b")),
             Catch::Contains("does not hold the 1 length-prefixed elements"));
  CHECK_THAT(with("FP32", "[1,3,224,224]", "abcd"),
             Catch::Contains("binary_data_size is 4; allowed: what the shape says, 602112"));
  std::string tensor(link::kTensorBytes, '\0');
  tensor.replace(8, 4, std::string("\0\0\xc0\x7f", 4));
  CHECK_THAT(with("FP32", "[1,3,224,224]", tensor), Catch::Contains("number 2 is not a finite float32"));
}

TEST_CASE("null is absent, whatever member it stands at") {
  std::string const binary = element("hello");
  std::string const tail = std::to_string(binary.size()) + R"(,"content_type":null}}]})";
  std::string const head =
      R"({"id":null,"parameters":null,"outputs":null,"inputs":[{"name":"image","datatype":"BYTES","shape":[1],)"
      R"("data":null,"parameters":{"shared_memory_region":null,"binary_data_size":)" +
      tail;
  auto const binary_request = parsed(head + binary, std::to_string(head.size()));
  CHECK(binary_request.pictures.at(0).bytes == "hello");
  CHECK_FALSE(binary_request.id);
  auto const request = parsed(
      R"({"parameters":{"binary_data_output":null},"outputs":[{"name":"probabilities","parameters":null},)"
      R"({"name":"label","parameters":{"binary_data":null,"classification":null}}],)" +
      bytes_input("[1]", R"("parameters":{"binary_data_size":null},"data":["aGVsbG8="])").substr(1));
  CHECK(request.pictures.at(0).bytes == "hello");
  CHECK(request.outputs == std::vector<WantedOutput>{{Output::Probabilities}, {Output::Label}});
  CHECK(parsed(bytes_input("[1]", R"("parameters":null,"data":["aGVsbG8="])")).outputs.size() == 2);
  // What is needed is missing then, and said to be.
  for (auto const& [body, message] : std::vector<std::pair<std::string, std::string>>{
           {R"({"inputs":null})", "inputs is missing"},
           {R"({"inputs":[null]})", "inputs is [null]; allowed"},
           {R"({"inputs":[{"name":null}]})", R"(inputs[0].name is missing; allowed: "image")"},
           {R"({"inputs":[{"name":"image","datatype":null}]})", "inputs[0].datatype is missing"},
           {R"({"inputs":[{"name":"image","datatype":"BYTES","shape":null}]})", "inputs[0].shape is missing"},
           {bytes_input("[1]", R"("data":null)"), "inputs[0].data is missing; allowed: an array"},
           {bytes_input("[1]", R"("data":[null])"), "inputs[0].data[0] is null; allowed: a base64 string"},
           {R"({"outputs":[{"name":null}],)" + bytes_input("[1]", R"("data":["eA=="])").substr(1),
            "outputs[0].name is missing; allowed: \"label\""},
           {R"({"outputs":[null],)" + bytes_input("[1]", R"("data":["eA=="])").substr(1),
            "outputs[0].name is missing"},
           {"null", "the body is null; allowed: an object"},
       }) {
    CHECK_THAT(refusal(body), Catch::Contains(message));
  }
}

TEST_CASE("names, parameters and numbers that are not known are refused with those that are") {
  std::string const good = bytes_input("[1]", R"("data":["aGVsbG8="])").substr(1);
  for (auto const& [body, message] : std::vector<std::pair<std::string, std::string>>{
           {R"({"inputs":[{"name":"input_0","datatype":"BYTES","shape":[1],"data":["eA=="]}]})",
            R"(inputs[0].name is "input_0"; allowed: "image")"},
           {R"({"inputs":[{"name":7}]})", R"(inputs[0].name is 7; allowed: "image")"},
           {R"({"parameters":7,)" + good, "parameters is 7; allowed: an object"},
           {bytes_input("[1]", R"("parameters":[],"data":["eA=="])"), "inputs[0].parameters is []; allowed"},
           {R"({"outputs":[{"name":"label","parameters":"x"}],)" + good,
            R"(outputs[0].parameters is "x"; allowed: an object)"},
           {R"({"outputs":[{"name":"label"},{"name":"label"}],)" + good,
            R"(outputs[1].name is "label" again; allowed: each output once)"},
           {R"({"outputs":{},)" + good, "outputs is {}; allowed: an array"},
           {R"({"parameters":{"binary_data_output":"yes"},)" + good,
            R"(parameters.binary_data_output is "yes"; allowed: true or false)"},
           {bytes_input("[1]", R"("parameters":{"shared_memory_region":"r"})"), "no shared memory"},
           {bytes_input("[1]", R"("parameters":{"binary_data_size":-1})"), "binary_data_size is -1 but"},
           {bytes_input("[1]", R"("parameters":{"binary_data_size":18446744073709551615})"),
            "binary_data_size is 18446744073709551615 but"},
           {bytes_input("[-1]", R"("data":[])"), "inputs[0].shape is [-1]; allowed"},
           {bytes_input("[99999999999999999999999]", R"("data":[])"), "inputs[0].shape is ["},
           {bytes_input("[18446744073709551615]", R"("data":[])"),
            "inputs[0].shape is [18446744073709551615]"},
           {bytes_input("[\"1\"]", R"("data":[])"), R"(inputs[0].shape is ["1"])"},
           {bytes_input("[]", R"("data":[])"), "inputs[0].shape is []"},
           {bytes_input("[1,1,1]", R"("data":[])"), "inputs[0].shape is [1,1,1]"},
           {bytes_input("1", R"("data":[])"), "inputs[0].shape is 1"},
           {bytes_input("[1]", R"("data":["eA=="],"data":["eA=="])"),
            "inputs[0].data is there more than once"},
           {bytes_input("[1]", R"("data":{"a":[1]})"), "inputs[0].data is an object; allowed: an array"},
           {bytes_input("[1]", R"("data":[{"b64":"eA=="}])"),
            "inputs[0].data[0] is an object; allowed: a base64 string"},
           {bytes_input("[2]", R"("data":["eA==",true])"), "inputs[0].data[1] is true; allowed"},
           {bytes_input("[2]", R"("data":[["eA=="],"eA=="])"), "nested as arrays of unlike lengths"},
           {R"({"inputs":[{"name":"image","datatype":"FP32","shape":[0,3,224,224],"data":[]}]})",
            "inputs[0].shape is [0,3,224,224]"},
           {R"({"inputs":[{"name":"image","datatype":"FP16","shape":[1,3,224,224],"data":[]}]})",
            R"(inputs[0].datatype is "FP16"; allowed: "BYTES", "FP32")"},
           {R"({"inputs":[{"name":"image","datatype":"UINT8","shape":[1,224,224,3],"data":[]}]})",
            R"(inputs[0].datatype is "UINT8"; allowed)"},
       }) {
    INFO(body);
    CHECK_THAT(refusal(body), Catch::Contains(message));
  }
  CHECK_THAT(refusal("{}", "0"), Catch::Contains("allowed: 1 to the body's length, 2"));
  CHECK_THAT(refusal("{}", "99999999999999999999999"), Catch::Contains("allowed: 1 to"));
  CHECK_THAT(refusal("{} {}"), Catch::Contains("not valid JSON at byte 3"));
  CHECK_THAT(refusal(""), Catch::Contains("the body is not JSON"));
}

TEST_CASE("numbers nested in another order than the shape's are not taken for a picture") {
  auto const planes = [](char const* open, char const* close, std::size_t rows, std::size_t length) {
    std::string out = open;
    for (std::size_t row = 0; row < rows; ++row) {
      out += row == 0 ? "[0" : ",[0";
      for (std::size_t i = 1; i < length; ++i) out += ",0";
      out += "]";
    }
    return R"({"inputs":[{"name":"image","datatype":"FP32","shape":[1,3,224,224],"data":)" + out + close +
           "}]}";
  };
  CHECK(parsed(planes("[", "]", 3, 224 * 224)).pictures.size() == 1);
  CHECK(parsed(planes("[[", "]]", 3 * 224, 224)).pictures.size() == 1);
  CHECK(parsed(planes("[", "]", 1, kPixels)).pictures.size() == 1);
  CHECK_THAT(refusal(planes("[", "]", 224 * 224, 3)),
             Catch::Contains("nested as [50176,3]; allowed: one flat"));
  CHECK_THAT(refusal(planes("[", "]", 224, 3 * 224)), Catch::Contains("nested as [224,672]"));
  std::string rows = "[[";
  for (std::size_t p = 0; p < kPixels; ++p)
    rows += std::string(p % 3 == 0 ? (p == 0 ? "[" : "],[") : ",") + "0";
  rows += "]]]";  // [1,50176,3]: the colours last
  CHECK_THAT(
      refusal(R"({"inputs":[{"name":"image","datatype":"FP32","shape":[1,3,224,224],"data":)" + rows + "}]}"),
      Catch::Contains("nested as [1,50176,3]; allowed: one flat array, or nested as [1,3,224,224]"));
}

TEST_CASE("what a request makes the parser keep is bounded, whatever it holds") {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "[";
  CHECK_THAT(refusal(bytes_input("[1]", "\"data\":" + deep)), Catch::Contains("nested more than 16 deep"));
  CHECK_THAT(refusal(deep), Catch::Contains("nested more than 16 deep"));
  std::string many = "[0";
  for (int i = 0; i < 2'000; ++i) many += ",0";
  CHECK_THAT(refusal(bytes_input(many + "]", R"("data":[])")),
             Catch::Contains("more than 1024 values outside"));
  CHECK_THAT(refusal(R"({"id":")" + std::string(70'000, 'x') + "\"}"),
             Catch::Contains("more than 65536 bytes of strings outside"));
  // One number more than 27 pictures have, and one string more than 64.
  std::string numbers = "[0";
  for (std::size_t i = 0; i < kMaxTensors * kPixels; ++i) numbers += ",0";
  CHECK_THAT(refusal(R"({"inputs":[{"name":"image","datatype":"FP32","shape":[1,3,224,224],"data":)" +
                     numbers + "]}]}"),
             Catch::Contains("inputs[0].data has 4064257 numbers"));
  std::string strings = R"(["eA==")";
  for (int i = 0; i < 100; ++i) strings += R"(,"eA==")";
  CHECK_THAT(refusal(bytes_input("[64]", "\"data\":" + strings + "]")), Catch::Contains("has 101 elements"));
}

TEST_CASE("any body whatever gives a request or an error") {
  auto const seed = test_seed();
  INFO("EI_SEED=" << seed);
  std::mt19937 random(seed);
  std::string const binary = element("hello") + element("world");
  std::string const head =
      R"({"id":"1","parameters":{"binary_data_output":true},"outputs":[{"name":"label"}],)" +
      bytes_input("[2]", R"("parameters":{"binary_data_size":18})").substr(1);
  std::string const json = bytes_input("[2,1]", R"("data":[["aGVsbG8="],["aGVsbG8="]])");
  for (int round = 0; round < 20'000; ++round) {
    bool const as_binary = random() % 2 == 0;
    std::string body = as_binary ? head + binary : json;
    for (auto edits = 1 + random() % 3; edits > 0; --edits) {
      auto const at = random() % body.size();
      body[at] = random() % 2 == 0 ? static_cast<char>(random()) : "{}[]\",:0129-"[random() % 12];
    }
    std::string const length = std::to_string(head.size());
    std::vector<char> const copy(body.begin(), body.end());
    std::string_view const view(copy.data(), copy.size());
    auto const out = as_binary ? parse_infer(view, length) : parse_infer(view, std::nullopt);
    if (out) CHECK(out->pictures.size() >= 1);
  }
}
