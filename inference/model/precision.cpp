#include "inference/model/precision.hpp"

#include <ATen/ops/ones.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <chrono>

#include "inference/model/convolution.hpp"

namespace ei::inference {
namespace {

/// Seconds that one convolution of the third layer takes, the best of a few runs
/// after one that builds its code.
double time_convolution(StateDict const& tensors, Precision precision) {
  constexpr std::int64_t kSide = 14;
  constexpr int kRuns = 5;  // 0.2 ms each; the best one is free of what other processes did
  auto const spec = resnet18_spec().blocks[5].first;
  Convolution const convolution(spec, tensors, After::Relu, kSide, precision);
  auto const input =
      at::ones({1, spec.in, kSide, kSide},
               at::TensorOptions().dtype(precision == Precision::Bf16 ? at::kBFloat16 : at::kFloat))
          .contiguous(at::MemoryFormat::ChannelsLast);
  static_cast<void>(convolution(input));
  double best = 1;
  for (int run = 0; run < kRuns; ++run) {
    auto const start = std::chrono::steady_clock::now();
    static_cast<void>(convolution(input));
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

Result<Precision> parse_precision(std::string_view text) {
  for (auto const precision : {Precision::Auto, Precision::Fp32, Precision::Bf16, Precision::Int8}) {
    if (to_string(precision) == text) return precision;
  }
  return make_error(ErrorKind::Invalid,
                    "precision '" + std::string(text) + "': allowed are auto, fp32, bf16 and int8");
}

std::string_view to_string(Precision precision) {
  switch (precision) {
    case Precision::Auto:
      return "auto";
    case Precision::Fp32:
      return "fp32";
    case Precision::Bf16:
      return "bf16";
    case Precision::Int8:
      return "int8";
  }
  return "auto";
}

bool cpu_multiplies_bf16() {
#if defined(__x86_64__)
  // Intel SDM, CPUID leaf 7: AVX512_BF16 is sub-leaf 1 EAX bit 5, AMX_BF16 sub-leaf 0 EDX bit 22. oneDNN
  // itself asks the operating system whether the registers may be used; where not, it is slow, and the
  // measurement says so.
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  bool const amx_bf16 = (edx & (1U << 22U)) != 0;
  unsigned const sub_leaves = eax;
  if (sub_leaves < 1 || __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) == 0) return amx_bf16;
  return amx_bf16 || (eax & (1U << 5U)) != 0;
#else
  return false;
#endif
}

bool cpu_computes_bf16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

bool bf16_is_faster(StateDict const& tensors) {
  // Less than a tenth faster is not worth the rounding.
  constexpr double kWorthwhile = 0.9;
  return time_convolution(tensors, Precision::Bf16) <
         kWorthwhile * time_convolution(tensors, Precision::Fp32);
}

}  // namespace ei::inference
