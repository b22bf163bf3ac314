// The CRD's schema and this program's own validation are written twice; here they are held to the
// same table, the same samples and the same defaults. The table's other half is
// tests/cluster/test_crd.py, on a real API server.
#include <algorithm>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "operator/manifest/manifest.hpp"

namespace api = ei::api;
namespace json = boost::json;

namespace {

std::filesystem::path const kRoot = EI_SOURCE_DIR;

std::vector<ei::manifest::Document> documents_of(std::filesystem::path const& file) {
  std::ifstream in(file);
  REQUIRE(in.good());
  std::string const text{std::istreambuf_iterator<char>(in), {}};
  auto documents = ei::manifest::parse_yaml(text);
  REQUIRE(documents.has_value());
  return std::move(*documents);
}

std::string text_or(json::object const& object, std::string_view name, std::string otherwise) {
  auto const* value = object.if_contains(name);
  return value ? std::string(value->as_string().c_str()) : otherwise;
}

/// The defaults that a structural schema states, as the API server would fill them into an empty object.
json::value defaults_of(json::object const& schema) {
  auto const* properties = schema.if_contains("properties");
  auto const* own = schema.if_contains("default");
  if (!own || !own->is_object() || !properties) return own ? *own : json::value();
  json::object filled = own->get_object();
  for (auto const& field : properties->get_object()) {
    auto value = defaults_of(field.value().as_object());
    if (!value.is_null() && !filled.contains(field.key())) filled[field.key()] = std::move(value);
  }
  return filled;
}

std::size_t characters(json::string const& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & '\xc0') != '\x80'; }));
}

/// Makes the string or list at `path` that long by repeating its last byte or item, as
/// `repeat` in the table asks.
void stretch(json::value& spec, std::string const& path, std::int64_t length) {
  json::value* at = &spec;
  std::istringstream steps(path);
  for (std::string step; std::getline(steps, step, '.');) at = &at->at(step);
  auto const missing = [&](std::size_t now) { return static_cast<std::size_t>(length) - now; };
  if (auto* list = at->if_array()) {
    json::value const last = list->back();
    for (auto left = missing(list->size()); left > 0; --left) list->push_back(last);
    return;
  }
  // The last character of the table's one string beyond ASCII has two bytes.
  auto& text = at->as_string();
  std::string const last(text.subview(text.size() - ((text.back() & '\x80') == 0 ? 1 : 2)));
  for (auto left = missing(characters(text)); left > 0; --left) text.append(last);
}

json::value spec_of(json::object const& row) {
  auto spec = row.at("spec");
  auto const* repeat = row.if_contains("repeat");
  if (!repeat) return spec;
  for (auto const& field : repeat->as_object())
    stretch(spec, std::string(field.key()), field.value().as_int64());
  return spec;
}

json::object service_of(std::string const& name, json::value const& spec) {
  return {
      {"apiVersion", api::kApiVersion}, {"kind", api::kKind}, {"metadata", {{"name", name}}}, {"spec", spec}};
}

}  // namespace

TEST_CASE("Services are accepted and refused as the CRD's table says") {
  auto const documents = documents_of(kRoot / "tests/cluster/cases.yaml");
  REQUIRE(documents.size() == 1);
  for (auto const& item : documents.front().value.as_array()) {
    auto const& row = item.as_object();
    INFO(text_or(row, "why", ""));
    auto const parsed = api::parse_service(service_of(text_or(row, "name", "example"), spec_of(row)));
    auto const refused = text_or(row, "refused", "");
    if (refused.empty()) {
      CHECK(to_string(parsed.errors) == "");
    } else {
      CHECK_THAT(to_string(parsed.errors), Catch::Contains(refused));
    }
  }
}

TEST_CASE("Every InferenceService among the samples is accepted") {
  int services = 0;
  for (auto const& file : std::filesystem::directory_iterator(kRoot / "crds/samples")) {
    for (auto const& document : documents_of(file.path())) {
      if (text_or(document.value.as_object(), "kind", "") != api::kKind) continue;
      INFO(file.path());
      CHECK(to_string(api::parse_service(document.value).errors) == "");
      ++services;
    }
  }
  CHECK(services >= 3);
}

TEST_CASE("The CRD fills in the defaults that this program has") {
  auto const crd = documents_of(kRoot / "crds/elasticinference.dev_inferenceservices.yaml");
  auto const& version = crd.front().value.at("spec").at("versions").at(0);
  auto const& spec = version.at("schema").at("openAPIV3Schema").at("properties").at("spec").as_object();
  auto const filled = api::parse_service(service_of("example", defaults_of(spec)));
  REQUIRE(to_string(filled.errors) == "");
  CHECK(filled.service->spec == api::Spec{});
  // And none is left out but `interval`, whose default depends on the policy.
  auto written = api::to_json(api::Spec{});
  written["scaling"].as_object().erase("interval");
  auto const stated = defaults_of(spec);
  for (auto const& group : written) {
    if (!group.value().is_object()) continue;
    for (auto const& field : group.value().get_object()) {
      INFO(group.key() << "." << field.key());
      CHECK(stated.at(group.key()).as_object().contains(field.key()));
    }
  }
}
