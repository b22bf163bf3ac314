// Request bodies of the inference protocol, and what the parser makes of them, for its tests.
#pragma once

#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "dispatcher/oip/infer.hpp"

namespace ei::dispatcher::oip {

inline constexpr std::size_t kPixels = 3 * 224 * 224;

inline std::string bytes_input(std::string const& shape, std::string const& rest) {
  return R"({"inputs":[{"name":"image","datatype":"BYTES","shape":)" + shape + "," + rest + "}]}";
}

inline InferRequest parsed(std::string const& body, std::optional<std::string_view> header = {}) {
  auto out = parse_infer(body, header);
  if (!out) FAIL(out.error().message);
  return std::move(*out);
}

inline std::string refusal(std::string const& body, std::optional<std::string_view> header = {}) {
  auto const out = parse_infer(body, header);
  REQUIRE(out.has_error());
  CHECK(out.error().http_status == 400);
  return out.error().message;
}

inline std::string element(std::string const& bytes) {
  std::string out;
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(bytes.size() >> shift & 0xff));
  return out + bytes;
}

}  // namespace ei::dispatcher::oip
