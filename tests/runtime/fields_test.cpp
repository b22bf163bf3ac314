#include "runtime/core/fields.hpp"

#include <catch2/catch.hpp>

#include "runtime/core/json.hpp"

namespace {

enum class Fruit { Apple, Pear };

std::string_view name(Fruit fruit) {
  return fruit == Fruit::Apple ? "apple" : "pear";
}

struct Basket {
  Fruit fruit = Fruit::Apple;
  int count = 0;
  std::optional<double> price;
  bool operator==(Basket const&) const = default;
};

template <class Fields>
void list_members(Fields& fields, Basket& basket) {
  fields.word("fruit", basket.fruit, {Fruit::Apple, Fruit::Pear});
  fields("count", basket.count);
  fields.maybe("price", basket.price);
}

struct Shop {
  std::string owner;
  bool open = false;
  double weight = 0;
  ei::milliseconds pause{0};
  ei::SteadyTime since{};
  std::vector<Basket> baskets;
  std::vector<std::string> notes;
  std::optional<std::string> motto = {};
  Fruit sign = Fruit::Pear;
  bool operator==(Shop const&) const = default;
};

template <class Fields>
void list_members(Fields& fields, Shop& shop) {
  fields("owner", shop.owner);
  fields("open", shop.open);
  fields.measured("weight", shop.weight);
  fields("pause_ms", shop.pause);
  fields("since_ns", shop.since);
  fields("baskets", shop.baskets);
  fields("notes", shop.notes);
  fields.if_any("motto", shop.motto);
  fields.maybe_word("sign", shop.sign, {Fruit::Apple, Fruit::Pear});
}

Shop example() {
  Shop shop{"Ada", true, 1.5, ei::milliseconds(250), {}, {{Fruit::Pear, 3, 0.5}, {Fruit::Apple, 1, {}}},
            {"x"}};
  shop.since = ei::SteadyTime(std::chrono::nanoseconds(42));
  return shop;
}

}  // namespace

TEST_CASE("fields: one list writes a struct and reads it back") {
  auto const written = ei::write_fields(example());
  CHECK(ei::to_json_text(written) ==
        R"({"owner":"Ada","open":true,"weight":1.5,"pause_ms":250,"since_ns":42,)"
        R"("baskets":[{"fruit":"pear","count":3,"price":0.5},{"fruit":"apple","count":1,"price":null}],)"
        R"("notes":["x"],"sign":"pear"})");
  auto const read = ei::read_fields<Shop>(written);
  REQUIRE(read.has_value());
  CHECK(*read == example());
}

TEST_CASE("fields: what an earlier release did not write stays as it is") {
  auto shop = example();
  shop.motto = "fresh";
  auto written = ei::write_fields(shop);
  CHECK(written.at("motto") == "fresh");
  written.erase("motto");
  written.erase("sign");
  auto const read = ei::read_fields<Shop>(written);
  REQUIRE(read.has_value());
  CHECK(*read == example());
}

TEST_CASE("fields: a number that was none comes back as none") {
  Shop shop;
  shop.weight = std::numeric_limits<double>::infinity();
  auto const read = ei::read_fields<Shop>(ei::write_fields(shop));
  REQUIRE(read.has_value());
  CHECK(std::isnan(read->weight));
}

TEST_CASE("fields: every fault is reported with its path, its value and what is allowed") {
  auto const wrong = ei::parse_json(R"({"open": 1, "weight": "heavy", "pause_ms": 0.5, "since_ns": null,
      "baskets": [{"fruit": "plum", "count": 3000000000, "price": "free"}, 7], "notes": {}, "sign": 1})");
  auto const read = ei::read_fields<Shop>(*wrong);
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().kind == ei::ErrorKind::Invalid);
  std::string const whole = "a whole number from -9223372036854775808 to 9223372036854775807";
  CHECK(
      read.error().message ==
      "owner is missing; open is 1; allowed: true, false; weight is \"heavy\"; allowed: a number; "
      "pause_ms is 0.5; allowed: " +
          whole + "; since_ns is null; allowed: " + whole +
          "; baskets[0].fruit is \"plum\"; allowed: apple, pear; baskets[0].count is 3000000000; allowed: a "
          "whole number from -2147483648 to 2147483647; baskets[0].price is \"free\"; allowed: a number; "
          "baskets[1] is 7; allowed: an object; notes is {}; allowed: a list; sign is 1; allowed: apple, "
          "pear");
}

TEST_CASE("fields: what is no object is refused, and a long value is cut") {
  CHECK(ei::read_fields<Shop>(boost::json::value(3)).error().message ==
        "the document is 3; allowed: an object");
  auto written = ei::write_fields(example());
  written["open"] = std::string(1000, 'x');
  CHECK(ei::read_fields<Shop>(written).error().message.size() < 120);
}
