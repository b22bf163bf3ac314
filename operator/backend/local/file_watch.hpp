#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ei::backend::local {

/// Notices that files change, by looking: this works for every editor (those that write in place, and those
/// that rename a new file over the old one) and every file system. Call `poll` about ten times a second.
class FileWatch {
 public:
  /// Files, or folders whose *.yaml, *.yml and *.json files are followed as they come and go.
  explicit FileWatch(std::vector<std::filesystem::path> paths) : paths_(std::move(paths)) {}

  struct Change {
    std::filesystem::path file;
    bool exists = true;
    bool operator==(Change const&) const = default;
  };

  /// The files that have changed since they were last returned and are now at rest: equal in two polls in a
  /// row, so that half-written ones and the gap of an editor that deletes first are skipped. The very first
  /// poll returns every file at once. Those that are gone come first, so that what was in a renamed file is
  /// let go of before it is found under the new name.
  std::vector<Change> poll();

 private:
  /// What tells one content from another without reading it.
  struct Look {
    std::int64_t modified_ns = 0;
    std::uint64_t size = 0;
    std::uint64_t inode = 0;
    bool operator==(Look const&) const = default;
  };
  struct File {
    std::optional<Look> last;  ///< in the last poll; empty: it was not there
    std::optional<Look> told;
    bool ever_told = false;
  };

  static std::optional<Look> look_at(std::filesystem::path const& file);
  std::vector<std::filesystem::path> files() const;

  std::vector<std::filesystem::path> paths_;
  std::map<std::filesystem::path, File> files_;
  bool first_ = true;
};

}  // namespace ei::backend::local
