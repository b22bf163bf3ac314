#include <unistd.h>

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "inference/fetch/reach.hpp"
#include "inference/labels/labels.hpp"
#include "inference/service/compute.hpp"
#include "inference/service/links.hpp"
#include "inference/service/model.hpp"
#include "inference/service/source.hpp"
#include "inference/service/watch.hpp"
#include "runtime/async/task_group.hpp"
#include "tests/runtime/loop.hpp"

using namespace ei;
using namespace ei::inference;
namespace wire = ei::dispatcher::link;  // `link` is a function of unistd.h

TEST_CASE("labels: one name a line, whatever the line ends and the end of the file") {
  struct Row {
    std::string text;
    Labels expected;
  };
  auto const row = GENERATE(values<Row>({{"a\nb", {"a", "b"}},
                                         {"a\r\nb\r\n", {"a", "b"}},
                                         {"\xEF\xBB\xBFtabby cat\n\n\n", {"tabby cat"}},
                                         {"Dürer\n", {"Dürer"}}}));
  auto const labels = parse_labels(row.text);
  REQUIRE(labels.has_value());
  CHECK(*labels == row.expected);
}

TEST_CASE("labels: an empty or broken line is refused by its number") {
  CHECK_THAT(parse_labels("a\n\nb\n").error().message, Catch::Contains("line 2 is empty"));
  CHECK_THAT(parse_labels("a\r\r\nb\n").error().message, Catch::Contains("line 1 has a control character"));
  CHECK_THAT(parse_labels("a\nb\x01"
                          "c\n")
                 .error()
                 .message,
             Catch::Contains("line 2 has a control character"));
  CHECK_THAT(parse_labels("a\n\xFF\n").error().message, Catch::Contains("line 2 is not UTF-8"));
  CHECK_THAT(parse_labels(std::string(201, 'x')).error().message, Catch::Contains("line 1 is longer"));
  CHECK_THAT(parse_labels("\n\n").error().message, Catch::Contains("names no class"));
}

TEST_CASE("labels: their number must be the model's") {
  CHECK(check_labels({"a", "b"}, 2).has_value());
  CHECK_THAT(check_labels({"a", "b"}, 3).error().message,
             Catch::Contains("names 2 classes, the model has 3"));
}

TEST_CASE("model URIs: each scheme, and what is refused") {
  CHECK(parse_model_uri("builtin://shapes").value() == ModelSource{FromShapes{}});
  CHECK(parse_model_uri("builtin://random").value() == ModelSource{FromRandom{1, 10}});
  CHECK(parse_model_uri("builtin://random?seed=4&classes=3").value() == ModelSource{FromRandom{4, 3}});
  CHECK(parse_model_uri("file:///m/a%20b.pth").value() == ModelSource{FromFile{"/m/a b.pth"}});
  CHECK(parse_model_uri("m/a.pth").value() == ModelSource{FromFile{"m/a.pth"}});
  CHECK(std::holds_alternative<FromNetwork>(parse_model_uri("https://example.org/a.pth").value()));
  for (auto const* const refused :
       {"", "builtin://other", "builtin://random?classes=0", "builtin://random?seed=x", "file://relative",
        "ftp://example.org/a", "pvc://claim/a", "https://"}) {
    CAPTURE(refused);
    CHECK_FALSE(parse_model_uri(refused).has_value());
  }
  CHECK(parse_label_uri("builtin://imagenet").value() == LabelSource{FromImagenet{}});
  CHECK_FALSE(parse_label_uri("builtin://random").has_value());
}

