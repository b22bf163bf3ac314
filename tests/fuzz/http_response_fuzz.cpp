// An answer as Client reads it, its body in pieces, and what the server's own words read as.
#include "runtime/http/head.hpp"
#include "runtime/http/parser.hpp"
#include "runtime/http/wire.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ei;
using fuzz::require;

constexpr std::size_t kMaxHeader = 1024;

struct Outcome {
  bool failed = false;
  bool done = false;
  bool cut_short = false;
  int status = 0;
  http::Headers headers;
  std::string body;
  std::size_t left = 0;  ///< bytes that belong to the next answer

  // After a fault the connection is dropped, whatever was read before it. Of an answer that is both malformed
  // and cut short, either is told.
  bool operator==(Outcome const& other) const {
    bool const none = failed || cut_short;
    if (none || other.failed || other.cut_short) return none == (other.failed || other.cut_short);
    return done == other.done && cut_short == other.cut_short && status == other.status &&
           headers == other.headers && body == other.body && left == other.left;
  }
};

Outcome read_pieces(fuzz::Pieces const& pieces, bool answers_head) {
  Outcome outcome;
  std::string buffer;
  http::ResponseParser parser(kMaxHeader, answers_head);
  for (auto const piece : pieces) {
    buffer += piece;
    while (!parser.done() && !buffer.empty()) {
      auto const used = parser.feed(buffer);
      outcome.failed = !used;
      if (outcome.failed) return outcome;
      require(*used <= buffer.size(), "no more is taken than there is");
      buffer.erase(0, *used);
      outcome.body += parser.take_body();
      if (*used == 0) break;
    }
  }
  if (!parser.done()) outcome.cut_short = !parser.feed_end();
  outcome.done = parser.done();
  outcome.left = buffer.size();
  if (!parser.header_done()) return outcome;
  outcome.status = parser.response().status;
  outcome.headers = parser.response().headers;
  std::size_t header = 0;
  for (auto const& [name, value] : outcome.headers) header += name.size() + value.size();
  require(header <= kMaxHeader, "limits hold for what is kept");
  require(outcome.body.size() + header <= buffer.size() + 65536, "a body is no longer than what came");
  return outcome;
}

// The same answer as our server would say it.
void check_round_trip(Outcome const& answer) {
  if (!answer.done || answer.status < 200 || answer.status > 599 || http::is_bodiless(answer.status)) return;
  // Connection and Content-Length may be added.
  if (answer.headers.size() + 2 > http::kMaxFields) return;
  http::Response response;
  response.status = answer.status;
  response.headers = answer.headers;
  http::ResponseHeadOptions options;
  options.body_size = answer.body.size();
  std::string const wire = http::response_head(response, options) + answer.body;
  http::ResponseParser parser(16 * kMaxHeader, false);
  std::string rest = wire;
  std::string body;
  while (!parser.done() && !rest.empty()) {
    auto const used = parser.feed(rest);
    require(used && *used > 0, "what was written of an answer is an answer");
    rest.erase(0, *used);
    body += parser.take_body();
  }
  require(parser.done() && rest.empty(), "it ends where it was ended");
  require(parser.response().status == answer.status && body == answer.body,
          "an answer survives being written and read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const input = fuzz::view(data, size);
  for (bool const answers_head : {false, true}) {
    fuzz::same_however_cut(input,
                           [&](fuzz::Pieces const& pieces) { return read_pieces(pieces, answers_head); });
  }
  check_round_trip(read_pieces({input}, false));
  return 0;
}
