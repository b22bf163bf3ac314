#include <catch2/catch.hpp>
#include <random>

#include "dispatcher/contract/link/protocol.hpp"
#include "tests/dispatcher/seed.hpp"

using namespace ei;
using namespace ei::dispatcher::link;

namespace {

std::string frame(std::string const& header, std::string const& payload = "") {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(header.size() >> shift & 0xff));
  return out + header + payload;
}

Job two_pictures() {
  Job job;
  job.id = 18446744073709551615ULL;
  job.items = {{ItemKind::Image, 3, 1}, {ItemKind::Tensor, 2 * kTensorBytes, 2}};
  job.top = 7;
  job.probabilities = true;
  job.deadline = std::chrono::milliseconds(1234);
  job.payload = "abc" + std::string(2 * kTensorBytes, '\7');
  return job;
}

JobResult mixed_result() {
  JobResult result;
  result.id = 7;
  result.items = {std::vector<Prediction>{{"tabby", 281, 0.5}, {"a \"quoted\" \xc3\xa9", 1, 0.25}},
                  ItemError{400, "cannot decode"}};
  result.preprocess_ms = 1.5;
  result.inference_ms = 10.25;
  result.waited_ms = 250.5;
  result.probabilities = {0.5f, 0.25f, 0.25f, 0, 0, 0};
  return result;
}

}  // namespace

TEST_CASE("every message of the worker link decodes to what was encoded") {
  for (FromWorker const& message :
       {FromWorker(Hello{"w-1", "resnet18", 1000, std::string(64, 'a'), 2}),
        FromWorker(Hello{"w-1", "resnet18", 1000, "", 2, "log_probabilities"}),
        FromWorker(Hello{"w-1", "resnet18", 1000, "", 2, "scores", "int8", 0.96875}), FromWorker(Ready{}),
        FromWorker(mixed_result()), FromWorker(Bye{}), FromWorker(Standby{}),
        FromWorker(Hello{"w-1", "resnet18", 1000, "", 2, "", "", {}, "1", true}),
        FromWorker(Overrun{18446744073709551615ULL})}) {
    auto const decoded = decode_from_worker(encode(message));
    REQUIRE(decoded.has_value());
    CHECK(*decoded == message);
  }
  for (FromDispatcher const& message : {FromDispatcher(two_pictures()), FromDispatcher(Cancel{9})}) {
    auto const decoded = decode_from_dispatcher(encode(message));
    REQUIRE(decoded.has_value());
    CHECK(*decoded == message);
  }
}

TEST_CASE("a job's parts are its items' bytes, and behind the job's head they are its frame") {
  Job const job = two_pictures();
  auto const views = parts(job);
  REQUIRE(views.size() == 2);
  CHECK(views[0] == "abc");
  CHECK(views[1].size() == 2 * kTensorBytes);
  CHECK(encode_job_head(job) + job.payload == encode(FromDispatcher(job)));
}

TEST_CASE("a worker need not say how long a job waited in it") {
  auto const decoded =
      decode_from_worker(frame(R"({"type":"result","id":1,"items":[{"error":{"status":400,"detail":"x"}}],)"
                               R"("preprocess_ms":1,"inference_ms":2,"probabilities":false})"));
  REQUIRE(decoded.has_value());
  CHECK(std::get<JobResult>(*decoded).waited_ms == 0);
}

TEST_CASE("a worker of a release without versions serves the one that every model had then") {
  auto const decoded = decode_from_worker(
      frame(R"({"type":"hello","worker":"w","model":"m","classes":2,"labels_sha256":"","slots":1})"));
  REQUIRE(decoded.has_value());
  CHECK(std::get<Hello>(*decoded).model_version == "1");
}

TEST_CASE("a float32 softmax that rounds over one is taken as one") {
  auto const decoded = decode_from_worker(
      frame(R"({"type":"result","id":1,"preprocess_ms":0,"inference_ms":0,"probabilities":false,)"
            R"("items":[{"top":[{"label":"x","index":0,"probability":1.0000001}]}]})"));
  REQUIRE(decoded.has_value());
  auto const& top = std::get<std::vector<Prediction>>(std::get<JobResult>(*decoded).items.at(0));
  CHECK(top.at(0).probability == 1.0);
}

