#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "inference/checkpoint/random_weights.hpp"
#include "inference/model/classifier.hpp"
#include "inference/model/quantised_network.hpp"
#include "inference/service/calibration_cache.hpp"

using namespace ei::inference;

namespace {

Calibration sane() {
  Calibration calibration;
  calibration.ranges.fill(2.5F);
  calibration.agreement = {0.96875, 0.0123, 32};
  return calibration;
}

/// Two pictures are enough where only the way is tested.
RoundingOptions quick() {
  RoundingOptions options;
  options.pictures = [] {
    auto pictures = calibration_pictures();
    pictures.resize(2);
    return pictures;
  };
  return options;
}

}  // namespace

TEST_CASE("calibration: agreement counts equal classes and the largest difference of a probability") {
  std::vector<float> const exact = {5, 0, 0, 0, 5, 0};
  CHECK(compare(exact, exact, 3) == Agreement{1, 0, 2});
  std::vector<float> const rounded = {5, 0, 0, 0, 0, 5};
  auto const half = compare(exact, rounded, 3);
  CHECK(half.top1 == 0.5);
  CHECK(half.largest_difference == Approx(0.98).margin(0.01));
}

TEST_CASE("calibration: the pictures are always the same, and within what a picture can be") {
  auto const pictures = calibration_pictures();
  CHECK(pictures == calibration_pictures());
  for (auto const& picture : pictures) {
    REQUIRE(picture.size() == kPictureElements);
    CHECK(*std::min_element(picture.begin(), picture.end()) >= -2.12F);
    CHECK(*std::max_element(picture.begin(), picture.end()) <= 2.65F);
  }
}

TEST_CASE("calibration: what is kept is read again, and nothing else is believed") {
  auto const folder = std::filesystem::temp_directory_path() / ("calibration-" + std::to_string(::getpid()));
  std::byte const weights[] = {std::byte{1}};
  auto const file = calibration_file(folder, weights, true);
  CHECK(file != calibration_file(folder, weights, false));
  CHECK_FALSE(read_calibration(file));
  keep_calibration(file, sane());
  CHECK(read_calibration(file) == sane());
  auto const text = GENERATE(values<std::string>({
      "",
      "[]",
      R"({"ranges":[1,2],"top1":1,"largest_difference":0,"pictures":32})",
      R"({"ranges":"x","top1":1,"largest_difference":0,"pictures":32})",
      R"({"top1":1,"largest_difference":0,"pictures":32})",
  }));
  CAPTURE(text);
  std::ofstream(file) << text;
  CHECK_FALSE(read_calibration(file));
  auto broken = sane();
  broken.ranges[3] = GENERATE(0.0F, -1.0F);
  keep_calibration(file, broken);
  CHECK_FALSE(read_calibration(file));
  broken = sane();
  broken.agreement.top1 = 1.5;
  keep_calibration(file, broken);
  CHECK_FALSE(read_calibration(file));
  std::filesystem::remove_all(folder);
}

TEST_CASE("int8: it agrees with fp32 on other pictures than it was calibrated on, alone and in a batch") {
  auto const weights = random_resnet18(7, 12);
  auto exact = Classifier::from_state_dict(weights.tensors, Precision::Fp32).value();
  auto rounded = Classifier::from_state_dict(weights.tensors, Precision::Int8, quick()).value();
  CHECK(rounded.precision() == Precision::Int8);
  CHECK_FALSE(exact.calibration());
  auto const pictures = calibration_pictures();
  std::vector<float> two = pictures[7];
  two.insert(two.end(), pictures[8].begin(), pictures[8].end());
  auto const expected = exact.outputs(two).value();
  auto const found = rounded.outputs(two).value();
  REQUIRE(found.size() == expected.size());
  auto const spread = *std::max_element(expected.begin(), expected.end()) -
                      *std::min_element(expected.begin(), expected.end());
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - expected[i]) < 0.1F * spread);
  auto const second = rounded.outputs(pictures[8]).value();
  CHECK(std::equal(second.begin(), second.end(), found.begin() + 12));
}

TEST_CASE("int8: auto takes it only where it may, where it agrees, and where the CPU is fast with it") {
  auto const weights = random_resnet18(7, 12);
  auto options = quick();
  auto const precision = [&] {
    return Classifier::from_state_dict(weights.tensors, Precision::Auto, options).value().precision();
  };
  CHECK(precision() != Precision::Int8);
  options.known = sane();
  options.min_agreement = 0.95;
  CHECK((precision() == Precision::Int8) == cpu_multiplies_int8());
  options.min_agreement = 0.97;
  CHECK(precision() != Precision::Int8);
}

TEST_CASE("int8: weights that overflow on the way are refused with that reason") {
  auto weights = random_resnet18(7, 12);
  std::vector<float> huge(64, 3e38F);
  weights.tensors.at("layer1.0.bn1.weight").bytes = std::as_bytes(std::span<const float>(huge));
  auto const refused = Classifier::from_state_dict(weights.tensors, Precision::Int8, quick());
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind == ei::ErrorKind::Invalid);
}
