// Label files.
#include <boost/json/array.hpp>

#include "inference/labels/labels.hpp"
#include "runtime/core/encoding.hpp"
#include "runtime/core/json.hpp"
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
  // One a line they may look like another form (`0: a`); as JSON they are what they are.
  boost::json::array list(labels->begin(), labels->end());
  auto const again = inference::parse_labels(to_json_text(list));
  fuzz::require(again && *again == *labels, "labels survive being written and read");
  return 0;
}
