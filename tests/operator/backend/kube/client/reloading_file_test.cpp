#include "operator/backend/kube/client/reloading_file.hpp"

#include <catch2/catch.hpp>

using namespace ei::kube;
using namespace std::chrono_literals;
using ei::ErrorKind;
using ei::Result;
using ei::SteadyTime;

namespace {

struct Disk {
  Result<std::string> content = std::string("good");
  int reads = 0;

  ReloadingFile file() {
    return {PemSource{{}, "/x"}, [](std::string_view text) { return text.starts_with("good"); },
            [this](auto const&) {
              ++reads;
              return content;
            }};
  }
};

}  // namespace

TEST_CASE("a file is read again within a minute, and not at every request") {
  Disk disk;
  auto file = disk.file();
  SteadyTime const start{1h};
  for (auto now = start; now < start + 5min; now += 100ms) CHECK(file.read(now).value() == "good");
  CHECK(disk.reads == 10);
  disk.content = std::string("good, new");
  CHECK(file.read(start + 6min).value() == "good, new");
}

TEST_CASE("an empty, broken or missing file leaves the old text in force") {
  Disk disk;
  auto file = disk.file();
  SteadyTime now{1h};
  CHECK(file.read(now).value() == "good");
  for (Result<std::string> const& bad : {Result<std::string>(""), Result<std::string>("garbage"),
                                         Result<std::string>(ei::make_error(ErrorKind::NotFound, "gone"))}) {
    disk.content = bad;
    CHECK(file.read(now += 1min).value() == "good");
  }
  disk.content = std::string("good again");
  CHECK(file.read(now += 1min).value() == "good again");
}

TEST_CASE("a file that was never good is an error, and is tried at every call") {
  Disk disk;
  disk.content = std::string("garbage");
  auto file = disk.file();
  CHECK_FALSE(file.read(SteadyTime{1h}).has_value());
  disk.content = std::string("good");
  CHECK(file.read(SteadyTime{1h}).value() == "good");
}

TEST_CASE("a rejected text is read again at once") {
  Disk disk;
  auto file = disk.file();
  CHECK(file.read(SteadyTime{1h}).value() == "good");
  disk.content = std::string("good, rotated");
  file.expire();
  CHECK(file.read(SteadyTime{1h}).value() == "good, rotated");
}

TEST_CASE("certificates are told from garbage") {
  CHECK_FALSE(holds_certificates(""));
  CHECK_FALSE(holds_certificates("garbage"));
  CHECK_FALSE(holds_certificates("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
}
