#include "operator/backend/local/manifest_set.hpp"

#include <catch2/catch.hpp>

namespace local = ei::backend::local;
using ei::api::ServiceKey;

namespace {

auto const kNow = ei::parse_rfc3339("2026-01-01T12:00:00Z").value();
ServiceKey const kA{"default", "a"};
ServiceKey const kB{"default", "b"};

std::string service(std::string const& name, std::string const& spec = "{}") {
  return "---\napiVersion: elasticinference.dev/v1alpha1\nkind: InferenceService\nmetadata: {name: " + name +
         "}\nspec: " + spec + "\n";
}

local::Update put(local::ManifestSet& set, std::string const& file, std::string const& text) {
  return set.update(file, ei::manifest::read_text(text, file), kNow);
}

using Keys = std::set<ServiceKey>;

}  // namespace

TEST_CASE("A new service begins with generation 1, and each edit of its spec adds one") {
  local::ManifestSet set;
  CHECK(put(set, "f", service("a")).changed == Keys{kA});
  CHECK(set.find(kA)->metadata.generation == 1);
  CHECK(put(set, "f", service("a")).changed.empty());
  CHECK(put(set, "f", service("a", "{scaling: {queueTarget: 3}}")).changed == Keys{kA});
  CHECK(set.find(kA)->metadata.generation == 2);
  CHECK(put(set, "f", "# a comment\n" + service("a", "{scaling: {queueTarget: 3}}")).changed.empty());
  CHECK(set.find(kA)->metadata.generation == 2);
}

TEST_CASE("A service goes with its document or its file") {
  local::ManifestSet set;
  put(set, "f", service("a") + service("b"));
  CHECK(put(set, "f", service("b")).changed == Keys{kA});
  CHECK(set.find(kA) == nullptr);
  CHECK(set.remove("g", kNow).changed.empty());
  CHECK(set.remove("f", kNow).changed == Keys{kB});
  CHECK(set.keys().empty());
}

TEST_CASE("An invalid edit keeps the spec, and tells its faults until it is put right") {
  local::ManifestSet set;
  put(set, "f", service("a", "{scaling: {queueTarget: 3}}"));
  auto const bad = service("a", "{scaling: {queueTarget: 0}}");
  CHECK(put(set, "f", bad).changed == Keys{kA});
  CHECK(put(set, "f", bad).changed.empty());
  auto const* declared = set.find(kA);
  CHECK(declared->spec->scaling.queue_target == 3);
  CHECK(declared->metadata.generation == 1);
  REQUIRE(declared->errors.size() == 1);
  CHECK(to_string(declared->errors[0]) ==
        "f:5: spec.scaling.queueTarget: Invalid value: 0: must be an integer between 1 and 100000");
  CHECK(put(set, "f", service("a", "{scaling: {queueTarget: 3}}")).changed == Keys{kA});
  CHECK(set.find(kA)->errors.empty());
}

TEST_CASE("A file that cannot be read, or is empty for a moment, removes nothing") {
  local::ManifestSet set;
  put(set, "f", service("a") + service("b"));
  for (auto const* text : {"", "x: [", "# nothing\n"}) {
    put(set, "f", text);
    CHECK(set.keys().size() == 2);
    CHECK_FALSE(set.find(kA)->errors.empty());
    CHECK(to_string(set.find(kB)->errors.at(0)).rfind("f:1: ", 0) == 0);
  }
  CHECK(put(set, "f", service("a") + service("b")).changed == Keys{kA, kB});
}

TEST_CASE("A mistyped name removes nothing either") {
  local::ManifestSet set;
  put(set, "f", service("a"));
  auto const update = put(set, "f", service("A"));
  CHECK(set.find(kA) != nullptr);
  CHECK_FALSE(update.faults.empty());
}

TEST_CASE("A service belongs to the file that named it first") {
  local::ManifestSet set;
  put(set, "f", service("a"));
  auto const update = put(set, "g", service("a", "{scaling: {queueTarget: 9}}"));
  REQUIRE(update.faults.size() == 1);
  CHECK(update.faults[0] == "g:2: metadata.name: Duplicate value: \"default/a\": it is in f");
  CHECK(set.find(kA)->spec->scaling.queue_target == 50);
  CHECK(set.remove("g", kNow).changed.empty());
}

TEST_CASE("What a file gives up goes on where another file has offered it already") {
  auto const text = service("a", "{scaling: {queueTarget: 3}}");
  for (bool const whole_file : {true, false}) {
    INFO("the file goes as a whole: " << whole_file);
    local::ManifestSet set;
    put(set, "f", text + service("b"));
    put(set, "f", service("a", "{scaling: {queueTarget: 4}}") + service("b"));
    CHECK(put(set, "e", service("a", "{scaling: {queueTarget: 5}}")).faults.size() == 1);
    auto const update = whole_file ? set.remove("f", kNow) : put(set, "f", service("b"));
    CHECK(update.faults.empty());
    CHECK(update.changed == (whole_file ? Keys{kA, kB} : Keys{kA}));
    REQUIRE(set.find(kA) != nullptr);
    CHECK(set.find(kA)->file == "e");
    CHECK(set.find(kA)->spec->scaling.queue_target == 5);
    CHECK(set.find(kA)->metadata.generation == 3);
    CHECK((set.find(kB) != nullptr) == !whole_file);
    CHECK(set.remove("e", kNow).changed == Keys{kA});
    CHECK(set.find(kA) == nullptr);
  }
}

TEST_CASE("A document that another file has withdrawn meanwhile is not taken from there") {
  local::ManifestSet set;
  put(set, "f", service("a"));
  put(set, "g", service("a") + service("b"));
  put(set, "g", service("b"));
  CHECK(set.remove("f", kNow).changed == Keys{kA});
  CHECK(set.find(kA) == nullptr);
}

TEST_CASE("A service that moved while its first file was gone for a moment is taken from the second") {
  local::ManifestSet set;
  put(set, "f", service("a"));
  CHECK(set.remove("f", kNow).changed == Keys{kA});
  CHECK(put(set, "e", service("a")).changed == Keys{kA});
  CHECK(set.find(kA)->file == "e");
}
