// Requests as Session reads them: one after the other on one connection.
#include "runtime/http/head.hpp"
#include "runtime/http/parser.hpp"
#include "runtime/http/wire.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ei;
using fuzz::require;

// Small, so that inputs of a few kilobytes reach the limits.
constexpr std::size_t kMaxHeader = 1024;
constexpr std::size_t kMaxBody = 4096;

struct Outcome {
  std::vector<http::Request> requests;
  int refused_with = 0;  ///< 0: not refused, or not yet

  // A request that has not ended may be refused as soon as its fault is seen, or once it has ended; one that
  // is both malformed and too large, for either.
  bool operator==(Outcome const& other) const {
    auto const same = [](http::Request const& a, http::Request const& b) {
      return a.method == b.method && a.target == b.target && a.path == b.path && a.query == b.query &&
             a.headers == b.headers && a.body == b.body;
    };
    auto const either = [](int status) { return status == 400 || status == 431; };
    bool const waits = refused_with == 0 || other.refused_with == 0;
    bool const same_refusal =
        refused_with == other.refused_with || waits || (either(refused_with) && either(other.refused_with));
    return same_refusal &&
           std::equal(requests.begin(), requests.end(), other.requests.begin(), other.requests.end(), same);
  }
};

// Feeds what is there; true when more pieces are needed. As Session::read_header and read_body do.
bool feed(http::RequestParser& parser, std::string& buffer, Outcome& outcome) {
  while (!parser.done()) {
    bool const in_body = parser.header_done();
    auto const used = parser.feed(buffer);
    if (!used) {
      outcome.refused_with = used.error().http_status;
      require(outcome.refused_with >= 400 && outcome.refused_with < 600, "a refusal has its status");
      return false;
    }
    require(*used <= buffer.size(), "no more is taken than there is");
    buffer.erase(0, *used);
    if (!in_body && parser.header_done()) {
      if (auto const allowed = parser.allow_body(kMaxBody); !allowed) {
        outcome.refused_with = allowed.error().http_status;
        return false;
      }
      continue;
    }
    if (!parser.done() && (*used == 0 || buffer.empty() || !in_body)) return true;
  }
  return false;
}

Outcome read_pieces(fuzz::Pieces const& pieces) {
  Outcome outcome;
  std::string buffer;
  http::RequestParser parser(kMaxHeader);
  for (auto const piece : pieces) {
    buffer += piece;
    while (!buffer.empty()) {
      if (feed(parser, buffer, outcome)) break;
      if (outcome.refused_with != 0) return outcome;
      outcome.requests.push_back(parser.request());
      if (!parser.keep_alive()) return outcome;
      parser = http::RequestParser(kMaxHeader);
    }
  }
  return outcome;
}

bool is_rewritten(std::string const& name) {
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower == "host" || lower == "content-length" || lower == "transfer-encoding";
}

// What was understood, written and read again, is the same request.
void check_round_trip(http::Request const& request) {
  // Host and Content-Length may be added.
  if (request.headers.size() + 2 > http::kMaxFields) return;
  std::string const wire = http::request_head(request, "host") + request.body;
  http::RequestParser parser(16 * kMaxHeader);
  auto const used = parser.feed(wire);
  require(used && parser.header_done(), "what was written of a request is a request");
  require(bool(parser.allow_body(kMaxBody)), "its body is as long as it was");
  if (!parser.done()) require(bool(parser.feed(wire.substr(*used))), "its body is read");
  require(parser.done(), "it is whole");
  http::Request const& again = parser.request();
  require(again.method == request.method && again.target == request.target && again.body == request.body,
          "a request survives being written and read");
  http::Headers left = request.headers;
  http::Headers right = again.headers;
  for (auto* headers : {&left, &right}) {
    http::Headers kept;
    for (auto const& [name, value] : *headers) {
      if (!is_rewritten(name)) kept.add(name, value);
    }
    *headers = kept;
  }
  require(left == right, "fields survive being written and read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const input = fuzz::view(data, size);
  fuzz::same_however_cut(input, read_pieces);
  for (auto const& request : read_pieces({input}).requests) {
    std::size_t header = request.method.size() + request.target.size();
    for (auto const& [name, value] : request.headers) header += name.size() + value.size();
    require(header <= kMaxHeader && request.body.size() <= kMaxBody, "limits hold for what is kept");
    check_round_trip(request);
  }
  return 0;
}
