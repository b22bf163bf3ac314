#include "operator/backend/kube/protocol/event.hpp"

#include "runtime/core/encoding.hpp"

#include <array>
#include <cstdio>
#include <utility>

namespace ei::kube {
namespace {

// The API server refuses a longer note.
constexpr std::size_t kMaxNoteBytes = 1024;

/// "name.17a3f…": unique as long as one operator does not create two in one
/// microsecond; `serial` takes care of it.
std::string event_name(std::string const& subject, WallTime wall, std::uint64_t serial) {
  auto const micros = std::chrono::duration_cast<std::chrono::microseconds>(wall.time_since_epoch()).count();
  std::array<char, 40> suffix{};
  std::snprintf(suffix.data(), suffix.size(), ".%llx%04llx", static_cast<unsigned long long>(micros),
                static_cast<unsigned long long>(serial & 0xFFFFU));
  return subject + suffix.data();
}

}  // namespace

std::string cut_note(std::string const& note) {
  if (note.size() <= kMaxNoteBytes) return note;
  return std::string(clipped(note, kMaxNoteBytes - 3)) + "...";
}

EventWrite new_event(EventContent content, WallTime wall, std::uint64_t serial) {
  auto const& subject = content.subject;
  EventWrite write{{subject.namespace_name, event_name(subject.name, wall, serial)}, true, {}};
  boost::json::object metadata{{"name", write.key.name}, {"namespace", write.key.namespace_name}};
  boost::json::object regarding{{"apiVersion", api_version(content.regarding)},
                                {"kind", content.regarding.kind},
                                {"namespace", subject.namespace_name},
                                {"name", subject.name},
                                {"uid", content.subject_uid}};
  write.body = {{"apiVersion", api_version(kEvents)},
                {"kind", kEvents.kind},
                {"metadata", std::move(metadata)},
                {"eventTime", format_rfc3339(wall)},
                {"reportingController", content.controller},
                {"reportingInstance", content.instance},
                {"type", content.type},
                {"reason", content.reason},
                {"action", content.action},
                {"note", cut_note(content.note)},
                {"regarding", std::move(regarding)}};
  return write;
}

}  // namespace ei::kube
