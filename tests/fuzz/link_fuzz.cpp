// Frames of the worker link, in both directions: the first byte of an input says which.
#include "dispatcher/contract/link/protocol.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ei;
using namespace ei::dispatcher;
using fuzz::require;

// Probabilities may be NaN, which equals nothing: compared as bytes.
template <class Decode>
void check_round_trip(std::string_view frame, Decode decode) {
  auto const message = decode(frame);
  if (!message) {
    require(message.error().kind == ErrorKind::Protocol, "a bad frame is the peer's fault");
    require(message.error().message.size() < 8192, "an error quotes little of a hostile frame");
    return;
  }
  auto const written = link::encode(*message);
  auto const again = decode(written);
  require(bool(again), "what was written of a message is a message");
  require(link::encode(*again) == written, "a message survives being written and read");
}

void check_parts(std::string_view frame) {
  auto const message = link::decode_from_dispatcher(frame);
  if (!message) return;
  auto const* job = std::get_if<link::Job>(&*message);
  if (job == nullptr) return;
  auto const parts = link::parts(*job);
  require(parts.size() == job->items.size(), "every item has its bytes");
  std::string whole;
  for (auto const part : parts) whole += part;
  require(whole == job->payload, "the items' bytes are the payload");
  require(link::encode_job_head(*job) + whole == link::encode(*message), "both ways of writing a job agree");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const input = fuzz::view(data, size);
  if (input.empty()) return 0;
  auto const frame = input.substr(1);
  if (input.front() % 2 == 0) {
    check_round_trip(frame, link::decode_from_worker);
  } else {
    check_round_trip(frame, link::decode_from_dispatcher);
    check_parts(frame);
  }
  return 0;
}