TEST_CASE("downloads: which URLs and which addresses are within reach") {
  struct Row {
    std::string url;
    std::string address;  ///< that its host turned out to have; empty: it is not asked for
    std::string says;     ///< empty: admitted
    std::string why;
  };
  Reach reach;
  SECTION("by default the open network") {
    for (auto const& row : {
             Row{"https://a.example/m", "93.184.216.34", "", "a public address"},
             Row{"https://a.example/m", "127.0.0.1", "a.example (127.0.0.1) is a loopback address",
                 "a name of this machine"},
             Row{"https://127.evil.com/m", "127.0.0.1", "a loopback address",
                 "what it begins with does not matter"},
             Row{"http://127.evil.com/m", "", "use https", "a name, so not this machine"},
             Row{"https://a.example/m", "::1", "a loopback address", "IPv6"},
             Row{"https://a.example/m", "::ffff:127.0.0.1", "a loopback address", "IPv4-mapped"},
             Row{"https://a.example/m", "64:ff9b::7f00:1", "a loopback address", "NAT64"},
             Row{"https://a.example/m", "10.0.0.1", "a private address", "rebound to this network"},
             Row{"https://a.example/m", "169.254.169.254", "nothing is ever loaded", "rebound to metadata"},
             Row{"https://a.example/m", "fd00:ec2::254", "nothing is ever loaded", "likewise over IPv6"},
             Row{"https://a.example/m", "fe80::1%1", "nothing is ever loaded", "link-local with a zone"},
             Row{"https://a.example/m", "0.0.0.0", "nothing is ever loaded",
                 "this machine, in another spelling"},
             Row{"https://2130706433/m", "", "a loopback address", "a number is an address"},
             Row{"https://localhost/m", "", "a loopback address", "this machine by name"},
             Row{"http://localhost/m", "", "a loopback address", "without TLS"},
             Row{"http://a.example/m", "", "use https", "anybody on the way could change it"},
             Row{"ws://a.example/m", "", "use https", "no download"},
         }) {
      INFO(row.url << " " << row.address << ": " << row.why);
      auto const url = http::parse_url(row.url).value();
      auto const admitted = row.address.empty()
                                ? admit_url(reach, url)
                                : admit_address(reach, url, asio::ip::make_address(row.address));
      CHECK(admitted.has_value() == row.says.empty());
      if (!admitted) CHECK_THAT(admitted.error().message, Catch::Contains(row.says));
    }
  }
  SECTION("this machine without TLS where it is allowed, and only it") {
    reach.addresses.loopback = true;
    auto const url = http::parse_url("http://localhost/m").value();
    CHECK(admit_url(reach, url).has_value());
    CHECK(admit_address(reach, url, asio::ip::make_address("127.0.0.1")).has_value());
    CHECK_FALSE(admit_address(reach, url, asio::ip::make_address("93.184.216.34")).has_value());
    CHECK_FALSE(admit_url(reach, http::parse_url("https://10.0.0.1/m").value()).has_value());
  }
  SECTION("only the hosts that are listed") {
    reach.hosts = {"a.example", "*.cdn.example"};
    CHECK(admit_url(reach, http::parse_url("https://a.example/m").value()).has_value());
    CHECK(admit_url(reach, http::parse_url("https://x.cdn.example/m?KEY").value()).has_value());
    auto const refused = admit_url(reach, http::parse_url("https://evil.example/m?KEY").value());
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message ==
          "evil.example is not among the hosts that models may come from (a.example, *.cdn.example)");
  }
}

