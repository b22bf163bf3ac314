#include <fcntl.h>
#include <status.pb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>

#include "dispatcher/grpc/connections.hpp"
#include "dispatcher/grpc/convert.hpp"
#include "dispatcher/grpc/outbox.hpp"
#include "dispatcher/grpc/reflection.hpp"
#include "dispatcher/grpc/status.hpp"
#include "dispatcher/grpc/wire.hpp"
#include "tests/dispatcher/oip_bodies.hpp"

using namespace ei;
using namespace ei::dispatcher;
using namespace ei::dispatcher::grpc_front;
using Catch::Contains;

namespace {

inference::ModelInferRequest bytes_message(std::vector<std::int64_t> const& shape) {
  inference::ModelInferRequest out;
  out.set_model_name("resnet18");
  auto& input = *out.add_inputs();
  input.set_name("image");
  input.set_datatype("BYTES");
  for (auto const size : shape) input.add_shape(size);
  return out;
}

InferMessage taken(inference::ModelInferRequest const& message) {
  auto out = read_infer(message.SerializeAsString());
  if (!out) FAIL(out.error().message);
  return std::move(*out);
}

std::string refusal(inference::ModelInferRequest const& message) {
  auto const out = read_infer(message.SerializeAsString());
  REQUIRE(out.has_error());
  CHECK(out.error().http_status == 400);
  return out.error().message;
}

Answer answer(std::string label, double probability) {
  Answer out;
  out.top = {{std::move(label), 1, probability}};
  out.probabilities = {0.25F, 0.75F};
  return out;
}

}  // namespace

TEST_CASE("pictures are taken from raw and from typed contents") {
  auto message = bytes_message({2});
  message.set_id("7");
  message.add_raw_input_contents(oip::element("one") + oip::element("two"));
  auto const raw = taken(message);
  CHECK(raw.raw);
  CHECK(raw.model == "resnet18");
  CHECK(raw.version.empty());
  CHECK(raw.request.id == "7");
  REQUIRE(raw.request.pictures.size() == 2);
  CHECK(raw.request.pictures[1].bytes == "two");

  message.clear_raw_input_contents();
  message.mutable_inputs(0)->mutable_contents()->add_bytes_contents("one");
  message.mutable_inputs(0)->mutable_contents()->add_bytes_contents("two");
  auto const typed = taken(message);
  CHECK_FALSE(typed.raw);
  CHECK(typed.request.pictures[1].bytes == "two");
}

TEST_CASE("a tensor is taken from raw and from typed contents, and its numbers are finite") {
  auto message = bytes_message({1, 3, 224, 224});
  message.mutable_inputs(0)->set_datatype("FP32");
  auto& numbers = *message.mutable_inputs(0)->mutable_contents()->mutable_fp32_contents();
  numbers.Resize(static_cast<int>(oip::kPixels), 0.5F);
  auto const typed = taken(message);
  REQUIRE(typed.request.pictures.size() == 1);
  CHECK(typed.request.pictures[0].kind == link::ItemKind::Tensor);
  CHECK(typed.request.pictures[0].bytes.size() == link::kTensorBytes);
  numbers.Set(5, std::numeric_limits<float>::infinity());
  CHECK_THAT(refusal(message), Contains("number 5 is not a finite float32"));
  numbers.RemoveLast();
  CHECK_THAT(refusal(message), Contains("fp32_contents has 150527 elements") && Contains("150528"));

  message.mutable_inputs(0)->clear_contents();
  message.add_raw_input_contents(typed.request.pictures[0].bytes);
  CHECK(taken(message).request.pictures[0].bytes == typed.request.pictures[0].bytes);
  message.mutable_raw_input_contents(0)->pop_back();
  CHECK_THAT(refusal(message),
             Contains("raw_input_contents[0] is 602111; allowed: what the shape says, 602112"));
}

