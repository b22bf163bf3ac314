#include "inference/service/calibration_cache.hpp"

#include <cmath>
#include <string_view>
#include <system_error>
#include <vector>

#include "runtime/core/fields.hpp"
#include "runtime/core/json.hpp"
#include "runtime/crypto/digest.hpp"
#include "runtime/log/log.hpp"
#include "runtime/process/files.hpp"

namespace ei::inference {
namespace {

/// 21 ranges and three numbers take 500 bytes.
constexpr std::size_t kMaxFile = 16U << 10U;

/// A calibration as its file has it.
struct Kept {
  std::vector<double> ranges;
  double top1 = 0;
  double largest_difference = 0;
  std::size_t pictures = 0;
};

template <class Fields>
void list_members(Fields& fields, Kept& kept) {
  fields.list("ranges", kept.ranges, kActivations, kActivations);
  fields.within("top1", kept.top1, 0, 1);
  fields.within("largest_difference", kept.largest_difference, 0, 1);
  fields.within("pictures", kept.pictures, 0, 1'000'000);  // far more than anybody calibrates on
}

Result<Calibration> parse(std::string_view text) {
  auto const document = parse_json(text);
  if (!document) return document.error();
  auto const kept = read_fields<Kept>(*document);
  if (!kept) return kept.error();
  Calibration calibration;
  calibration.agreement = {kept->top1, kept->largest_difference, kept->pictures};
  for (std::size_t i = 0; i < kActivations; ++i) {
    calibration.ranges[i] = static_cast<float>(kept->ranges[i]);
    if (!std::isfinite(calibration.ranges[i]) || calibration.ranges[i] <= 0)
      return make_error(ErrorKind::Invalid, "ranges[" + std::to_string(i) + "] is not above zero and finite");
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
  if (calibration) return std::move(*calibration);
  log::warn("calibration_damaged",
            {{"path", file.string()}, {"detail", calibration.error().message + "; it is measured again"}});
  return {};
}

void keep_calibration(std::filesystem::path const& file, Calibration const& calibration) {
  auto const& agreement = calibration.agreement;
  Kept const kept{{calibration.ranges.begin(), calibration.ranges.end()},
                  agreement.top1,
                  agreement.largest_difference,
                  agreement.pictures};
  std::error_code wrong;
  std::filesystem::create_directories(file.parent_path(), wrong);
  auto const written = process::write_file_atomically(file, to_json_text(write_fields(kept)) + "\n");
  if (!written) log::warn("calibration_not_kept", {{"detail", written.error().message}});
}

}  // namespace ei::inference
