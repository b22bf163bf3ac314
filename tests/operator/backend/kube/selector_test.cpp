#include "operator/backend/kube/selector.hpp"

#include <catch2/catch.hpp>

using namespace ei::kube;

TEST_CASE("selectors match as the API server's do") {
  Labels const labels{{"app", "web"}, {"tier", "front"}};
  struct Row {
    char const* selector;
    bool matches;
    char const* why;
  };
  for (auto const& row : {
           Row{"", true, "nothing asked"},
           Row{"app=web", true, "equal"},
           Row{"app==web", true, "equal, written twice"},
           Row{"app=db", false, "another value"},
           Row{"app!=db", true, "not equal"},
           Row{"other!=x", true, "not equal holds without the label"},
           Row{"app=web,tier=front", true, "both"},
           Row{"app=web,tier=back", false, "one fails"},
           Row{"app in (db, web)", true, "in a set"},
           Row{"app notin (db,web)", false, "not in a set"},
           Row{"other notin (x)", true, "not in holds without the label"},
           Row{"app", true, "exists"},
           Row{"other", false, "does not exist"},
           Row{"!other", true, "absent"},
           Row{"!app", false, "not absent"},
           Row{" app = web , tier in (front) ", true, "blanks"},
       }) {
    INFO(row.selector << ": " << row.why);
    auto const selector = Selector::parse(row.selector);
    REQUIRE(selector.has_value());
    CHECK(selector->matches(labels) == row.matches);
  }
}

TEST_CASE("a selector that cannot be read is refused, not guessed") {
  for (auto const* text : {"=x", "a in x", "a in (x", "a b", ",", "a within (x)", "!"}) {
    INFO(text);
    CHECK_FALSE(Selector::parse(text).has_value());
  }
}
