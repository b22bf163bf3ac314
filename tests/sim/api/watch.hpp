#pragma once

#include "runtime/core/units.hpp"
#include "tests/sim/api/storage.hpp"

#include <map>
#include <string>
#include <string_view>

namespace ei::sim {

/// `a=b,c=d`, as far as it goes: what the operator asks for.
using Selector = std::map<std::string, std::string>;
Selector parse_selector(std::string_view text);
bool selects(Selector const& selector, boost::json::object const& object);

/// One open watch. Pure: it is asked for the lines that are due.
class Watch {
 public:
  struct Options {
    Kind const* kind = nullptr;
    std::string namespace_name;  ///< empty: all
    Selector selector;
    std::uint64_t after = 0;  ///< the version that the client has seen
    bool initial = false;     ///< first every object, then (with `marks_end`) the bookmark that ends them
    bool marks_end = false;
    bool bookmarks = false;
    SteadyTime opened{};
    std::chrono::seconds timeout{};
  };
  explicit Watch(Options options) : options_(std::move(options)), bookmarked_(options_.opened) {}

  Kind const& kind() const { return *options_.kind; }

  /// Lines of JSON that are due; empty when there are none. After a compaction that went past this watch an
  /// ERROR with 410, and then the end.
  std::string take(Storage const& storage, SteadyTime now);
  /// True once the server has closed it: its time was up, or it had to give up.
  bool ended(SteadyTime now) const { return ended_ || now >= options_.opened + options_.timeout; }
  /// When take() has something to say though nothing changed.
  SteadyTime next_due() const;

  /// The real server's period is a minute, spread over up to 75 s.
  static constexpr std::chrono::seconds kBookmarkPeriod{60};

 private:
  void add_initial(Storage const& storage, std::string& lines);
  void add_changes(Storage const& storage, std::string& lines);
  bool sees(RevisionPtr const& revision) const;
  std::string bookmark(std::uint64_t version, bool marks_end) const;

  Options options_;
  SteadyTime bookmarked_;
  bool ended_ = false;
};

}  // namespace ei::sim
