#include "inference/service/calibration_cache.hpp"

#include <boost/json.hpp>
#include <cmath>
#include <string_view>
#include <system_error>

#include "runtime/core/json.hpp"
#include "runtime/crypto/digest.hpp"
#include "runtime/log/log.hpp"
#include "runtime/process/files.hpp"

namespace ei::inference {
namespace {

namespace json = boost::json;

/// 21 ranges and three numbers take 500 bytes.
constexpr std::size_t kMaxFile = 16U << 10U;

std::optional<double> number(json::object const& object, std::string_view name, double largest) {
  auto const* const value = object.if_contains(name);
  if (value == nullptr || !value->is_number()) return {};
  double const found = value->to_number<double>();
  if (!(found >= 0 && found <= largest)) return {};
  return found;
}

std::optional<Calibration> parse(std::string_view text) {
  auto const document = parse_json(text);
  if (!document || !document->is_object()) return {};
  auto const& object = document->get_object();
  auto const* const ranges = object.if_contains("ranges");
  auto const top1 = number(object, "top1", 1);
  auto const difference = number(object, "largest_difference", 1);
  auto const pictures = number(object, "pictures", 1e6);  // far more than anybody calibrates on
  if (ranges == nullptr || !ranges->is_array() || ranges->get_array().size() != kActivations) return {};
  if (!top1 || !difference || !pictures) return {};
  Calibration calibration;
  calibration.agreement = {*top1, *difference, static_cast<std::size_t>(*pictures)};
  for (std::size_t i = 0; i < kActivations; ++i) {
    auto const& range = ranges->get_array()[i];
    if (!range.is_number()) return {};
    calibration.ranges[i] = static_cast<float>(range.to_number<double>());
    if (!std::isfinite(calibration.ranges[i]) || calibration.ranges[i] <= 0) return {};
  }
  return calibration;
}

}  // namespace

std::filesystem::path calibration_file(std::filesystem::path const& cache_dir,
                                       std::span<const std::byte> weights, bool vnni) {
  auto const digest =
      crypto::sha256_hex(std::string_view(reinterpret_cast<char const*>(weights.data()), weights.size()));
  return cache_dir /
         ("int8-v" + std::to_string(kCalibrationVersion) + (vnni ? "-" : "-7bit-") + digest + ".json");
}

std::optional<Calibration> read_calibration(std::filesystem::path const& file) {
  auto const text = process::read_file(file, kMaxFile);
  if (!text) return {};
  auto calibration = parse(*text);
  if (!calibration)
    log::warn("calibration_damaged", {{"path", file.string()}, {"detail", "it is measured again"}});
  return calibration;
}

void keep_calibration(std::filesystem::path const& file, Calibration const& calibration) {
  json::array ranges;
  for (float const range : calibration.ranges) ranges.push_back(static_cast<double>(range));
  json::object const object{{"ranges", std::move(ranges)},
                            {"top1", calibration.agreement.top1},
                            {"largest_difference", calibration.agreement.largest_difference},
                            {"pictures", calibration.agreement.pictures}};
  std::error_code wrong;
  std::filesystem::create_directories(file.parent_path(), wrong);
  auto const written = process::write_file_atomically(file, to_json_text(object) + "\n");
  if (!written) log::warn("calibration_not_kept", {{"detail", written.error().message}});
}

}  // namespace ei::inference
