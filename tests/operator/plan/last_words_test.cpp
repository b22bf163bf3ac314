#include "operator/plan/last_words.hpp"

#include <catch2/catch.hpp>

TEST_CASE("A process's last words are its last error, else its last plain line") {
  ei::plan::LastWords words;
  CHECK(words.text().empty());
  words.hear("terminate called");
  CHECK(words.text() == "terminate called");
  words.hear(R"({"level":"info","event":"listening"})");
  words.hear(R"({"level":"error","event":"bad_weights","error":"sha256 mismatch","n":1})");
  words.hear(R"({"level":"warn","event":"later"})");
  CHECK(words.text() == "bad_weights: sha256 mismatch");
}
