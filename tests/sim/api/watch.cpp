#include "tests/sim/api/watch.hpp"

#include "tests/sim/api/answers.hpp"
#include "tests/sim/api/members.hpp"

#include <algorithm>

namespace ei::sim {
namespace {

std::string line(std::string_view type, std::string const& object) {
  return "{\"type\":\"" + std::string(type) + "\",\"object\":" + object + "}\n";
}

}  // namespace

Selector parse_selector(std::string_view text) {
  Selector selector;
  while (!text.empty()) {
    auto const end = std::min(text.find(','), text.size());
    auto const part = text.substr(0, end);
    auto const equals = part.find('=');
    if (equals != std::string_view::npos) selector.emplace(part.substr(0, equals), part.substr(equals + 1));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return selector;
}

bool selects(Selector const& selector, boost::json::object const& object) {
  if (selector.empty()) return true;
  auto const* labels = member_of(object, "metadata.labels");
  return std::all_of(selector.begin(), selector.end(), [&](auto const& wanted) {
    auto const* value =
        labels != nullptr && labels->is_object() ? labels->get_object().if_contains(wanted.first) : nullptr;
    return value != nullptr && value->is_string() && value->get_string() == wanted.second;
  });
}

bool Watch::sees(RevisionPtr const& revision) const {
  if (revision == nullptr) return false;
  auto const& metadata = revision->object.at("metadata").as_object();
  if (!options_.namespace_name.empty() && metadata.at("namespace").as_string() != options_.namespace_name)
    return false;
  return selects(options_.selector, revision->object);
}

std::string Watch::bookmark(std::uint64_t version, bool marks_end) const {
  boost::json::object metadata{{"resourceVersion", std::to_string(version)}};
  if (marks_end) metadata["annotations"] = boost::json::object{{"k8s.io/initial-events-end", "true"}};
  boost::json::object object{{"kind", kind().type.kind},
                             {"apiVersion", kube::api_version(kind().type)},
                             {"metadata", std::move(metadata)}};
  return line("BOOKMARK", boost::json::serialize(object));
}

void Watch::add_initial(Storage const& storage, std::string& lines) {
  for (auto const& [key, revision] : storage.all(kind())) {
    if (sees(revision)) lines += line("ADDED", revision->text);
  }
  options_.after = storage.version();
  if (options_.marks_end) lines += bookmark(options_.after, true);
  options_.initial = false;
}

void Watch::add_changes(Storage const& storage, std::string& lines) {
  auto const& changes = storage.changes(kind());
  auto const first =
      std::upper_bound(changes.begin(), changes.end(), options_.after,
                       [](std::uint64_t version, Change const& change) { return version < change.version; });
  for (auto change = first; change != changes.end(); ++change) {
    options_.after = change->version;
    bool const before = sees(change->before);
    bool const after = !change->removed && sees(change->after);
    if (after) {
      lines += line(before ? "MODIFIED" : "ADDED", change->after->text);
    } else if (before) {
      // One that only ceased to match is shown with the version of the change as well.
      lines += line("DELETED", change->after->text);
    }
  }
}

std::string Watch::take(Storage const& storage, SteadyTime now) {
  std::string lines;
  if (ended(now)) return lines;
  if (!options_.initial && options_.after < storage.forgotten()) {
    ended_ = true;
    return line("ERROR", gone_status(options_.after, storage.forgotten()));
  }
  if (options_.initial) add_initial(storage, lines);
  add_changes(storage, lines);
  if (options_.bookmarks && now >= bookmarked_ + kBookmarkPeriod) {
    bookmarked_ = now;
    options_.after = storage.version();
    lines += bookmark(options_.after, false);
  }
  return lines;
}

SteadyTime Watch::next_due() const {
  auto const end = options_.opened + options_.timeout;
  return options_.bookmarks ? std::min(end, bookmarked_ + kBookmarkPeriod) : end;
}

}  // namespace ei::sim