TEST_CASE("names, shapes, datatypes and parameters are judged as over HTTP") {
  auto good = bytes_message({1});
  good.add_raw_input_contents(oip::element("x"));
  auto message = good;
  message.mutable_inputs(0)->set_name("input_0");
  CHECK_THAT(refusal(message), Contains(R"(inputs[0].name is "input_0"; allowed: "image")"));
  message = good;
  message.mutable_inputs(0)->set_datatype("UINT8");
  CHECK_THAT(refusal(message), Contains(R"(inputs[0].datatype is "UINT8"; allowed: "BYTES", "FP32")"));
  message = good;
  message.mutable_inputs(0)->set_shape(0, 65);
  CHECK_THAT(refusal(message), Contains("inputs[0].shape is [65]") && Contains("N from 1 to 64"));
  message = good;
  (*message.mutable_inputs(0)->mutable_parameters())["shared_memory_region"].set_string_param("region");
  CHECK_THAT(refusal(message), Contains("shared_memory_region"));
  message = good;
  message.add_outputs()->set_name("logits");
  CHECK_THAT(refusal(message), Contains(R"(outputs[0].name is "logits")"));
  message.mutable_outputs(0)->set_name("probabilities");
  (*message.mutable_outputs(0)->mutable_parameters())["classification"].set_int64_param(101);
  CHECK_THAT(refusal(message), Contains("outputs[0].parameters.classification is 101; allowed: 0 to 100"));
  (*message.mutable_outputs(0)->mutable_parameters())["classification"].set_uint64_param(3);
  CHECK(taken(message).request.top() == 3);
  message = good;
  message.clear_inputs();
  CHECK_THAT(refusal(message), Contains("inputs is []"));
}

TEST_CASE("a parameter of another kind is refused with its value") {
  auto message = bytes_message({1});
  message.add_raw_input_contents(oip::element("x"));
  message.add_outputs()->set_name("probabilities");
  auto& parameter = (*message.mutable_outputs(0)->mutable_parameters())["classification"];
  auto const words = [](std::string const& value) {
    return Contains("outputs[0].parameters.classification is " + value);
  };
  parameter.set_bool_param(true);
  CHECK_THAT(refusal(message), words("true"));
  parameter.set_string_param("3");
  CHECK_THAT(refusal(message), words("\"3\""));
  parameter.set_double_param(2.5);
  CHECK_THAT(refusal(message), words("2.5"));
  parameter.set_uint64_param(std::numeric_limits<std::uint64_t>::max());
  CHECK_THAT(refusal(message), words("18446744073709551615"));
}

TEST_CASE("fields of a later protocol are passed over, whatever their wire type") {
  auto message = bytes_message({1});
  message.add_raw_input_contents(oip::element("x"));
  // Field 100 as varint, fixed64, bytes and fixed32.
  std::string const later = std::string("\xa0\x06\x96\x01", 4) + std::string("\xa1\x06", 2) +
                            std::string(8, 'x') + std::string("\xa2\x06\x02hi", 5) +
                            std::string("\xa5\x06", 2) + std::string(4, 'x');
  auto const read = read_infer(message.SerializeAsString() + later);
  REQUIRE(read.has_value());
  CHECK(read->request.pictures.size() == 1);
  CHECK(read_infer(message.SerializeAsString() + later.substr(0, 3)).has_error());
}

TEST_CASE("one tensor comes in one way") {
  auto message = bytes_message({1});
  CHECK_THAT(refusal(message), Contains("bytes_contents has 0 elements"));
  message.add_raw_input_contents(oip::element("x"));
  message.add_raw_input_contents(oip::element("x"));
  CHECK_THAT(refusal(message), Contains("raw_input_contents has 2 elements; allowed: 1"));
  message.mutable_inputs(0)->mutable_contents()->add_bytes_contents("x");
  CHECK_THAT(refusal(message), Contains("both raw_input_contents and"));
  message.clear_raw_input_contents();
  message.mutable_inputs(0)->mutable_contents()->add_fp32_contents(1);
  CHECK_THAT(refusal(message), Contains("inputs[0].contents has fp32_contents; allowed for its datatype"));
  message.mutable_inputs(0)->clear_contents();
  message.mutable_inputs(0)->mutable_contents()->add_int64_contents(1);
  CHECK_THAT(refusal(message), Contains("inputs[0].contents has int64_contents; allowed: bytes_contents"));
}

