#include "operator/backend/local/instance.hpp"

#include <catch2/catch.hpp>

namespace local = ei::backend::local;
using namespace std::chrono_literals;

namespace {

ei::SteadyTime const kStart{1h};

local::Slot slot(bool ready, int created_second) {
  local::Slot made;
  made.current = std::make_shared<local::Instance>();
  made.current->ready = ready;
  made.current->created = ei::WallTime(std::chrono::seconds(created_second));
  return made;
}

}  // namespace

TEST_CASE("Restarts wait from 10 ms, doubled, up to 10 s") {
  CHECK(local::restart_delay(1) == 10ms);
  CHECK(local::restart_delay(2) == 20ms);
  CHECK(local::restart_delay(10) == 5120ms);
  CHECK(local::restart_delay(11) == 10s);
  CHECK(local::restart_delay(1000) == 10s);
}

TEST_CASE("A process that lasted is not held against the next") {
  local::Slot made;
  local::Instance instance;
  instance.name = "worker-3";
  instance.started = kStart;
  for (int i = 0; i < 5; ++i) local::note_failure(made, instance, "exited with 1", kStart + 1s);
  CHECK(made.failures == 5);
  CHECK(made.retry_at == kStart + 1s + 160ms);
  CHECK(made.trouble->message == "worker-3 exited with 1, the next start is 160 ms later");
  local::note_failure(made, instance, "exited with 1", kStart + 11s);
  CHECK(made.failures == 1);
}

TEST_CASE("Scaling down gives up those not ready first, then the newest") {
  std::vector<local::Slot> slots;
  for (auto const& [ready, age] : {std::pair{true, 30}, {false, 10}, {true, 10}, {true, 20}})
    slots.push_back(slot(ready, age));
  slots.emplace_back();
  CHECK(local::surplus(slots, 5).empty());
  CHECK(local::surplus(slots, 4) == std::vector<std::size_t>{4});
  CHECK(local::surplus(slots, 3) == std::vector<std::size_t>{1, 4});
  CHECK(local::surplus(slots, 2) == std::vector<std::size_t>{0, 1, 4});
  CHECK(local::surplus(slots, 1) == std::vector<std::size_t>{0, 1, 3, 4});
  CHECK(local::surplus(slots, 9).empty());
}
