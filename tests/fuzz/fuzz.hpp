// What the fuzz targets share: how a broken promise is reported, and how an input is cut into pieces.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace ei::fuzz {

/// A promise of the code under test. libFuzzer keeps the input that broke it.
inline void require(bool kept, char const* promise) {
  if (kept) return;
  std::fprintf(stderr, "broken: %s\n", promise);
  std::abort();
}

inline std::string_view view(std::uint8_t const* data, std::size_t size) {
  return {reinterpret_cast<char const*>(data), size};
}

/// The first line of an input and what follows it: a parameter and the bytes that it is for.
struct Headed {
  std::string_view line;
  std::string_view rest;
};
inline Headed headed(std::string_view input) {
  auto const end = input.find('\n');
  if (end == std::string_view::npos) return {input, {}};
  return {input.substr(0, end), input.substr(end + 1)};
}

using Pieces = std::vector<std::string_view>;

/// Every ending of a byte stream that a network may make of the same bytes: whole, byte by byte, and two ways
/// drawn from the bytes themselves, so that an input file alone says what is done with it.
inline std::vector<Pieces> cuts(std::string_view input) {
  std::vector<Pieces> all{{input}};
  // One-byte pieces of a long input cost its length squared where the reader moves its buffer.
  constexpr std::size_t kByteByByte = 2048;
  if (input.size() <= kByteByByte) {
    Pieces bytes;
    for (std::size_t at = 0; at < input.size(); ++at) bytes.push_back(input.substr(at, 1));
    all.push_back(std::move(bytes));
  }
  std::uint64_t state = 14695981039346656037U;  // FNV-1a
  for (char const c : input) state = (state ^ static_cast<unsigned char>(c)) * 1099511628211U;
  for (std::size_t const longest : {std::size_t{7}, std::size_t{300}}) {
    Pieces pieces;
    for (std::size_t at = 0; at < input.size();) {
      state = state * 6364136223846793005U + 1442695040888963407U;  // Knuth's MMIX generator
      auto const length = std::min<std::size_t>(1 + (state >> 33U) % longest, input.size() - at);
      pieces.push_back(input.substr(at, length));
      at += length;
    }
    all.push_back(std::move(pieces));
  }
  return all;
}

/// `read` gives what it made of the pieces; that must not depend on where the cuts are.
template <class Read>
void same_however_cut(std::string_view input, Read read) {
  auto const ways = cuts(input);
  auto const whole = read(ways.front());
  for (auto const& pieces : ways) {
    require(read(pieces) == whole, "the result depends on where the input was cut");
  }
}

}  // namespace ei::fuzz