TEST_CASE("what protobuf would make much memory of is refused before") {
  auto message = bytes_message({1});
  for (int i = 0; i < 1100; ++i) message.add_outputs();
  CHECK_THAT(refusal(message), Contains("more than 1024 fields"));
  message = bytes_message({1});
  for (int i = 0; i < 1100; ++i) message.add_raw_input_contents("");
  CHECK_THAT(refusal(message), Contains("more than 1024 fields"));
  message = bytes_message({1});
  for (int i = 0; i < 1100; ++i) message.mutable_inputs(0)->mutable_contents()->add_bytes_contents("");
  CHECK_THAT(refusal(message), Contains("more than 1024 fields"));
  message = bytes_message({1});
  message.set_id(std::string(70'000, 'i'));
  CHECK_THAT(refusal(message), Contains("more than 65536 bytes"));
  for (std::string const bytes :
       {"\x0b", "\x2a\x7f", "\x2a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\xff"}) {
    CHECK(read_infer(bytes).has_error());
  }
}

TEST_CASE("an answer is raw where the request was, and else typed") {
  auto message = bytes_message({2});
  message.set_id("42");
  message.add_raw_input_contents(oip::element("a") + oip::element("b"));
  for (auto const* name : {"probabilities", "label"}) message.add_outputs()->set_name(name);
  auto asked = taken(message);
  std::vector<Answer> const answers = {answer("tabby", 0.75), answer("dog", 0.5)};
  auto const raw = write_infer({"m"}, asked, answers);
  CHECK(raw.id() == "42");
  CHECK(raw.model_version() == "1");
  REQUIRE(raw.outputs_size() == 2);
  CHECK(raw.outputs(0).name() == "probabilities");
  CHECK(std::vector<std::int64_t>(raw.outputs(0).shape().begin(), raw.outputs(0).shape().end()) ==
        std::vector<std::int64_t>{2, 2});
  REQUIRE(raw.raw_output_contents_size() == 2);
  CHECK(raw.raw_output_contents(0).size() == 16);
  CHECK(raw.raw_output_contents(1) == oip::element("tabby") + oip::element("dog"));
  asked.raw = false;
  auto const typed = write_infer({"m"}, asked, answers);
  CHECK(typed.raw_output_contents_size() == 0);
  CHECK(typed.outputs(0).contents().fp32_contents(3) == 0.75F);
  CHECK(typed.outputs(1).contents().bytes_contents(1) == "dog");
}

TEST_CASE("metadata over gRPC is that of HTTP") {
  CHECK(server_metadata().name() == "elastic-inference");
  CHECK(server_metadata().extensions_size() == 2);
  auto const model = model_metadata({"resnet18"}, {"7"});
  CHECK(model.versions(0) == "7");
  CHECK(model.inputs(0).name() == "image");
  CHECK(model.inputs(0).shape(0) == -1);
  CHECK(model.outputs_size() == 3);
}

TEST_CASE("an error has its gRPC code, and says when to come back") {
  struct Row {
    int http;
    grpc::StatusCode code;
  };
  for (Row const& row :
       {Row{400, grpc::INVALID_ARGUMENT}, Row{415, grpc::INVALID_ARGUMENT}, Row{422, grpc::INVALID_ARGUMENT},
        Row{404, grpc::NOT_FOUND}, Row{413, grpc::RESOURCE_EXHAUSTED}, Row{429, grpc::RESOURCE_EXHAUSTED},
        Row{502, grpc::UNAVAILABLE}, Row{503, grpc::UNAVAILABLE}, Row{504, grpc::DEADLINE_EXCEEDED},
        Row{501, grpc::UNIMPLEMENTED}, Row{500, grpc::INTERNAL}, Row{0, grpc::INTERNAL}}) {
    INFO(row.http);
    Error error = make_error(ErrorKind::Invalid, "words");
    error.http_status = row.http;
    CHECK(status_of(error).error_code() == row.code);
    CHECK(status_of(error).error_message() == "words");
    CHECK(status_of(error).error_details().empty());
  }
  CHECK(status_of(make_error(ErrorKind::Canceled, "")).error_code() == grpc::CANCELLED);
  Error full = make_error(ErrorKind::TooMany, "full");
  full.http_status = 429;
  full.retry_after = std::chrono::milliseconds(1500);
  google::rpc::Status details;
  REQUIRE(details.ParseFromString(status_of(full).error_details()));
  google::rpc::RetryInfo retry;
  REQUIRE(details.details(0).UnpackTo(&retry));
  CHECK(retry.retry_delay().seconds() == 1);
  CHECK(retry.retry_delay().nanos() == 500'000'000);
}

TEST_CASE("reflection tells the services and their files with all that they import") {
  grpc::reflection::v1::ServerReflectionRequest asked;
  asked.set_list_services("*");
  CHECK(reflection_answer(asked).list_services_response().service(0).name() ==
        "inference.GRPCInferenceService");
  asked.set_file_containing_symbol("inference.GRPCInferenceService.ModelInfer");
  CHECK(reflection_answer(asked).file_descriptor_response().file_descriptor_proto_size() == 1);
  asked.set_file_by_filename("status.proto");
  CHECK(reflection_answer(asked).file_descriptor_response().file_descriptor_proto_size() == 3);
  asked.set_all_extension_numbers_of_type("inference.ModelInferRequest");
  CHECK(reflection_answer(asked).all_extension_numbers_response().base_type_name() ==
        "inference.ModelInferRequest");
}

TEST_CASE("reflection says what is not there, and that nothing was asked") {
  grpc::reflection::v1::ServerReflectionRequest asked;
  auto const code = [&] { return reflection_answer(asked).error_response().error_code(); };
  CHECK(code() == grpc::INVALID_ARGUMENT);
  asked.set_file_containing_symbol("no.Such");
  CHECK(code() == grpc::NOT_FOUND);
  asked.set_file_by_filename("no_such.proto");
  CHECK(code() == grpc::NOT_FOUND);
  asked.set_all_extension_numbers_of_type("no.Such");
  CHECK(code() == grpc::NOT_FOUND);
  asked.mutable_file_containing_extension()->set_containing_type("inference.ModelInferRequest");
  CHECK(code() == grpc::NOT_FOUND);
}

TEST_CASE("connections are counted until they are closed, whoever closes them") {
  auto const open_one = [] { return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); };
  SteadyTime now{};
  Connections connections(2, 1);
  int const first = open_one();
  REQUIRE(connections.room_for("a", now));
  connections.add(first, "a");
  CHECK_FALSE(connections.room_for("a", now));  // one of an address
  now += std::chrono::seconds(1);
  int const second = open_one();
  REQUIRE(connections.room_for("b", now));
  connections.add(second, "b");
  CHECK_FALSE(connections.room_for("c", now));
  CHECK(connections.open() == 2);
  close(first);
  int const other = open("/dev/null", O_RDONLY | O_CLOEXEC);  // takes the number again
  now += std::chrono::seconds(1);
  CHECK(connections.room_for("a", now));
  CHECK(connections.open() == 1);
  close(other);
  close(second);
  CHECK(connections.open() == 0);
}

TEST_CASE("messages that clients do not take are bounded, and each has its time") {
  using namespace std::chrono_literals;
  SteadyTime const now{1000s};
  Outbox box({1000, 100, 5s});
  std::string given_up;
  auto const ender = [&given_up](char name) { return [&given_up, name] { given_up += name; }; };
  auto const first = box.add(400, now, ender('a'));
  CHECK(first->deadline == now + 9s);
  auto const second = box.add(600, now + 1s, ender('b'));
  CHECK(given_up.empty());
  auto const third = box.add(500, now + 2s, ender('c'));
  CHECK(given_up == "ab");
  CHECK(box.bytes() == 500);
  auto const whole = box.add(5000, now + 3s, ender('d'));
  CHECK(given_up == "abc");
  CHECK(box.bytes() == 5000);
  box.remove(whole);
  box.abort(box.add(1, now, ender('e')));
  CHECK(given_up == "abce");
  CHECK(box.bytes() == 0);
  CHECK(Outbox({1000, 0, 5s}).add(400, now, {})->deadline == SteadyTime::max());
  static_cast<void>(second);
  static_cast<void>(third);
}
