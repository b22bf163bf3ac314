#include "operator/check.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <map>

#include "operator/backend/local/command.hpp"
#include "operator/backend/local/cores.hpp"
#include "operator/plan/plan.hpp"
#include "runtime/core/redact.hpp"

namespace ei {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_of(std::vector<fs::path> const& paths, std::vector<std::string>& errors) {
  std::vector<fs::path> files;
  for (auto const& path : paths) {
    std::error_code wrong;
    if (!fs::is_directory(path, wrong)) {
      files.push_back(path);
      continue;
    }
    auto const before = files.size();
    for (auto const& each : fs::directory_iterator(path, wrong)) {
      auto const kind = each.path().extension();
      if (kind == ".yaml" || kind == ".yml" || kind == ".json") files.push_back(each.path());
    }
    if (files.size() == before)
      errors.push_back(path.string() + ": no *.yaml, *.yml or *.json in this folder");
    std::sort(files.begin() + static_cast<std::ptrdiff_t>(before), files.end());
  }
  return files;
}

}  // namespace

Checked check_manifests(std::vector<fs::path> const& paths, api::Allowed const& allowed) {
  Checked checked;
  std::map<api::ServiceKey, std::string> places;
  for (auto const& file : files_of(paths, checked.errors)) {
    auto contents = manifest::read_file(file);
    if (!contents) {
      checked.errors.push_back(contents.error().message);
      continue;
    }
    checked.skipped.insert(checked.skipped.end(), contents->skipped.begin(), contents->skipped.end());
    for (auto& entry : contents->entries) {
      checked.errors.insert(checked.errors.end(), entry.errors.begin(), entry.errors.end());
      if (!entry.parsed.service) continue;
      auto const place = file.string() + ":" + std::to_string(entry.line);
      for (auto const& fault : backend::local::local_faults(entry.parsed.service->spec, allowed)) {
        checked.errors.push_back(place + ": " + to_string(fault));
      }
      auto const [first, fresh] = places.emplace(entry.metadata.key(), place);
      if (!fresh) {
        checked.errors.push_back(place + ": metadata.name: Duplicate value: \"" +
                                 to_string(entry.metadata.key()) + "\": it is also in " + first->second);
      }
      checked.entries.push_back(std::move(entry));
    }
  }
  if (checked.entries.empty() && checked.errors.empty()) {
    checked.errors.push_back("no InferenceService in these manifests");
  }
  return checked;
}

void print_plan(Checked const& checked, int cores, std::ostream& out) {
  std::map<api::ServiceKey, int> wanted;
  for (auto const& entry : checked.entries) wanted[entry.metadata.key()] = 0;
  for (auto const& entry : checked.entries) {
    auto const& service = *entry.parsed.service;
    plan::Observation seen;
    seen.metadata = service.metadata;
    seen.spec = service.spec;
    int const most = backend::local::most_workers(cores, wanted, service.metadata.key());
    seen.shortage = plan::Shortage{most, "NotEnoughCores", ""};
    auto const now = std::chrono::system_clock::now();
    auto const in_force = plan::settings_in_force(service.spec, seen.shortage, now);
    scaling::State state;
    plan::Verdict verdict;
    verdict.decision = scaling::decide(in_force.settings, state,
                                       {{}, plan::workers_of(seen, in_force.settings, now)}, SteadyTime{});
    schedule::name_bounds(*verdict.decision, in_force);
    verdict.metrics_fault = "not running";

    // What it prints ends in the logs of pipelines.
    auto shown = service.spec;
    shown.model.uri = display_url(shown.model.uri);
    shown.model.labels = display_url(shown.model.labels);
    out << to_string(service.metadata.key()) << " (" << entry.file << ":" << entry.line << ") is valid\n"
        << "  spec: " << boost::json::serialize(to_json(shown)) << "\n"
        << "  workers: " << service.spec.scaling.min_replicas << " to " << service.spec.scaling.max_replicas
        << " under " << scaling::name(service.spec.scaling.policy);
    if (most < service.spec.scaling.max_replicas)
      out << ", at most " << most << " on this machine's " << cores << " cores";
    out << "\n";
    for (auto const& action : plan::make_plan(seen, verdict, now).actions) {
      if (std::holds_alternative<plan::WriteStatus>(action)) continue;
      out << "  would: " << boost::json::serialize(plan::to_json(action)) << "\n";
    }
  }
}

}  // namespace ei
