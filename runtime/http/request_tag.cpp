#include "runtime/http/request_tag.hpp"

#include <cstdint>
#include <random>

#include "runtime/http/text.hpp"

namespace ei::http {
namespace {

std::mt19937_64 seeded() {
  std::random_device device;
  std::seed_seq seed{device(), device(), device(), device(), device(), device(), device(), device()};
  return std::mt19937_64(seed);
}

}  // namespace

std::string random_hex(std::size_t digits) {
  thread_local std::mt19937_64 random = seeded();
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(digits);
  while (out.size() < digits) {
    std::uint64_t bits = random() | 1;  // so the first digit is never zero
    for (int digit = 0; digit < 16 && out.size() < digits; ++digit, bits >>= 4)
      out.push_back(kHex[bits & 15]);
  }
  return out;
}

std::string new_request_id() {
  return random_hex(32);
}

RequestTag read_tag(Headers const& headers) {
  std::vector<std::string_view> ids;
  std::vector<std::string_view> parents;
  std::vector<std::string_view> states;
  for (auto const& [name, value] : headers) {
    if (same_without_case(name, kRequestId)) ids.push_back(value);
    if (same_without_case(name, kTraceparent)) parents.push_back(value);
    if (same_without_case(name, kTracestate)) states.push_back(value);
  }
  RequestTag tag;
  tag.id = ids.size() == 1 && is_request_id(ids.front()) ? std::string(ids.front()) : new_request_id();
  if (parents.size() != 1) return tag;
  if (auto parent = read_traceparent(parents.front())) {
    tag.traceparent = std::move(*parent);
    tag.tracestate = read_tracestate(states);
  }
  return tag;
}

}  // namespace ei::http