TEST_CASE("a wrong frame is refused with an error that names the field, its value and what is allowed") {
  struct Row {
    std::string frame;
    std::string message;
    const char* why;
  };
  std::string const result_head = R"("type":"result","id":1,"preprocess_ms":0,"inference_ms":0)";
  std::string const one_top = R"("items":[{"top":[{"label":"x","index":0,"probability":1}]}])";
  std::vector<Row> const rows = {
      {"abc", "a frame of 3 bytes has no header length", "shorter than the length itself"},
      {std::string("\xff\xff\xff\xff", 4), "header length is 4294967295; allowed: at most 1048576",
       "length bomb"},
      {std::string("\0\0\0\x05{}", 6), "header length is 5 but the frame has only 2 bytes", "cut off"},
      {frame("nope"), "header is not JSON", "not JSON"},
      {frame("[1]"), "header is [1]; allowed: an object", "not an object"},
      {frame("{}"), "header.type is missing", "no type"},
      {frame(R"({"type":"jump"})"),
       "header.type is \"jump\"; allowed from a worker: hello, ready, standby, result, bye", "type"},
      {frame(R"({"type":"ready"})", "x"), "ready carries a payload", "payload where none belongs"},
      {frame(R"({"type":"hello","worker":"w","model":"m","classes":0,"labels_sha256":"","slots":1})"),
       "hello.classes is 0; allowed: a whole number from 1 to 65536", "no classes"},
      {frame(
           R"({"type":"hello","worker":"w","model":"m","classes":2,"labels_sha256":"","slots":1,"output":"x"})"),
       "hello.output is \"x\"; allowed: scores, probabilities, log_probabilities", "a label of a metric"},
      {frame(
           R"({"type":"hello","worker":"w","model":"m","classes":2,"labels_sha256":"","slots":1,"precision":"fp8"})"),
       "hello.precision is \"fp8\"; allowed: fp32, bf16, int8", "a label of a metric"},
      {frame(
           R"({"type":"hello","worker":"w","model":"m","classes":2,"labels_sha256":"","slots":1,"agreement":1.5})"),
       "hello.agreement is 1.5; allowed: a number from 0 to 1", "more than every picture"},
      {frame(
           R"({"type":"hello","worker":"w","model":"m","classes":2,"labels_sha256":"","slots":1,"model_version":"V1"})"),
       "hello.model_version is \"V1\"; allowed: 1 to 12 lower-case hexadecimal digits",
       "a label of a metric, and a part of a path"},
      {frame(R"({"type":"hello","worker":1,"model":"m","classes":2,"labels_sha256":"","slots":1})"),
       "hello.worker is 1; allowed: a string of at most 256 bytes", "wrong type"},
      {frame("{" + result_head + R"(,"probabilities":false,"items":[]})"),
       "result.items is []; allowed: a list of 1 to 64", "no items"},
      {frame("{" + result_head + R"(,"probabilities":false,"items":[{"error":{"status":200,"detail":""}}]})"),
       "result.items[0].error.status is 200; allowed: a whole number from 400 to 599",
       "an error that is none"},
      {frame("{" + result_head +
             R"(,"probabilities":false,"items":[{"top":[{"label":"x","index":-1,"probability":1}]}]})"),
       "result.items[0].top[0].index is -1", "negative index"},
      {frame("{" + result_head +
             R"(,"probabilities":false,"items":[{"top":[{"label":"x","index":1,"probability":7}]}]})"),
       "result.items[0].top[0].probability is 7", "no probability"},
      {frame("{" + result_head + R"(,"probabilities":true,)" + one_top + "}", "12345"),
       "result payload has 5 bytes; allowed: float32 [1, classes]", "half a float"},
      {frame("{" + result_head + R"(,"probabilities":false,)" + one_top + "}", "1234"),
       "result has a payload of 4 bytes but probabilities is false", "payload not announced"},
  };
  for (auto const& row : rows) {
    CAPTURE(row.why);
    auto const decoded = decode_from_worker(row.frame);
    REQUIRE(decoded.has_error());
    CHECK(decoded.error().kind == ErrorKind::Protocol);
    CHECK_THAT(decoded.error().message, Catch::Contains(row.message));
  }
}

