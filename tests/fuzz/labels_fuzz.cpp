// Label files.
#include "inference/labels/labels.hpp"
#include "runtime/core/encoding.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace ei;
  auto const labels = inference::parse_labels(fuzz::view(data, size));
  if (!labels) return 0;
  fuzz::require(!labels->empty() && labels->size() <= size, "a label takes at least a byte");
  for (auto const& label : *labels) {
    fuzz::require(!label.empty() && label.size() <= inference::kMaxLabelBytes && is_utf8(label),
                  "a label is text of limited length");
    fuzz::require(label.find('\n') == std::string::npos, "a label is one line");
  }
  auto const again = inference::parse_labels(inference::join_labels(*labels));
  fuzz::require(again && *again == *labels, "labels survive being written and read");
  return 0;
}
