#include "inference/checkpoint/checkpoint.hpp"

#include "inference/checkpoint/foreign.hpp"
#include "inference/checkpoint/resnet18.hpp"
#include "inference/checkpoint/safetensors.hpp"
#include "inference/checkpoint/torch_file.hpp"
#include "inference/checkpoint/values.hpp"

namespace ei::inference {
namespace {

Result<StateDict> read_any(std::span<const std::byte> file) {
  switch (detect_format(file)) {
    case FileFormat::Safetensors:
      return read_safetensors(file);
    case FileFormat::TorchSave:
    case FileFormat::TorchSaveLegacy:
    case FileFormat::TorchSaveTar:
      return read_torch_save(file);
    case FileFormat::TorchScript:
      return make_error(ErrorKind::Invalid, "a TorchScript archive is not a state dict");
    case FileFormat::Unknown:
      break;
  }
  return make_error(
      ErrorKind::Invalid,
      "neither safetensors nor a file that torch.save or torch.jit.save wrote: " + describe_foreign(file));
}

}  // namespace

Result<StateDict> read_checkpoint(std::span<const std::byte> file) {
  auto tensors = read_any(file);
  if (!tensors) return tensors.error();
  auto selected = select_resnet18(std::move(*tensors));
  if (!selected) return selected.error();
  if (auto const ok = check_values(*selected); !ok) return ok.error();
  return selected;
}

}  // namespace ei::inference