TEST_CASE("a job whose items do not add up to its payload is refused") {
  std::string const tail = R"("top":5,"probabilities":false,"deadline_ms":1})";
  auto const short_payload = decode_from_dispatcher(
      frame(R"({"type":"job","id":1,"items":[{"kind":"image","bytes":4}],)" + tail, "abc"));
  REQUIRE(short_payload.has_error());
  CHECK_THAT(short_payload.error().message, Catch::Contains("payload has 3 bytes but its items add up to 4"));
  auto const tensor = decode_from_dispatcher(
      frame(R"({"type":"job","id":1,"items":[{"kind":"tensor","bytes":3,"count":1}],)" + tail, "abc"));
  REQUIRE(tensor.has_error());
  CHECK_THAT(tensor.error().message, Catch::Contains("job.items[0].bytes is 3; allowed: count times 602112"));
  auto const kind = decode_from_dispatcher(
      frame(R"({"type":"job","id":1,"items":[{"kind":"song","bytes":3}],)" + tail, "abc"));
  REQUIRE(kind.has_error());
  CHECK_THAT(kind.error().message, Catch::Contains(R"(job.items[0].kind is "song"; allowed: image, tensor)"));
}

TEST_CASE("damaged frames never do more than fail to decode") {
  auto const seed = ei::dispatcher::test_seed();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  Job small = two_pictures();
  small.items = {{ItemKind::Image, 3, 1}};
  small.payload = "abc";
  std::vector<std::string> const good = {encode(FromWorker(mixed_result())), encode(FromDispatcher(small)),
                                         encode(FromWorker(Hello{"w", "m", 3, "", 1}))};
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good[random() % good.size()];
    for (auto edits = 1 + random() % 4; edits > 0 && !bytes.empty(); --edits) {
      auto const at = random() % bytes.size();
      switch (random() % 3) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, 1 + random() % 8);
          break;
        default:
          bytes.insert(at, 1, "{}[]\",:0-9e"[random() % 11]);
          break;
      }
    }
    if (auto const worker = decode_from_worker(bytes)) CHECK(decode_from_worker(encode(*worker)).has_value());
    if (auto const dispatcher = decode_from_dispatcher(bytes)) {
      CHECK(decode_from_dispatcher(encode(*dispatcher)).has_value());
    }
  }
}

TEST_CASE("a job names the requests that its pictures are of") {
  ei::RequestTag const tag{"id-1", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=1,b=2"};
  Job job;
  job.items = {{ItemKind::Image, 2, 1, tag}, {ItemKind::Image, 1, 1, {}}};
  job.payload = "abc";
  auto const frame = encode(FromDispatcher(job));
  auto const read = decode_from_dispatcher(frame);
  REQUIRE(read.has_value());
  CHECK(std::get<Job>(*read) == job);
  // Of the picture without a tag nothing is said: so is the frame of a dispatcher that knows none.
  CHECK(frame.find("request_id") == frame.rfind("request_id"));
}

TEST_CASE("a job whose request is named in no readable way is a job all the same") {
  for (std::string const members :
       {R"("request_id":5,"traceparent":[],"tracestate":null)", R"("request_id":"a b")",
        R"("traceparent":"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","tracestate":"a=1")",
        R"("tracestate":"a=1")"}) {
    std::string const header = R"({"type":"job","id":1,"items":[{"kind":"image","bytes":0,)" + members +
                               R"(}],"top":1,"probabilities":false,"deadline_ms":1})";
    std::string const frame = std::string("\0\0", 2) + static_cast<char>(header.size() >> 8) +
                              static_cast<char>(header.size() & 0xff) + header;
    auto const read = decode_from_dispatcher(frame);
    REQUIRE(read.has_value());
    CHECK(std::get<Job>(*read).items[0].tag == ei::RequestTag{});
  }
}
