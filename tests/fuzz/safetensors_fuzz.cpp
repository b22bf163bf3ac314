// .safetensors files.
#include "inference/checkpoint/checkpoint.hpp"
#include "inference/checkpoint/safetensors.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/weights.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace ei;
  std::span const file(reinterpret_cast<std::byte const*>(data), size);
  if (auto const tensors = inference::read_safetensors(file)) fuzz::check_tensors(*tensors, file);
  static_cast<void>(inference::read_checkpoint(file));
  return 0;
}
