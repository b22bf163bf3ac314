// A watch stream: lines however they arrive, and what each says.
#include "operator/backend/kube/protocol/lines.hpp"
#include "operator/backend/kube/protocol/watch_event.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ei;

constexpr std::size_t kMaxLine = 512;  // so that small inputs reach it

struct Outcome {
  std::vector<std::string> lines;
  bool failed = false;
  bool partial = false;

  // A line over the limit ends the stream; how many before it were read depends on the pieces.
  bool operator==(Outcome const& other) const {
    if (failed || other.failed) return failed == other.failed;
    return lines == other.lines && partial == other.partial;
  }
};

Outcome read_pieces(fuzz::Pieces const& pieces) {
  Outcome outcome;
  kube::LineSplitter splitter(kMaxLine);
  for (auto const piece : pieces) {
    outcome.failed = !splitter.feed(piece);
    if (outcome.failed) return outcome;
    while (auto const line = splitter.next()) {
      fuzz::require(!line->empty() && line->size() <= kMaxLine, "a line is neither empty nor over the limit");
      outcome.lines.emplace_back(*line);
    }
  }
  outcome.partial = splitter.partial();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const input = fuzz::view(data, size);
  fuzz::same_however_cut(input, read_pieces);
  for (auto const& line : read_pieces({input}).lines) {
    auto const parsed = kube::parse_watch_line(line);
    if (!parsed) continue;
    bool const failure = std::holds_alternative<kube::watch::Failed>(parsed->input);
    fuzz::require(failure == parsed->object.is_null(), "an event has its object, an error has none");
  }
  return 0;
}
