#include <catch2/catch.hpp>
#include <cmath>

#include "inference/model/output.hpp"

using namespace ei::inference;

TEST_CASE("outputs: probabilities, their logarithms and scores are told apart by several rows") {
  struct Row {
    std::vector<float> rows;  // of two classes
    Output expected;
    std::string why;
  };
  auto const row = GENERATE(values<Row>({
      {{0.25F, 0.75F, 1, 0}, Output::Probabilities, "never negative, sum 1"},
      {{0.251F, 0.7505F, 0.5F, 0.499F}, Output::Probabilities, "rounded to half precision"},
      {{0.25F, 0.75F, 0.5F, 0.6F}, Output::Scores, "one row alone may sum to 1 by chance"},
      {{-0.5F, 1.5F, 0.5F, 0.5F}, Output::Scores, "sums of 1 with a negative number"},
      {{3, 0, 0, 7}, Output::Scores, "scores that happen to be positive, as behind a ReLU"},
      {{0.2F, 0.4F, 0.3F, 0.1F}, Output::Scores, "numbers up to 1 that do not sum to 1"},
      {{std::log(0.25F), std::log(0.75F), std::log(0.5F), std::log(0.5F)},
       Output::LogProbabilities,
       "their exponentials sum to 1"},
      {{-1, -2, -3, -4}, Output::Scores, "negative scores"},
      {{}, Output::Scores, "nothing was seen"},
  }));
  CAPTURE(row.why);
  CHECK(recognise_output(row.rows, 2) == row.expected);
}

TEST_CASE("outputs: each kind becomes probabilities once") {
  std::vector<float> scores = {1000, 1000, 0, std::log(3.0F)};
  make_probabilities(scores, 2, Output::Scores);
  CHECK(scores[0] == Approx(0.5));  // without overflow
  CHECK(scores[3] == Approx(0.75));
  std::vector<float> probabilities = {0.98F, 0.02F, 1.001F, 0};
  make_probabilities(probabilities, 2, Output::Probabilities);
  CHECK(probabilities == std::vector<float>{0.98F, 0.02F, 1, 0});
  std::vector<float> logarithms = {std::log(0.25F), std::log(0.75F)};
  make_probabilities(logarithms, 2, Output::LogProbabilities);
  CHECK(logarithms[1] == Approx(0.75));
}

TEST_CASE("outputs: a sigmoid for each class is noticed") {
  CHECK(looks_like_sigmoids(std::vector<float>{0.9F, 0.8F, 0.1F, 0.2F}, 2));
  CHECK_FALSE(looks_like_sigmoids(std::vector<float>{0.9F, 0.1F, 0.2F, 0.8F}, 2));
  CHECK_FALSE(looks_like_sigmoids(std::vector<float>{9, 0.1F, 0.2F, 0.8F}, 2));
}
