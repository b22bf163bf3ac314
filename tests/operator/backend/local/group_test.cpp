#include "operator/backend/local/group.hpp"

#include <stdlib.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>
#include <fstream>

namespace fs = std::filesystem;
namespace local = ei::backend::local;
using namespace std::chrono_literals;

namespace {

/// A folder with programs that only wait, and what a group lives in.
struct Machine {
  boost::asio::io_context context;
  fs::path folder;
  local::Processes processes{context.get_executor(), [](std::string_view) {}};
  local::Surroundings surroundings;

  Machine()
      : folder(temporary()), surroundings{context.get_executor(), {}, processes, {0}, [] {
                                            return std::vector<int>();
                                          }} {
    surroundings.settings.programs = folder;
    surroundings.settings.run_dir = folder;
    surroundings.settings.dispatcher_port = 0;
    for (auto const* program : {"inference-dispatcher", "inference-worker"}) {
      std::ofstream(folder / program) << "#!/bin/sh\nexec sleep 30\n";
      fs::permissions(folder / program, fs::perms::owner_all);
    }
  }
  ~Machine() { fs::remove_all(folder); }

  static fs::path temporary() {
    std::string name = (fs::temp_directory_path() / "group-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()));
    return name;
  }
};

}  // namespace

TEST_CASE("A process that tells its ports before anybody looks is not started twice") {
  Machine machine;
  auto const group = std::make_shared<local::Group>(machine.surroundings, ei::api::ServiceKey{"default", "a"},
                                                    std::uint16_t{0}, [] {});
  REQUIRE(group->prepare());
  std::ofstream(machine.folder / "default.a" / "a-dispatcher-1.ports") << R"({"http": 1, "metrics": 2})";
  // As the reconciler does: from the executor, where a task begins at once.
  boost::asio::post(machine.context, [&] { group->ensure_dispatchers({}, 1); });
  for (int i = 0; i < 200 && machine.processes.running() == 0; ++i) machine.context.run_for(50ms);
  machine.context.run_for(50ms);
  CHECK(machine.processes.running() == 1);
}

TEST_CASE("A service that was removed and is back gives its processes new names") {
  Machine machine;
  for (auto const* name : {"a-dispatcher-1", "a-dispatcher-2"}) {
    auto const group = std::make_shared<local::Group>(
        machine.surroundings, ei::api::ServiceKey{"default", "a"}, std::uint16_t{0}, [] {});
    REQUIRE(group->prepare());
    group->ensure_dispatchers({}, 1);
    ei::plan::Observation seen;
    group->observe(seen);
    REQUIRE(seen.dispatchers.size() == 1);
    CHECK(seen.dispatchers[0].name == name);
  }
}
