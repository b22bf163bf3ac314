#include <catch2/catch.hpp>

#include "operator/plan/footprint.hpp"

using namespace ei::plan;

TEST_CASE("a dispatcher's memory holds what its queue, its bodies and its connections may take") {
  struct Row {
    int capacity;
    std::int64_t connections;
    std::string memory;
  };
  for (Row const& row : {Row{1, 1025, "1088Mi"}, Row{1000, 2274, "1088Mi"}, Row{10'000, 13'524, "1472Mi"},
                         Row{100'000, 126'024, "4992Mi"}}) {
    INFO(row.capacity);
    auto const footprint = dispatcher_footprint(row.capacity);
    CHECK(footprint.connections == row.connections);
    CHECK(quantity_of_mib(footprint.memory_mib) == row.memory);
    CHECK(footprint.connections * 32 * 1024 + footprint.queue_bytes + footprint.upload_bytes <
          footprint.memory_mib * 1024 * 1024);
  }
}

TEST_CASE("TLS costs a dispatcher memory for each connection, of clients and of workers") {
  CHECK(quantity_of_mib(dispatcher_footprint(1000, true).memory_mib) == "1344Mi");
  auto const plain = dispatcher_footprint(100'000);
  auto const encrypted = dispatcher_footprint(100'000, true);
  CHECK(plain.connections == encrypted.connections);
  CHECK(encrypted.connections * (32 + 96) * 1024 + 1000 * 96 * 1024 + encrypted.queue_bytes +
            encrypted.upload_bytes <
        encrypted.memory_mib * 1024 * 1024);
}
