// Manifests: YAML to services.
#include "operator/manifest/manifest.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace ei;
  auto const input = fuzz::view(data, size);
  auto const contents = manifest::read_text(input, "m.yaml");
  if (!contents) return 0;
  for (auto const& entry : contents->entries) {
    fuzz::require(entry.errors.empty() == entry.parsed.service.has_value(),
                  "a service or its errors, never both");
    fuzz::require(entry.line >= 1, "lines count from 1");
    if (!entry.parsed.service) continue;
    auto const again = api::parse_service(api::to_json(*entry.parsed.service));
    fuzz::require(again.service && *again.service == *entry.parsed.service,
                  "a service survives being written and read");
  }
  return 0;
}
