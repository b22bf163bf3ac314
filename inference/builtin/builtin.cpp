#include "inference/builtin/builtin.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

#include "runtime/core/embed.hpp"

EI_EMBED(ei_shapes_weights, EI_SHAPES_WEIGHTS);
EI_EMBED(ei_shapes_labels, EI_SHAPES_LABELS);
EI_EMBED(ei_imagenet_labels, EI_IMAGENET_LABELS);

namespace ei::inference {

std::span<const std::byte> shapes_weights() {
  return std::as_bytes(std::span<char const>(ei_shapes_weights, ei_shapes_weights_end));
}

void forget_shapes_weights() {
  // Whole pages only: the first and the last may hold something else. They are file-backed and never written,
  // so that MADV_DONTNEED drops nothing but this process's mapping of them.
  auto const page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  auto const first = (reinterpret_cast<std::uintptr_t>(ei_shapes_weights) + page - 1) / page * page;
  auto const last = reinterpret_cast<std::uintptr_t>(ei_shapes_weights_end) / page * page;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

std::string_view shapes_labels() {
  return {ei_shapes_labels, ei_shapes_labels_end};
}

std::string_view imagenet_labels() {
  return {ei_imagenet_labels, ei_imagenet_labels_end};
}

}  // namespace ei::inference
