#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "runtime/core/json.hpp"
#include "tests/dispatcher/oip_bodies.hpp"

using namespace ei;
using namespace ei::dispatcher;
using namespace ei::dispatcher::oip;

namespace {

Answer answer(std::string label, double probability, std::vector<float> all = {}) {
  Answer out;
  out.top = {{std::move(label), 0, probability}};
  out.probabilities = std::move(all);
  return out;
}

}  // namespace

TEST_CASE("outputs are given in the order and form they were asked for") {
  auto const request =
      parsed(R"({"id":"42","parameters":{"binary_data_output":true},"outputs":[{"name":"probabilities"},)"
             R"({"name":"label","parameters":{"binary_data":false}}],)" +
             bytes_input("[1]", R"("data":["aGVsbG8="])").substr(1));
  CHECK(request.outputs == std::vector<WantedOutput>{{Output::Probabilities, true}, {Output::Label, false}});
  auto const response = write_infer({"resnet18"}, request, {answer("tabby", 0.75, {0.25f, 0.75f})});
  REQUIRE(response.header_length);
  auto const head = parse_json(std::string_view(response.body).substr(0, *response.header_length));
  REQUIRE(head.has_value());
  CHECK(string_or(*head, "model_name") == "resnet18");
  CHECK(string_or(*head, "id") == "42");
  auto const& outputs = head->at("outputs").as_array();
  CHECK(outputs.at(0) == boost::json::value({{"name", "probabilities"},
                                             {"datatype", "FP32"},
                                             {"shape", {1, 2}},
                                             {"parameters", {{"binary_data_size", 8}}}}));
  CHECK(outputs.at(1) ==
        boost::json::value({{"name", "label"}, {"datatype", "BYTES"}, {"shape", {1}}, {"data", {"tabby"}}}));
  CHECK(response.body.substr(*response.header_length) == std::string("\0\0\x80\x3e\0\0\x40\x3f", 8));
}

TEST_CASE("the default answer is the label and its probability in JSON, and binary when asked") {
  auto request = parsed(bytes_input("[2]", R"("data":["aGVsbG8=","aGVsbG8="])"));
  std::vector<Answer> const answers = {answer("a", 0.5), answer("bc", 0.25)};
  auto const response = write_infer({"m"}, request, answers);
  CHECK_FALSE(response.header_length);
  CHECK(response.body == R"({"model_name":"m","model_version":"1","outputs":[)"
                         R"({"name":"label","datatype":"BYTES","shape":[2],"data":["a","bc"]},)"
                         R"({"name":"probability","datatype":"FP32","shape":[2],"data":[0.5,0.25]}]})");
  for (auto& output : request.outputs) output.binary = true;
  auto const binary = write_infer({"m"}, request, answers);
  REQUIRE(binary.header_length);
  CHECK(binary.body.substr(*binary.header_length) ==
        element("a") + element("bc") + std::string("\0\0\0\x3f\0\0\x80\x3e", 8));
}

TEST_CASE("an answer names the weights that gave it, and both where a rollout came between its pictures") {
  std::vector<Answer> answers = {answer("a", 0.5), answer("b", 0.5), answer("c", 0.5)};
  CHECK(model_version(answers) == "1");
  for (auto& each : answers) each.model_version = "0123456789ab";
  CHECK(model_version(answers) == "0123456789ab");
  answers[1].model_version = "fedcba987654";
  CHECK(model_version(answers) == "0123456789ab,fedcba987654");
}

TEST_CASE("a version may be named that a worker has, and any while there is none") {
  ServedModel const ours{"m"};
  Versions const served{"0123456789ab", "fedcba987654"};
  CHECK(check_model(ours, served, "m", std::nullopt).has_value());
  for (auto const& version : served) CHECK(check_model(ours, served, "m", version).has_value());
  CHECK(check_model(ours, {}, "m", "0").has_value());
  auto const other = check_model(ours, served, "m", "1");
  REQUIRE(other.has_error());
  CHECK(other.error().http_status == 404);
  CHECK(other.error().message ==
        R"(the model "m" has no version "1"; allowed: "0123456789ab", "fedcba987654")");
  CHECK(check_model(ours, {}, "n", std::nullopt).error().http_status == 404);
}

TEST_CASE("the classification extension gives the most probable classes as Triton writes them") {
  auto const with = [](std::string const& outputs) {
    return R"({"outputs":)" + outputs + "," + bytes_input("[2]", R"("data":["eA==","eA=="])").substr(1);
  };
  auto const request =
      parsed(with(R"([{"name":"probabilities","parameters":{"classification":2}},{"name":"label"}])"));
  CHECK_FALSE(request.probabilities());
  CHECK(request.top() == 2);
  std::vector<Answer> answers = {answer("tabby", 0.75), answer("a:b", 0.5)};
  answers[0].top.push_back({"dog", 7, 0.125});
  answers[1].top.push_back({"", 9, 0.25});
  answers[1].top.push_back({"more", 3, 0.1});
  auto const response = write_infer({"m"}, request, answers);
  CHECK(response.body == R"({"model_name":"m","model_version":"1","outputs":[)"
                         R"({"name":"probabilities","datatype":"BYTES","shape":[2,2],"data":)"
                         R"(["0.750000:0:tabby","0.125000:7:dog","0.500000:0:a:b","0.250000:9:"]},)"
                         R"({"name":"label","datatype":"BYTES","shape":[2],"data":["tabby","a:b"]}]})");
  auto binary =
      parsed(with(R"([{"name":"probability","parameters":{"classification":100,"binary_data":true}}])"));
  CHECK(binary.top() == 100);
  answers[1].top.pop_back();
  auto const bytes = write_infer({"m"}, binary, answers);
  REQUIRE(bytes.header_length);
  CHECK_THAT(bytes.body, Catch::Contains(R"("name":"probability","datatype":"BYTES","shape":[2,2])"));
  CHECK(bytes.body.substr(*bytes.header_length) == element("0.750000:0:tabby") + element("0.125000:7:dog") +
                                                       element("0.500000:0:a:b") + element("0.250000:9:"));
  // Triton's clients send 0 for none.
  CHECK(parsed(with(R"([{"name":"probabilities","parameters":{"classification":0}}])")).probabilities());
  for (auto const* value : {"-1", "101", "1.5", "\"2\"", "true", "99999999999999999999"}) {
    CHECK_THAT(
        refusal(
            with(R"([{"name":"probabilities","parameters":{"classification":)" + std::string(value) + "}}]")),
        Catch::Contains("outputs[0].parameters.classification is ") && Catch::Contains("allowed: 0 to 100"));
  }
  CHECK_THAT(refusal(with(R"([{"name":"label","parameters":{"classification":1}}])")),
             Catch::Contains(R"(allowed for "probability" and "probabilities")"));
}

TEST_CASE("metadata names what the infer route takes and gives") {
  auto const model = parse_json(model_metadata({"resnet18"}, {"7"}));
  REQUIRE(model.has_value());
  CHECK(string_or(*model, "name") == "resnet18");
  CHECK(model->at("inputs") ==
        boost::json::value({{{"name", "image"}, {"datatype", "BYTES"}, {"shape", boost::json::array{-1}}}}));
  CHECK(model->at("outputs").as_array().size() == 3);
  CHECK(model->at("versions") == boost::json::array{"7"});
  auto const server = parse_json(server_metadata());
  REQUIRE(server.has_value());
  CHECK(server->at("extensions") == boost::json::array{"binary_tensor_data", "classification"});
}
