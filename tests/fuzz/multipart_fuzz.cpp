// A form: the first line is its Content-Type, the rest its body.
#include "dispatcher/contract/form/multipart.hpp"
#include "runtime/http/message.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ei;
using fuzz::require;

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (char const c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string written(std::vector<dispatcher::Part> const& parts, std::string const& boundary) {
  std::string body;
  for (auto const& part : parts) {
    body += "--" + boundary + "\r\nContent-Disposition: form-data; name=" + in_quotes(part.name);
    if (part.filename) body += "; filename=" + in_quotes(*part.filename);
    body += "\r\n";
    if (!part.content_type.empty()) body += "Content-Type: " + part.content_type + "\r\n";
    body += "\r\n" + std::string(part.data) + "\r\n";
  }
  return body + "--" + boundary + "--\r\n";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const [type, body] = fuzz::headed(fuzz::view(data, size));
  require(http::media_type(type).size() <= type.size(), "a media type is part of its field");
  auto const boundary = http::header_parameter(type, "boundary").value_or("");
  auto const parts = dispatcher::parse_multipart(body, boundary);
  if (!parts) return 0;
  require(parts->size() <= dispatcher::kMaxParts, "at most kMaxParts parts");
  char const* last = body.data();
  for (auto const& part : *parts) {
    require(part.data.data() >= last && part.data.data() + part.data.size() <= body.data() + body.size(),
            "parts lie in the body, one after the other");
    last = part.data.data() + part.data.size();
    require(part.name.size() + part.content_type.size() <= dispatcher::kMaxPartHeaderBytes,
            "a part's headers are limited");
  }
  // A boundary that ends in blanks reads as one that does not.
  if (boundary.find_first_of(" \t\r\n") != std::string::npos) return 0;
  auto const text = written(*parts, boundary);
  auto const again = dispatcher::parse_multipart(text, boundary);
  require(bool(again), "what was written of a form is a form");
  require(*again == *parts, "a form survives being written and read");
  return 0;
}
