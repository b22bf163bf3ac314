#pragma once

#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

/// The few calls that oneDNN 2 (Debian 12) and oneDNN 3 (Debian 13) take in different words. Scales are a
/// part of a primitive in the one, and given with each call in the other.
namespace ei::inference::onednn {

using dnnl::memory;
using Arguments = std::unordered_map<int, memory>;

/// What a primitive is made with, and what it is given besides what it reads and writes.
struct Scaling {
  dnnl::primitive_attr attributes;
  Arguments arguments;
};

/// float32 [values], in oneDNN's own memory.
inline memory floats(dnnl::engine const& engine, std::vector<float> const& values) {
  memory::dims const shape{static_cast<memory::dim>(values.size())};
  memory copied({shape, memory::data_type::f32, memory::format_tag::a}, engine);
  std::copy(values.begin(), values.end(), static_cast<float*>(copied.get_data_handle()));
  return copied;
}

/// Windows of a pooling.
struct Windows {
  memory::dims side, stride, padding;
};

#if DNNL_VERSION_MAJOR >= 3

inline memory::data_type data_type(memory::desc const& desc) {
  return desc.get_data_type();
}

inline void append_relu(dnnl::post_ops& then) {
  then.append_eltwise(dnnl::algorithm::eltwise_relu, 0, 0);
}

/// For a reorder: `scale` · source.
inline Scaling scale_all(dnnl::engine const& engine, float scale) {
  Scaling scaling;
  scaling.attributes.set_scales_mask(DNNL_ARG_SRC, 0);
  scaling.arguments.emplace(DNNL_ARG_ATTR_SCALES | DNNL_ARG_SRC, floats(engine, {scale}));
  return scaling;
}

/// For a convolution: `then`(scales[c] · sum + bias[c]) in each output channel c.
inline Scaling scale_channels(dnnl::engine const& engine, std::vector<float> const& scales,
                              std::vector<float> const& bias, dnnl::post_ops const& then) {
  Scaling scaling;
  constexpr int kOutputChannelOfWeights = 1 << 0;
  scaling.attributes.set_scales_mask(DNNL_ARG_WEIGHTS, kOutputChannelOfWeights);
  scaling.attributes.set_post_ops(then);
  scaling.arguments.emplace(DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS, floats(engine, scales));
  scaling.arguments.emplace(DNNL_ARG_BIAS, floats(engine, bias));
  return scaling;
}

inline dnnl::convolution_forward::primitive_desc convolution(
    dnnl::engine const& engine, dnnl::primitive_attr const& attributes, memory::desc const& in,
    memory::desc const& weights, memory::desc const& bias, memory::desc const& out,
    memory::dims const& stride, memory::dims const& padding) {
  return {engine,
          dnnl::prop_kind::forward_inference,
          dnnl::algorithm::convolution_direct,
          in,
          weights,
          bias,
          out,
          stride,
          padding,
          padding,
          attributes};
}

inline dnnl::pooling_forward::primitive_desc max_pooling(dnnl::engine const& engine, memory::desc const& in,
                                                         memory::desc const& out, Windows const& windows) {
  memory::dims const no_dilation(windows.side.size(), 0);
  return {engine,
          dnnl::prop_kind::forward_inference,
          dnnl::algorithm::pooling_max,
          in,
          out,
          windows.stride,
          windows.side,
          no_dilation,
          windows.padding,
          windows.padding};
}

/// A newer instruction set has all of an older one.
inline bool has_vnni(dnnl::cpu_isa isa) {
  switch (isa) {
    case dnnl::cpu_isa::isa_default:  // not an x86 CPU
    case dnnl::cpu_isa::sse41:
    case dnnl::cpu_isa::avx:
    case dnnl::cpu_isa::avx2:
    case dnnl::cpu_isa::avx512_core:
      return false;
    default:
      return true;
  }
}

#else

inline memory::data_type data_type(memory::desc const& desc) {
  return desc.data_type();
}

inline void append_relu(dnnl::post_ops& then) {
  then.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
}

inline Scaling scale_all(dnnl::engine const&, float scale) {
  Scaling scaling;
  scaling.attributes.set_output_scales(0, {scale});
  return scaling;
}

inline Scaling scale_channels(dnnl::engine const& engine, std::vector<float> const& scales,
                              std::vector<float> const& bias, dnnl::post_ops const& then) {
  Scaling scaling;
  constexpr int kOutputChannel = 1 << 1;
  scaling.attributes.set_output_scales(kOutputChannel, scales);
  scaling.attributes.set_post_ops(then);
  auto shifts = bias;  // this version adds them to the sum before it scales it
  for (std::size_t channel = 0; channel < shifts.size(); ++channel) shifts[channel] /= scales[channel];
  scaling.arguments.emplace(DNNL_ARG_BIAS, floats(engine, shifts));
  return scaling;
}

inline dnnl::convolution_forward::primitive_desc convolution(
    dnnl::engine const& engine, dnnl::primitive_attr const& attributes, memory::desc const& in,
    memory::desc const& weights, memory::desc const& bias, memory::desc const& out,
    memory::dims const& stride, memory::dims const& padding) {
  return {{dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, in, weights, bias, out,
           stride, padding, padding},
          attributes,
          engine};
}

inline dnnl::pooling_forward::primitive_desc max_pooling(dnnl::engine const& engine, memory::desc const& in,
                                                         memory::desc const& out, Windows const& windows) {
  return {{dnnl::prop_kind::forward_inference, dnnl::algorithm::pooling_max, in, out, windows.stride,
           windows.side, windows.padding, windows.padding},
          engine};
}

inline bool has_vnni(dnnl::cpu_isa isa) {
  switch (isa) {
    case dnnl::cpu_isa::avx2_vnni:
    case dnnl::cpu_isa::avx512_core_vnni:
    case dnnl::cpu_isa::avx512_core_bf16:
    case dnnl::cpu_isa::avx512_core_amx:
      return true;
    default:
      return false;
  }
}

#endif

}  // namespace ei::inference::onednn
