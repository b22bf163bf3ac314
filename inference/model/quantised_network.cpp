#include "inference/model/quantised_network.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "inference/model/convolution.hpp"
#include "inference/model/folding.hpp"
#include "inference/model/onednn.hpp"

namespace ei::inference {
namespace {

using dnnl::memory;
using Type = memory::data_type;
using Layout = memory::format_tag;

constexpr std::int64_t kInputSide = 224;
constexpr float kSignedLevels = 127;  // -128 is left out: the scale is symmetric
constexpr float kUnsignedLevels = 255;
/// Without VNNI a CPU adds two products of 8 bits in 16 (vpmaddubsw), which 2 · 127 · 127 fits and 2 · 255 ·
/// 127 does not.
constexpr float kUnsignedLevelsIn16 = 127;

/// One primitive with what it reads and writes.
struct Step {
  dnnl::primitive primitive;
  onednn::Arguments arguments;
};

/// An activation in NHWC, and how much one unit of its integers is.
struct Activation {
  memory values;
  float unit = 1;
  std::int64_t side = kInputSide;

  [[nodiscard]] Type type() const { return onednn::data_type(values.get_desc()); }
};

/// Symmetric: the largest weight of an output channel becomes 127.
struct QuantisedWeights {
  std::vector<std::int8_t> values;
  std::vector<float> units;  ///< for each output channel
};

QuantisedWeights quantise(at::Tensor const& weight) {
  auto const channels = static_cast<std::size_t>(weight.size(0));
  auto const each = static_cast<std::size_t>(weight.numel()) / channels;
  auto const* const floats = weight.data_ptr<float>();
  QuantisedWeights quantised{std::vector<std::int8_t>(channels * each), std::vector<float>(channels)};
  for (std::size_t channel = 0; channel < channels; ++channel) {
    auto const row = std::span(floats + channel * each, each);
    float largest = 0;
    for (float const value : row) largest = std::max(largest, std::abs(value));
    // A channel of zeros has any unit; so has one of denormal numbers, whose quotient would overflow.
    float const unit = largest > 1e-30F ? largest / kSignedLevels : 1.0F;
    quantised.units[channel] = unit;
    for (std::size_t i = 0; i < each; ++i)
      quantised.values[channel * each + i] = static_cast<std::int8_t>(std::nearbyint(row[i] / unit));
  }
  return quantised;
}

/// Builds the steps one after the other.
class Builder {
 public:
  Builder(StateDict const& tensors, Ranges const& ranges) : tensors_(tensors), ranges_(ranges) {}

  /// The unit of the next activation, whose type has `levels` above zero.
  [[nodiscard]] float next_unit(float levels) { return ranges_[used_++] / levels; }

  [[nodiscard]] memory::desc image(std::int64_t channels, std::int64_t side, Type type) const {
    return {{1, channels, side, side}, type, Layout::nhwc};
  }

  /// float32 pictures, NCHW, into signed integers.
  Activation input(memory const& pictures) {
    Activation out{memory(image(3, kInputSide, Type::s8), engine_), next_unit(kSignedLevels), kInputSide};
    auto scaling = onednn::scale_all(engine_, 1 / out.unit);
    scaling.arguments.insert({{DNNL_ARG_FROM, pictures}, {DNNL_ARG_TO, out.values}});
    add(dnnl::reorder(dnnl::reorder::primitive_desc(pictures, out.values, scaling.attributes)),
        std::move(scaling.arguments));
    return out;
  }

  /// With `identity` the result is relu(convolution + identity), and takes over the identity's memory.
  Activation convolution(Activation const& in, ConvolutionSpec const& spec, After after,
                         Activation const* identity = nullptr) {
    auto const type = after == After::Relu ? Type::u8 : Type::s8;
    Activation out{
        {}, next_unit(after == After::Relu ? unsigned_levels_ : kSignedLevels), in.side / spec.stride};
    auto const [weight, bias] = fold(spec, tensors_, at::kFloat);
    auto quantised = quantise(weight.contiguous());
    auto const floats = bias.contiguous();
    std::vector<float> scales(quantised.units.size());
    std::vector<float> shifts(scales.size());
    for (std::size_t channel = 0; channel < scales.size(); ++channel) {
      scales[channel] = in.unit * quantised.units[channel] / out.unit;
      shifts[channel] = floats.data_ptr<float>()[channel] / out.unit;
    }
    dnnl::post_ops then;
    if (identity != nullptr) then.append_sum(identity->unit / out.unit, 0, identity->type());
    if (after == After::Relu) onednn::append_relu(then);
    auto scaling = onednn::scale_channels(engine_, scales, shifts, then);
    memory::dims const shape{spec.out, spec.in, spec.kernel, spec.kernel};
    auto const chosen = onednn::convolution(
        engine_, scaling.attributes, in.values.get_desc(), memory::desc(shape, Type::s8, Layout::any),
        memory::desc({spec.out}, Type::f32, Layout::a), image(spec.out, out.side, type),
        {spec.stride, spec.stride}, {spec.padding, spec.padding});
    memory const packed(chosen.weights_desc(), engine_);
    memory const plain({shape, Type::s8, Layout::oihw}, engine_, quantised.values.data());
    run(dnnl::reorder(plain, packed), {{DNNL_ARG_FROM, plain}, {DNNL_ARG_TO, packed}});
    // The step that wrote the identity goes on holding its memory.
    out.values = identity == nullptr ? memory(chosen.dst_desc(), engine_)
                                     : memory(chosen.dst_desc(), engine_, identity->values.get_data_handle());
    scaling.arguments.insert(
        {{DNNL_ARG_SRC, in.values}, {DNNL_ARG_WEIGHTS, packed}, {DNNL_ARG_DST, out.values}});
    add(dnnl::convolution_forward(chosen), std::move(scaling.arguments));
    return out;
  }

