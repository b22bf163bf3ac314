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

namespace {

struct Visit {
  ei::WallTime at{};
  ei::WallTime day{};
  std::optional<ei::WallTime> left;
  ei::milliseconds stay{0};
  std::optional<ei::milliseconds> pause;
  std::string guest;
  std::string mood;
  std::string note;
  std::map<std::string, std::string> labels;
  std::vector<int> rooms;
  std::vector<Basket> basket;  ///< none or one
  std::size_t bags = 0;
  std::optional<double> share;
  bool operator==(Visit const&) const = default;
};

constexpr std::string_view kMoods[] = {"good", "bad"};

template <class Fields>
void list_members(Fields& fields, Visit& visit) {
  fields.instant("at", visit.at);
  fields.second("day", visit.day);
  fields.if_second("left", visit.left);
  fields.duration("stay", visit.stay);
  fields.if_duration("pause", visit.pause);
  fields.text("guest", visit.guest, 5);
  fields.if_one_of("mood", visit.mood, kMoods);
  fields.if_text("note", visit.note);
  fields.if_any("labels", visit.labels);
  fields.list("rooms", visit.rooms, 1, 3);
  fields.if_one("basket", visit.basket);
  fields.within("bags", visit.bags, 1, 9);
  fields.if_any_within("share", visit.share, 0, 0.5);
}

Visit whole_visit() {
  auto const time = ei::parse_rfc3339("2026-01-31T12:00:00Z").value();
  Visit visit{
      time, time, time, ei::milliseconds(90'000), ei::milliseconds(5), "Ada", "good", "early", {}, {3, 4},
      {},   2,    0.25};
  visit.labels = {{"tier", "a"}};
  visit.basket = {{Fruit::Pear, 1, {}}};
  return visit;
}

}  // namespace

TEST_CASE("fields: times, durations, texts with limits and maps come back as they were written") {
  auto const written = ei::write_fields(whole_visit());
  CHECK(ei::to_json_text(written) ==
        R"({"at":"2026-01-31T12:00:00.000000Z","day":"2026-01-31T12:00:00Z","left":"2026-01-31T12:00:00Z",)"
        R"("stay":"1m30s","pause":"5ms","guest":"Ada","mood":"good","note":"early","labels":{"tier":"a"},)"
        R"("rooms":[3,4],"basket":{"fruit":"pear","count":1,"price":null},"bags":2,"share":0.25})");
  auto const read = ei::read_fields<Visit>(written);
  REQUIRE(read.has_value());
  CHECK(*read == whole_visit());
}

TEST_CASE("fields: what has nothing to say is not written") {
  Visit visit = whole_visit();
  visit.left.reset();
  visit.pause.reset();
  visit.mood.clear();
  visit.note.clear();
  visit.labels.clear();
  visit.basket.clear();
  visit.share.reset();
  auto const written = ei::write_fields(visit);
  CHECK(written.size() == 6);
  CHECK(ei::read_fields<Visit>(written).value() == visit);
}

TEST_CASE("fields: each limit is named where a value is outside") {
  auto const wrong = ei::parse_json(
      R"({"at": "noon", "day": 3, "left": "late", "stay": "long", "pause": 5, "guest": "Ada Lovelace",
          "mood": "odd", "note": 5, "labels": {"tier": 1}, "rooms": [], "basket": 2, "bags": 10, "share": 0.75})");
  std::vector<std::string> const faults = {
      R"(visit.at is "noon"; allowed: a time such as 2026-01-31T12:00:00Z)",
      R"(visit.day is 3; allowed: a time such as 2026-01-31T12:00:00Z)",
      R"(visit.left is "late"; allowed: a time such as 2026-01-31T12:00:00Z)",
      R"(visit.stay is "long"; allowed: a duration such as 1m30s)",
      R"(visit.pause is 5; allowed: a duration such as 1m30s)",
      R"(visit.guest is "Ada Lovelace"; allowed: a string of at most 5 bytes)",
      R"(visit.mood is "odd"; allowed: good, bad)",
      R"(visit.labels.tier is 1; allowed: a string)",
      R"(visit.rooms is []; allowed: a list of 1 to 3)",
      R"(visit.basket is 2; allowed: an object)",
      R"(visit.bags is 10; allowed: a whole number from 1 to 9)",
      R"(visit.share is 0.75; allowed: a number from 0 to 0.5)"};
  CHECK(ei::read_fields<Visit>(*wrong, "visit").error().message == ei::faults_error(faults).message);
}

TEST_CASE("fields: a lenient reader keeps defaults, and leaves out what is wrong of lists and optionals") {
  auto const visit = ei::read_fields_leniently<Visit>(
      *ei::parse_json(R"({"day": "2026-01-31T12:00:00Z", "left": "late", "pause": 5, "guest": 7,
          "labels": {"tier": 1, "zone": "b"}, "rooms": [1, "two", 3], "basket": {"fruit": "plum"}, "share": 2})"));
  Visit expected;
  expected.day = ei::parse_rfc3339("2026-01-31T12:00:00Z").value();
  expected.labels = {{"zone", "b"}};
  expected.rooms = {1, 3};
  CHECK(visit == expected);
  CHECK(ei::read_fields_leniently<Visit>(nullptr) == Visit{});
}

TEST_CASE("fields: a list of faults is cut where nobody reads on") {
  boost::json::array many(1000, boost::json::value("x"));
  boost::json::object shop = ei::write_fields(example());
  shop["baskets"] = many;
  CHECK(ei::read_fields<Shop>(shop).error().message.find("baskets[19] is") != std::string::npos);
  CHECK(ei::read_fields<Shop>(shop).error().message.find("baskets[20] is") == std::string::npos);
}
