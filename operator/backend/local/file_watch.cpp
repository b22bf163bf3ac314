#include "operator/backend/local/file_watch.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <system_error>

namespace ei::backend::local {
namespace fs = std::filesystem;

std::optional<FileWatch::Look> FileWatch::look_at(fs::path const& file) {
  struct stat info {};
  if (stat(file.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  return Look{info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec,
              static_cast<std::uint64_t>(info.st_size), static_cast<std::uint64_t>(info.st_ino)};
}

std::vector<fs::path> FileWatch::files() const {
  std::vector<fs::path> found;
  for (auto const& path : paths_) {
    std::error_code wrong;
    if (!fs::is_directory(path, wrong)) {
      found.push_back(path);
      continue;
    }
    for (fs::directory_iterator each(path, wrong), end; !wrong && each != end; each.increment(wrong)) {
      auto const kind = each->path().extension();
      if (kind == ".yaml" || kind == ".yml" || kind == ".json") found.push_back(each->path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<FileWatch::Change> FileWatch::poll() {
  for (auto const& file : files()) files_.try_emplace(file);
  std::vector<Change> changes;
  for (auto each = files_.begin(); each != files_.end();) {
    auto& [path, file] = *each;
    auto const now = look_at(path);
    bool const at_rest = first_ || now == file.last;
    bool const news = file.ever_told ? now != file.told : now.has_value() || first_;
    file.last = now;
    if (at_rest && news) {
      file.told = now;
      file.ever_told = true;
      changes.push_back({path, now.has_value()});
    }
    bool const gone = !now && !file.told && std::find(paths_.begin(), paths_.end(), path) == paths_.end();
    each = gone ? files_.erase(each) : std::next(each);
  }
  first_ = false;
  std::stable_partition(changes.begin(), changes.end(), [](Change const& each) { return !each.exists; });
  return changes;
}

}  // namespace ei::backend::local
