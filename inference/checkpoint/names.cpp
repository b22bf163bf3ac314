#include "inference/checkpoint/names.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "inference/checkpoint/resnet18.hpp"

namespace ei::inference {
namespace {

Error invalid(std::string what) {
  return make_error(ErrorKind::Invalid, std::move(what));
}

/// Who named the tensors.
enum class Dialect { Torchvision, Transformers, Sequential };

/// How each dialect calls the first convolution, and what its blocks' names begin with. timm's are
/// torchvision's; transformers': modeling_resnet.py; Sequential(*list(resnet18.children())[:-1]): the place
/// of each child.
struct Signs {
  Dialect dialect;
  std::string_view stem;
  std::string_view blocks;
};
constexpr std::array<Signs, 3> kSigns = {
    {{Dialect::Torchvision, "conv1.weight", "layer1.0."},
     {Dialect::Transformers, "embedder.embedder.convolution.weight", "encoder.stages.0.layers.0."},
     {Dialect::Sequential, "0.weight", "4.0.conv1."}}};

struct Found {
  std::string prefix;
  Dialect dialect;
};

std::vector<Found> find_networks(StateDict const& tensors) {
  std::vector<Found> found;
  for (auto const& [name, tensor] : tensors) {
    for (auto const& signs : kSigns) {
      if (!name.ends_with(signs.stem)) continue;
      auto prefix = name.substr(0, name.size() - signs.stem.size());
      if (!prefix.empty() && !prefix.ends_with('.')) continue;
      // A block has a conv1 as well; only the network has blocks beside it.
      auto const blocks = prefix + std::string(signs.blocks);
      auto const next = tensors.lower_bound(blocks);
      if (next == tensors.end() || !next->first.starts_with(blocks)) continue;
      found.push_back({std::move(prefix), signs.dialect});
    }
  }
  return found;
}

std::vector<std::string_view> split(std::string_view name) {
  std::vector<std::string_view> parts;
  for (;;) {
    auto const dot = name.find('.');
    parts.push_back(name.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    name.remove_prefix(dot + 1);
  }
}

std::string join(std::vector<std::string_view> const& parts, std::size_t from) {
  std::string text;
  for (std::size_t i = from; i < parts.size(); ++i) text += (i > from ? "." : "") + std::string(parts[i]);
  return text;
}

/// `0` → `1`: transformers counts stages and convolutions from 0, torchvision layers from 1.
std::optional<std::string> next_number(std::string_view text) {
  int number = 0;
  auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size() || number < 0 || number > 9) return {};
  return std::to_string(number + 1);
}

std::optional<std::string> from_transformers(std::string_view name) {
  auto const parts = split(name);
  auto const kind = [&](std::size_t at, std::string_view convolution, std::string_view normalisation) {
    std::optional<std::string> text;
    if (at + 1 >= parts.size()) return text;
    if (parts[at] == "convolution") text = convolution;
    if (parts[at] == "normalization") text = normalisation;
    if (text) *text += "." + join(parts, at + 1);
    return text;
  };
  if (parts.size() == 4 && parts[0] == "embedder" && parts[1] == "embedder") return kind(2, "conv1", "bn1");
  if (parts.size() < 7 || parts[0] != "encoder" || parts[1] != "stages" || parts[3] != "layers") return {};
  auto const layer = next_number(parts[2]);
  if (!layer) return {};
  auto const block = "layer" + *layer + "." + std::string(parts[4]) + ".";
  if (parts[5] == "shortcut") return kind(6, block + "downsample.0", block + "downsample.1");
  auto const number = parts[5] == "layer" ? next_number(parts[6]) : std::nullopt;
  if (!number) return {};
  return kind(7, block + "conv" + *number, block + "bn" + *number);
}

std::optional<std::string> from_sequential(std::string_view name) {
  // The children of torchvision's ResNet in order; 2, 3 and 8 have no tensors.
  static constexpr std::pair<std::string_view, std::string_view> kChildren[] = {
      {"0.", "conv1."},  {"1.", "bn1."},    {"4.", "layer1."},
      {"5.", "layer2."}, {"6.", "layer3."}, {"7.", "layer4."}};
  for (auto const& [place, child] : kChildren) {
    if (name.starts_with(place)) return std::string(child) + std::string(name.substr(place.size()));
  }
  return {};
}

std::optional<std::string> from_torchvision(std::string_view name) {
  auto const first = name.substr(0, name.find('.'));
  bool const body = first == "conv1" || first == "bn1" || (first.starts_with("layer") && first.size() == 6);
  return body ? std::optional(std::string(name)) : std::nullopt;
}

std::optional<std::string> torchvision_name(Dialect dialect, std::string_view name) {
  switch (dialect) {
    case Dialect::Torchvision:
      return from_torchvision(name);
    case Dialect::Transformers:
      return from_transformers(name);
    case Dialect::Sequential:
      return from_sequential(name);
  }
  return {};
}

/// Tensors that training tools leave in a state dict and that no answer depends on.
bool is_left_over(std::string_view name) {
  auto const last = name.substr(name.rfind('.') + 1);  // npos + 1 is 0
  // BatchNorm2d's counter, AveragedModel's counter, thop's marks.
  for (std::string_view const word : {"num_batches_tracked", "n_averaged", "total_ops", "total_params"}) {
    if (last == word) return true;
  }
  auto const first = name.substr(0, name.find('.'));
  if (first == name) return false;
  // A loss's class weights and a metric's counters, as Lightning saves them beside the network.
  static constexpr std::array<std::string_view, 12> kTraining = {
      "criterion", "loss",      "loss_fn", "loss_func", "metric",        "metrics",
      "accuracy",  "train_acc", "val_acc", "test_acc",  "train_metrics", "val_metrics"};
  return std::find(kTraining.begin(), kTraining.end(), first) != kTraining.end();
}

}  // namespace

std::string list_tensors(StateDict const& tensors) {
  constexpr std::size_t kMost = 6;
  std::string text;
  std::size_t count = 0;
  for (auto const& [name, tensor] : tensors) {
    if (count++ == kMost) break;
    text += (text.empty() ? "'" : ", '") + name.substr(0, 100) + "' " + format_shape(tensor.shape);
  }
  if (tensors.size() > kMost) text += " and " + std::to_string(tensors.size() - kMost) + " more";
  return text.empty() ? "nothing" : text;
}

Result<NamedTensors> name_tensors(StateDict tensors) {
  auto const networks = find_networks(tensors);
  if (networks.empty()) {
    return invalid(
        "these are not the weights of a ResNet18: looked for 'conv1.weight' and 'layer1.0…' (torchvision, "
        "timm), "
        "'embedder.embedder.convolution.weight' (transformers) or '0.weight' and '4.0.conv1…' (Sequential), "
        "behind any prefix; found " +
        list_tensors(tensors));
  }
  if (networks.size() > 1) {
    return invalid("the file holds several networks, under '" + networks[0].prefix + "' and '" +
                   networks[1].prefix + "': save the state dict of the one that is to be served");
  }
  auto const& [prefix, dialect] = networks.front();
  NamedTensors named;
  for (auto& [name, tensor] : tensors) {
    bool const inside = name.starts_with(prefix);
    auto const bare = inside ? std::string_view(name).substr(prefix.size()) : std::string_view(name);
    if (is_left_over(bare)) continue;
    auto known = inside ? torchvision_name(dialect, bare) : std::nullopt;
    if (!known) {
      named.rest.emplace(name, std::move(tensor));
      continue;
    }
    if (*known != name) tensor.name_in_file = name;
    named.body.emplace(std::move(*known), std::move(tensor));
  }
  return named;
}

Result<StateDict> find_head(StateDict const& rest) {
  auto const features = resnet18_spec().features;
  std::vector<std::string> layers;
  for (auto const& [name, tensor] : rest) {
    if (tensor.shape.size() >= 2) layers.push_back(name);
  }
  auto const looked_for = "; looked for one linear layer [classes, " + std::to_string(features) +
                          "] after the network, 'fc.weight' or any other name";
  if (layers.empty())
    return invalid("tensor 'fc.weight' is missing: the network's last layer; found beside the network: " +
                   list_tensors(rest) + looked_for);
  if (layers.size() > 1) {
    return invalid(
        "the network's head has several layers, or there is more in the file than a ResNet18: " +
        list_tensors(rest) +
        ". A state dict does not say what lies between them (a ReLU, a dropout): export the model with "
        "torch.jit.script" +
        looked_for);
  }
  auto const& weight_name = layers.front();
  auto weight = rest.at(weight_name);
  if (weight.shape.size() == 4 && weight.shape[2] == 1 && weight.shape[3] == 1) {
    // A convolution of one pixel does the same after the pooling.
    weight.shape.resize(2);
    weight.strides.resize(2);
  }
  auto const classes = weight.shape[0];
  if (weight.shape.size() != 2 || weight.shape[1] != features || classes < 1 || classes > kMaxClasses) {
    return invalid("tensor '" + weight_name + "' has shape " + format_shape(weight.shape) +
                   ", a ResNet18 has [classes, " + std::to_string(features) + "] with 1 to " +
                   std::to_string(kMaxClasses) + " classes");
  }
  // `fc.weight` → `fc.bias`; `weight` → `bias`
  constexpr std::string_view kWeight = "weight";
  auto const stem = weight_name.ends_with(kWeight)
                        ? weight_name.substr(0, weight_name.size() - kWeight.size())
                        : weight_name + ".";
  auto const bias_name = stem + "bias";
  for (auto const& [name, tensor] : rest) {
    if (name == weight_name || name == bias_name) continue;
    return invalid("tensor '" + name + "' " + format_shape(tensor.shape) +
                   " is not part of a ResNet18, whose last "
                   "layer is '" +
                   weight_name + "'; a head of more than one linear layer needs torch.jit.script");
  }
  StateDict head;
  auto const bias = rest.find(bias_name);
  head.emplace("fc.bias", bias != rest.end() ? bias->second : zeros({classes}));
  if (bias_name != "fc.bias" && bias != rest.end()) head.at("fc.bias").name_in_file = bias_name;
  if (weight_name != "fc.weight") weight.name_in_file = weight_name;
  head.emplace("fc.weight", std::move(weight));
  return head;
}

}  // namespace ei::inference
