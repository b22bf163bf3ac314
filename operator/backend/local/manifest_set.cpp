#include "operator/backend/local/manifest_set.hpp"

#include <chrono>

#include "operator/backend/local/command.hpp"

namespace ei::backend::local {
namespace {

api::FieldError at(std::string const& file, int line, api::FieldError fault) {
  fault.path = file + ":" + std::to_string(line) + ": " + fault.path;
  return fault;
}

/// `FILE:LINE: what is wrong` as place and fault.
api::FieldError split_fault(std::string const& text) {
  auto const end = text.find(": ");
  if (end == text.npos) return {text, ""};
  return {text.substr(0, end), text.substr(end + 2)};
}

/// An entry's faults, those included that only this machine has.
std::vector<api::FieldError> faults_of(manifest::Entry const& entry, api::Allowed const& allowed) {
  std::vector<api::FieldError> faults;
  for (auto const& text : entry.errors) {
    auto const path_end = text.find(": ", text.find(": ") + 2);
    faults.push_back({text.substr(0, path_end), path_end == text.npos ? "" : text.substr(path_end + 2)});
  }
  if (!entry.parsed.service) return faults;
  for (auto& fault : local_faults(entry.parsed.service->spec, allowed)) {
    faults.push_back(at(entry.file, entry.line, std::move(fault)));
  }
  return faults;
}

}  // namespace

void ManifestSet::take(manifest::Entry const& entry, WallTime now, Update& update) {
  auto const key = entry.metadata.key();
  auto faults = faults_of(entry, allowed_);
  auto const found = services_.find(key);
  if (found == services_.end() && !faults.empty()) {
    for (auto const& fault : faults) update.faults.push_back(to_string(fault));
    return;
  }
  if (found != services_.end() && found->second.file != entry.file) {
    update.faults.push_back(entry.file + ":" + std::to_string(entry.line) +
                            ": metadata.name: Duplicate value: \"" + to_string(key) + "\": it is in " +
                            found->second.file);
    return;
  }
  auto& declared = services_[key];
  bool const fresh = declared.metadata.generation == 0;
  if (fresh) {
    declared.metadata = entry.metadata;
    declared.metadata.generation = 1;
    declared.metadata.created = std::chrono::floor<std::chrono::seconds>(now);
    declared.file = entry.file;
  }
  bool const edited = faults.empty() && !fresh && declared.spec != entry.parsed.service->spec;
  if (edited) ++declared.metadata.generation;
  if (fresh || edited || declared.errors != faults) update.changed.insert(key);
  if (faults.empty()) declared.spec = entry.parsed.service->spec;
  declared.errors = std::move(faults);
}

Update ManifestSet::update(std::string const& file, Result<manifest::Contents> const& content, WallTime now) {
  Update result;
  if (!content) {
    auto const& message = content.error().message;
    bool known = false;
    for (auto& [key, declared] : services_) {
      if (declared.file != file) continue;
      known = true;
      std::vector<api::FieldError> const faults{split_fault(message)};
      if (declared.errors != faults) result.changed.insert(key);
      declared.errors = faults;
    }
    if (!known) result.faults.push_back(message);
    return result;
  }
  offered_[file] = content->entries;
  std::set<api::ServiceKey> present;
  for (auto const& entry : content->entries) {
    present.insert(entry.metadata.key());
    take(entry, now, result);
  }
  // A faulty entry may be a service whose name was just mistyped: nothing is removed
  // by a text that is not valid.
  bool valid = true;
  for (auto const& entry : content->entries) valid = valid && entry.errors.empty();
  if (valid) forget(file, present, now, result);
  return result;
}

Update ManifestSet::remove(std::string const& file, WallTime now) {
  Update result;
  offered_.erase(file);
  forget(file, {}, now, result);
  return result;
}

void ManifestSet::forget(std::string const& file, std::set<api::ServiceKey> const& except, WallTime now,
                         Update& update) {
  for (auto each = services_.begin(); each != services_.end();) {
    bool const given_up = each->second.file == file && except.count(each->first) == 0;
    bool const gone = given_up && !hand_over(each->first, each->second, now, update);
    if (gone) update.changed.insert(each->first);
    each = gone ? services_.erase(each) : std::next(each);
  }
}

// The service goes on as it is, with its generation; the other file's text is an edit like any other.
bool ManifestSet::hand_over(api::ServiceKey const& key, Declared& declared, WallTime now, Update& update) {
  for (auto const& [file, entries] : offered_) {
    if (file == declared.file) continue;
    for (auto const& entry : entries) {
      if (entry.metadata.key() != key) continue;
      declared.file = file;
      update.changed.insert(key);
      take(entry, now, update);
      return true;
    }
  }
  return false;
}

Declared const* ManifestSet::find(api::ServiceKey const& key) const {
  auto const found = services_.find(key);
  return found == services_.end() ? nullptr : &found->second;
}

std::vector<api::ServiceKey> ManifestSet::keys() const {
  std::vector<api::ServiceKey> keys;
  for (auto const& [key, declared] : services_) keys.push_back(key);
  return keys;
}

}  // namespace ei::backend::local