  /// The stem's: 3 × 3, stride 2.
  Activation max_pool(Activation const& in, std::int64_t channels) {
    Activation out{memory(image(channels, in.side / 2, in.type()), engine_), in.unit, in.side / 2};
    auto const chosen = onednn::max_pooling(engine_, in.values.get_desc(), out.values.get_desc(),
                                            {.side = {3, 3}, .stride = {2, 2}, .padding = {1, 1}});
    add(dnnl::pooling_forward(chosen), {{DNNL_ARG_SRC, in.values}, {DNNL_ARG_DST, out.values}});
    return out;
  }

  dnnl::engine const& engine() const { return engine_; }
  std::vector<Step> steps;

 private:
  void add(dnnl::primitive primitive, onednn::Arguments arguments) {
    steps.push_back({std::move(primitive), std::move(arguments)});
  }
  void run(dnnl::primitive const& primitive, onednn::Arguments const& arguments) {
    dnnl::stream stream(engine_);
    primitive.execute(stream, arguments);
    stream.wait();
  }

  StateDict const& tensors_;
  Ranges const& ranges_;
  std::size_t used_ = 0;
  float unsigned_levels_ = cpu_multiplies_int8() ? kUnsignedLevels : kUnsignedLevelsIn16;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
};

/// float32 [1, channels]: the sums over height and width.
at::Tensor sums(Activation const& in, std::int64_t channels) {
  auto out = at::empty({1, channels}, at::kFloat);
  auto const* pixel = static_cast<std::uint8_t const*>(in.values.get_data_handle());
  std::vector<std::uint32_t> total(static_cast<std::size_t>(channels), 0);
  for (std::int64_t i = 0; i < in.side * in.side; ++i) {
    for (auto& sum : total) sum += *pixel++;
  }
  std::copy(total.begin(), total.end(), out.data_ptr<float>());
  return out;
}

}  // namespace

struct QuantisedNetwork::Program {
  std::vector<Step> steps;
  memory pictures;  ///< float32 [1, 3, 224, 224], without bytes of its own
  Activation last;
  std::int64_t features;
  dnnl::stream stream;
  at::Tensor fc_weight;  ///< float32 [512, classes], for sums of the last activation's integers
  at::Tensor fc_bias;    ///< float32 [classes]
};

QuantisedNetwork::QuantisedNetwork(StateDict const& tensors, Ranges const& ranges) {
  auto const spec = resnet18_spec();
  Builder builder(tensors, ranges);
  memory const pictures({{1, 3, kInputSide, kInputSide}, Type::f32, Layout::nchw}, builder.engine(), nullptr);
  auto x = builder.convolution(builder.input(pictures), spec.stem, After::Relu);
  x = builder.max_pool(x, spec.stem.out);
  for (auto const& block : spec.blocks) {
    auto const identity = block.has_shortcut ? builder.convolution(x, block.shortcut, After::Nothing) : x;
    auto const inner = builder.convolution(x, block.first, After::Relu);
    x = builder.convolution(inner, block.second, After::Relu, &identity);
  }
  auto const fc = to_tensor(tensors.at("fc.weight")).t().contiguous();
  program_ = std::make_shared<Program>(
      Program{std::move(builder.steps), pictures, x, spec.features, dnnl::stream(builder.engine()),
              fc * (x.unit / static_cast<float>(x.side * x.side)), to_tensor(tensors.at("fc.bias"))});
}

at::Tensor QuantisedNetwork::operator()(at::Tensor const& pictures) const {
  auto& [steps, input, last, features, stream, fc_weight, fc_bias] = *program_;
  std::vector<at::Tensor> rows;
  for (auto const& picture : pictures.contiguous().split(1)) {
    input.set_data_handle(picture.data_ptr<float>());
    for (auto const& step : steps) step.primitive.execute(stream, step.arguments);
    stream.wait();
    rows.push_back(at::addmm(fc_bias, sums(last, features), fc_weight));
  }
  return rows.size() == 1 ? rows.front() : at::cat(rows);
}

bool has_int8() {
  return true;
}

bool cpu_multiplies_int8() {
  // What oneDNN will use, which its own environment variable can lower (ONEDNN_MAX_CPU_ISA).
  return onednn::has_vnni(dnnl::get_effective_cpu_isa());
}

}  // namespace ei::inference