TEST_CASE("files: what the system keeps is no model, whatever links lead there") {
  auto const folder = std::filesystem::temp_directory_path() / ("ei-files-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "labels.txt") << "a\n";
  std::filesystem::create_symlink("/proc/self/environ", folder / "link");
  std::filesystem::create_symlink(folder / "labels.txt", folder / "fine");
  CHECK(check_file(folder / "labels.txt").has_value());
  CHECK(check_file(folder / "fine").has_value());
  CHECK(check_file(folder / "missing").error().kind == ErrorKind::NotFound);
  for (auto const& refused :
       {std::filesystem::path("/proc/self/environ"), folder / "link",
        folder / "../../../../../../proc/self/environ", std::filesystem::path("/dev/zero"),
        std::filesystem::path("/sys/kernel/notes"), folder}) {
    CAPTURE(refused);
    CHECK(check_file(refused).error().kind == ErrorKind::Forbidden);
  }
  std::filesystem::remove_all(folder);
}

TEST_CASE("dispatcher names: host, port and bracketed IPv6") {
  CHECK(parse_dispatcher("a.b.svc:81").value().host == "a.b.svc");
  CHECK(parse_dispatcher("a.b.svc:81").value().port == 81);
  CHECK(parse_dispatcher("localhost").value().port == 8002);
  CHECK(parse_dispatcher("[::1]:9").value().host == "::1");
  for (auto const* const refused : {"", ":80", "a:", "a:0", "a:x", "a:99999", "[::1", "[::1]x", "::1"}) {
    CAPTURE(refused);
    CHECK_FALSE(parse_dispatcher(refused).has_value());
  }
}

TEST_CASE("compute thread: work runs in order, off the caller's thread, and its exceptions are values") {
  test::run([]() -> asio::awaitable<void> {
    ComputeThread compute(co_await asio::this_coro::executor, 4);
    std::thread::id other;
    std::function<void()> note = [&] { other = std::this_thread::get_id(); };
    CHECK((co_await compute.run(note)).has_value());
    CHECK(other != std::this_thread::get_id());
    std::function<void()> fail = [] { throw std::runtime_error("no"); };
    auto const failed = co_await compute.run(fail);
    CHECK(failed.error().message == "the computation failed: no");
  });
}

TEST_CASE(
    "compute thread: more work than its capacity is refused, but for what is always admitted, and cancelled "
    "work is never begun") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    ComputeThread compute(executor, 2);
    std::atomic<bool> release = false;
    std::atomic<int> ran = 0;
    std::function<void()> hold = [&] {
      while (!release) std::this_thread::yield();
      ++ran;
    };
    TaskGroup first(executor, {});
    TaskGroup second(executor, {});
    std::function<asio::awaitable<void>()> held = [&]() -> asio::awaitable<void> {
      static_cast<void>(co_await compute.run(hold));
    };
    first.spawn("first", held);
    second.spawn("second", held);
    co_await sleep_for(milliseconds(20));
    auto const refused = co_await compute.run(hold);
    CHECK(refused.error().kind == ErrorKind::TooMany);
    TaskGroup always(executor, {});
    std::function<asio::awaitable<void>()> admitted = [&]() -> asio::awaitable<void> {
      auto const done = co_await compute.run(hold, Admit::Always);
      CHECK(done.has_value());
    };
    always.spawn("always", admitted);
    // stop() waits for the task, which waits for its turn behind the first: let that go from another thread.
    std::thread later([&] {
      std::this_thread::sleep_for(milliseconds(20));
      release = true;
    });
    co_await second.stop();
    later.join();
    CHECK(co_await first.wait(milliseconds(5000)));
    CHECK(co_await always.wait(milliseconds(5000)));
    CHECK(ran == 2);
  });
}

TEST_CASE("jobs: pictures, tensors and broken pictures each get their item, and probabilities their row") {
  use_one_thread();
  auto model = build_model({FromRandom{1, 10}, {}, Precision::Fp32});
  REQUIRE(model.has_value());
  wire::Job job;
  job.id = 7;
  job.top = 3;
  job.probabilities = true;
  job.items = {{wire::ItemKind::Image, 5, 1}, {wire::ItemKind::Tensor, 2 * wire::kTensorBytes, 2}};
  job.payload = "hello" + std::string(2 * wire::kTensorBytes, '\0');
  auto const result = answer_job(*model, job);
  CHECK(result.id == 7);
  REQUIRE(result.items.size() == 3);
  CHECK(std::get<wire::ItemError>(result.items[0]).status == 400);
  auto const top = std::get<std::vector<wire::Prediction>>(result.items[1]);
  REQUIRE(top.size() == 3);
  CHECK(top[0].probability >= top[1].probability);
  CHECK(top[0].label == "class " + std::to_string(top[0].index));
  CHECK(result.items[1] == result.items[2]);
  REQUIRE(result.probabilities.size() == 30);
  double sums[3] = {};
  for (std::size_t i = 0; i < 30; ++i) sums[i / 10] += static_cast<double>(result.probabilities[i]);
  CHECK(sums[0] == 0);
  CHECK(sums[1] == Approx(1));
  CHECK(sums[2] == Approx(1));
}

TEST_CASE("jobs: a tensor of no numbers is a 400, not a NaN in the answer") {
  use_one_thread();
  auto model = build_model({FromRandom{1, 4}, {}, Precision::Fp32});
  REQUIRE(model.has_value());
  wire::Job job;
  job.items = {{wire::ItemKind::Tensor, wire::kTensorBytes, 1}};
  job.payload = std::string(wire::kTensorBytes, '\xff');
  auto const result = answer_job(*model, job);
  CHECK(std::get<wire::ItemError>(result.items.at(0)).status == 400);
}

