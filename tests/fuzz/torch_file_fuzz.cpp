// What torch.save writes: the ZIP archive, the pickle in it, and the older format.
#include "inference/checkpoint/checkpoint.hpp"
#include "inference/checkpoint/pickle.hpp"
#include "inference/checkpoint/torch_file.hpp"
#include "inference/checkpoint/zip.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/weights.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace ei;
  using fuzz::require;
  std::span const file(reinterpret_cast<std::byte const*>(data), size);
  if (auto const members = inference::read_zip(file)) {
    for (auto const& [name, member] : *members) {
      require(fuzz::lies_in(member.bytes, file), "a member lies in its archive");
    }
  }
  if (auto const document = inference::pickle::read(file)) {
    require(document->consumed <= size, "a pickle ends in its file");
    require(document->nodes.size() <= size, "a value takes at least a byte");
  }
  if (auto const tensors = inference::read_torch_save(file)) fuzz::check_tensors(*tensors, file);
  static_cast<void>(inference::read_checkpoint(file));
  return 0;
}
