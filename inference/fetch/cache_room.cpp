#include "inference/fetch/cache_room.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "inference/fetch/partial_file.hpp"
#include "runtime/log/log.hpp"

namespace ei::inference {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDigestDigits = 64;

struct Kept {
  fs::path path;
  std::uint64_t bytes = 0;
  fs::file_time_type used;
};

/// The name of the download that a file of the cache belongs to; empty for a file that is none of ours: the
/// folder may be the user's, with other things in it.
std::string download_of(fs::path const& path) {
  auto name = path.filename().string();
  if (name.ends_with(".partial")) name.resize(name.size() - 8);
  auto digits = std::string_view(name);
  if (digits.starts_with("url-")) digits.remove_prefix(4);
  bool const ours = digits.size() == kDigestDigits &&
                    digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  return ours ? name : std::string();
}

std::vector<Kept> kept_beside(fs::path const& target) {
  std::vector<Kept> kept;
  std::error_code wrong;
  for (auto const& entry : fs::directory_iterator(target.parent_path(), wrong)) {
    auto const download = download_of(entry.path());
    if (download.empty() || download == target.filename() || !entry.is_regular_file(wrong)) continue;
    Kept one{entry.path(), entry.file_size(wrong), entry.last_write_time(wrong)};
    if (!wrong) kept.push_back(std::move(one));
  }
  std::sort(kept.begin(), kept.end(), [](auto const& a, auto const& b) { return a.used < b.used; });
  return kept;
}

/// Whether it is gone; one that somebody is downloading stays.
bool remove_unused(Kept const& kept) {
  auto const lock = FileLock::try_lock((kept.path.parent_path() / download_of(kept.path)).concat(".lock"));
  std::error_code wrong;
  if (!lock || !fs::remove(kept.path, wrong)) return false;
  log::info("cache_evicted", {{"path", kept.path.string()}, {"bytes", kept.bytes}});
  return true;
}

std::string mib(std::uint64_t bytes) {
  return std::to_string((bytes + (1U << 20U) - 1) >> 20U) + " MiB";
}

}  // namespace

Result<void> make_room(fs::path const& target, std::uint64_t have, std::uint64_t coming,
                       std::uint64_t limit) {
  auto const kept = kept_beside(target);
  std::uint64_t held = have;
  for (auto const& each : kept) held += each.bytes;
  std::error_code wrong;
  auto const fits = [&] {
    auto const disk = fs::space(target.parent_path(), wrong);
    return held + coming <= limit && (wrong || coming <= disk.available);
  };
  for (auto const& each : kept) {
    if (fits()) return {};
    if (remove_unused(each)) held -= each.bytes;
  }
  if (fits()) return {};
  bool const over = held + coming > limit;
  return make_error(
      ErrorKind::Io,
      target.parent_path().string() + ": no room for a download of " + mib(have + coming) +
          (over ? ": the cache may hold " + mib(limit) + " and holds " + mib(held - have) + " that is in use"
                : std::string(": the disk is full")));
}

void mark_used(fs::path const& file) {
  std::error_code ignored;
  fs::last_write_time(file, fs::file_time_type::clock::now(), ignored);
}

}  // namespace ei::inference