TEST_CASE("jobs: a tensor far from any picture is the client's 400, and within that scores are finite") {
  use_one_thread();
  auto model = build_model({FromRandom{1, 4}, {}, Precision::Fp32});
  REQUIRE(model.has_value());
  auto const answer = [&](float value) {
    std::vector<float> const tensor(kPictureElements, value);
    wire::Job job;
    job.items = {{wire::ItemKind::Tensor, wire::kTensorBytes, 1}};
    job.payload.assign(reinterpret_cast<char const*>(tensor.data()), wire::kTensorBytes);
    return answer_job(*model, job).items.at(0);
  };
  CHECK(
      std::get<wire::ItemError>(answer(3e38F)).detail ==
      "the tensor holds 3e+38 at element 0; allowed are values of a normalised picture, at most 1e6 in size");
  CHECK(std::holds_alternative<std::vector<wire::Prediction>>(answer(65'535)));
  CHECK(std::holds_alternative<std::vector<wire::Prediction>>(answer(-1e6F)));
  CHECK(model->nonfinite == 0);
}

TEST_CASE("models: labels that do not fit the weights are a start-up error") {
  auto const model = build_model({FromRandom{1, 10}, FromImagenet{}, Precision::Fp32});
  REQUIRE_FALSE(model.has_value());
  CHECK_THAT(model.error().message, Catch::Contains("names 1000 classes, the model has 10"));
}

TEST_CASE("models: more classes than the worker link carries are a start-up error") {
  use_one_thread();
  auto const model = build_model({FromRandom{1, 65'537}, {}, Precision::Fp32});
  REQUIRE_FALSE(model.has_value());
  CHECK_THAT(model.error().message, Catch::Contains("has 65537 classes; allowed: at most 65536"));
}

TEST_CASE("models: the embedded model has a name for each class") {
  use_one_thread();
  auto const model = build_model({FromShapes{}, {}, Precision::Fp32});
  REQUIRE(model.has_value());
  CHECK(model->labels.size() >= 20);
  CHECK(model->labels_sha256.size() == 64);
}

TEST_CASE(
    "the limit of a job follows from its pictures and the worker's speed, well below the dispatcher's "
    "patience") {
  struct Row {
    std::size_t pictures;
    milliseconds forward;
    milliseconds limit;
    char const* why;
  };
  auto const row =
      GENERATE(values<Row>({{1, milliseconds(10), milliseconds(12'020), "a core of its own"},
                            {1, milliseconds(46), milliseconds(12'092), "a core without AMX"},
                            {1, milliseconds(460), milliseconds(28'920), "a tenth of one: cpu 100m"},
                            {8, milliseconds(46), milliseconds(26'736), "a batch"},
                            {64, milliseconds(460), milliseconds(45'000), "never more"}}));
  INFO(row.why);
  CHECK(job_limit(row.pictures, row.forward) == row.limit);
}

TEST_CASE(
    "a job that computes for longer than it may is told once, and time in which nothing ran does not count") {
  JobWatch watch;
  auto const job = std::make_shared<wire::Job const>();
  auto const ticks = [&](int count, milliseconds each) {
    int told = 0;
    for (int i = 0; i < count; ++i) told += watch.tick(each) ? 1 : 0;
    return told;
  };
  CHECK(ticks(100, JobWatch::kPeriod) == 0);  // nothing computes
  watch.begin(job, milliseconds(1000));
  CHECK(ticks(10, JobWatch::kPeriod) == 0);
  watch.end();
  watch.begin(job, milliseconds(1000));
  CHECK(ticks(1, milliseconds(60'000)) == 0);  // the machine was paused for a minute
  CHECK(ticks(8, JobWatch::kPeriod) == 0);
  auto const overrun = watch.tick(JobWatch::kPeriod);
  REQUIRE(overrun);
  CHECK(overrun->job == job);
  CHECK(overrun->spent == milliseconds(1100));
  CHECK(overrun->limit == milliseconds(1000));
  CHECK(ticks(100, JobWatch::kPeriod) == 0);
}
