#include "inference/checkpoint/torch_tensors.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

namespace ei::inference {
namespace {

using pickle::Ref;
using Items = std::vector<std::pair<Ref, Ref>>;

/// How deep a state dict lies in what training loops save: {"checkpoint": {"ema": {"state_dict": …}}}.
constexpr int kMaxDepth = 4;
/// A ResNet18 has 102 tensors, the largest networks some thousands.
constexpr std::size_t kMaxTensors = 100'000;
/// Dimensions of a tensor; check_bounds allows fewer.
constexpr std::size_t kMaxIntegers = 64;

Error invalid(std::string what) {
  return make_error(ErrorKind::Invalid, std::move(what));
}

std::optional<std::vector<std::int64_t>> integers(Ref node) {
  auto const* const list = pickle::get<pickle::List>(node);
  // One list may stand in every tensor: its length must be bounded by itself.
  if (list == nullptr || list->items.size() > kMaxIntegers) return {};
  std::vector<std::int64_t> numbers;
  for (Ref const item : list->items) {
    auto const* const number = pickle::get<std::int64_t>(item);
    if (number == nullptr) return {};
    numbers.push_back(*number);
  }
  return numbers;
}

/// A call's function and arguments, where both are plain.
struct PlainCall {
  std::string_view function;
  std::vector<Ref> const* arguments = nullptr;
};

std::optional<PlainCall> plain_call(Ref callable, Ref arguments) {
  auto const* const global = pickle::get<pickle::Global>(callable);
  auto const* const list = pickle::get<pickle::List>(arguments);
  if (global == nullptr || list == nullptr || list->items.empty()) return {};
  return PlainCall{global->path, &list->items};
}

std::optional<PlainCall> plain_call(Ref node) {
  auto const* const call = pickle::get<pickle::Call>(node);
  return call == nullptr ? std::nullopt : plain_call(call->callable, call->arguments);
}

/// The call that makes the tensor itself, below what wraps it: Parameter(tensor, …), and
/// _rebuild_from_type_v2(function, type, arguments, state) of a subclass.
std::optional<PlainCall> unwrapped(Ref node) {
  auto call = plain_call(node);
  for (int layer = 0; call && layer < 3; ++layer) {
    if (call->function.starts_with("torch._utils._rebuild_parameter")) {
      call = plain_call(call->arguments->front());
    } else if (call->function == "torch._tensor._rebuild_from_type_v2" && call->arguments->size() >= 3) {
      call = plain_call((*call->arguments)[0], (*call->arguments)[2]);
    } else {
      return call;
    }
  }
  return call;
}

/// The entries of a dictionary, ordered or of any class that is filled like one.
Items const* items_of(Ref node) {
  if (auto const* const dict = pickle::get<pickle::Dict>(node)) return &dict->items;
  auto const* const call = pickle::get<pickle::Call>(node);
  auto const* const global = call == nullptr ? nullptr : pickle::get<pickle::Global>(call->callable);
  if (global == nullptr) return nullptr;
  return global->path == "collections.OrderedDict" || !call->items.empty() ? &call->items : nullptr;
}

std::string describe(Ref node) {
  if (auto const* const call = pickle::get<pickle::Call>(node)) {
    if (auto const* const global = pickle::get<pickle::Global>(call->callable)) {
      // `torch.save(model)`: protocol 2 pickles an object as copyreg or as its class.
      auto const* const arguments = pickle::get<pickle::List>(call->arguments);
      auto const* const inner = arguments == nullptr || arguments->items.empty()
                                    ? nullptr
                                    : pickle::get<pickle::Global>(arguments->items[0]);
      return "an object of " + (inner != nullptr ? inner->path : global->path);
    }
  }
  if (pickle::get<pickle::List>(node) != nullptr) return "a list";
  if (pickle::get<std::string>(node) != nullptr) return "a text";
  if (items_of(node) != nullptr) return "a dictionary";
  return "a value that is no dictionary";
}

/// A dictionary that holds tensors.
struct Candidate {
  std::string path;  ///< `checkpoint.ema`; empty for the root
  Items const* items = nullptr;
  bool network = false;  ///< it has a normalisation's statistics, as every ResNet18 has
};

class Search {
 public:
  explicit Search(TensorOf const& tensor_of) : tensor_of_(tensor_of) {}

  /// Looks at each dictionary once, however often and in whatever circle they refer to each other.
  void visit(Ref node, std::string const& path, int depth) {
    auto const* const items = items_of(node);
    if (items == nullptr || !seen_.insert(items).second) return;
    Candidate candidate{path, items, false};
    bool tensors = false;
    for (auto const& [key, value] : *items) {
      auto const* const name = pickle::get<std::string>(key);
      if (name == nullptr) continue;
      if (depth > 0) visit(value, path.empty() ? *name : path + "." + *name, depth - 1);
      // The state of a DataParallel or Lightning object may describe tensors that are broken: they count too.
      bool const network = name->ends_with("running_var");
      if (tensors && !(network && !candidate.network)) continue;
      auto const tensor = tensor_of_(value);
      if (tensor && !*tensor) continue;
      tensors = true;
      candidate.network = candidate.network || network;
    }
    if (tensors) found.push_back(std::move(candidate));
  }

  std::vector<Candidate> found;

 private:
  TensorOf const& tensor_of_;
  std::set<Items const*> seen_;
};

std::string list_keys(Items const& items) {
  std::string text;
  std::size_t count = 0;
  for (auto const& [key, value] : items) {
    auto const* const name = pickle::get<std::string>(key);
    if (name == nullptr || ++count > 6) continue;
    text += (text.empty() ? "'" : ", '") + name->substr(0, 60) + "' (" + describe(value) + ")";
  }
  return text.empty() ? "no names" : text;
}

Result<Items const*> choose(std::vector<Candidate> found) {
  bool const network = std::any_of(found.begin(), found.end(), [](auto const& one) { return one.network; });
  if (network) std::erase_if(found, [](auto const& one) { return !one.network; });
  if (found.size() == 1) return found.front().items;
  for (std::string_view const name : {"state_dict", "model_state_dict", "model"}) {
    for (auto const& one : found) {
      if (one.path == name) return one.items;
    }
  }
  for (auto const& one : found) {
    if (one.path.empty()) return one.items;
  }
  std::string paths;
  for (std::size_t i = 0; i < std::min<std::size_t>(found.size(), 6); ++i) {
    paths += (i > 0 ? ", '" : "'") + found[i].path.substr(0, 100) + "'";
  }
  return invalid("the file holds several dictionaries of tensors, under " + paths +
                 ": save the one that is to be served by itself");
}

}  // namespace

std::optional<DType> storage_type(std::string const& global) {
  static constexpr std::pair<std::string_view, DType> kTypes[] = {
      {"torch.FloatStorage", DType::F32},     {"torch.HalfStorage", DType::F16},
      {"torch.BFloat16Storage", DType::BF16}, {"torch.DoubleStorage", DType::F64},
      {"torch.LongStorage", DType::I64},      {"torch.IntStorage", DType::I32},
      {"torch.ShortStorage", DType::I16},     {"torch.CharStorage", DType::I8},
      {"torch.ByteStorage", DType::U8},       {"torch.BoolStorage", DType::Bool}};
  std::string_view path = global;
  // A tensor saved on a GPU: torch.cuda.FloatStorage, in the oldest files.
  std::string plain;
  if (path.starts_with("torch.cuda.")) path = plain = "torch." + std::string(path.substr(11));
  for (auto const& [name, type] : kTypes) {
    if (name == path) return type;
  }
  return {};
}

std::optional<StorageName> storage_of(Ref node) {
  auto const* const persistent = pickle::get<pickle::Persistent>(node);
  auto const* const id = persistent == nullptr ? nullptr : pickle::get<pickle::List>(persistent->id);
  if (id == nullptr || id->items.size() < 5) return {};
  auto const* const tag = pickle::get<std::string>(id->items[0]);
  auto const* const global = pickle::get<pickle::Global>(id->items[1]);
  auto const* const key = pickle::get<std::string>(id->items[2]);
  if (tag == nullptr || *tag != "storage" || global == nullptr || key == nullptr) return {};
  auto const type = storage_type(global->path);
  if (!type) return {};
  StorageName storage{*type, *key, 0};
  if (id->items.size() > 5) {  // legacy: (view key, offset, size) of a storage inside another
    auto const* const view = pickle::get<pickle::List>(id->items[5]);
    if (view != nullptr && view->items.size() >= 2) {
      auto const* const offset = pickle::get<std::int64_t>(view->items[1]);
      if (offset != nullptr) storage.offset = *offset;
    }
  }
  return storage;
}

Result<TensorView> view_of(StorageBytes const& storage, DType type, std::int64_t offset,
                           std::vector<std::int64_t> shape, std::vector<std::int64_t> strides) {
  auto const size = size_of(type);
  if (offset < 0 || static_cast<std::uint64_t>(offset) > storage.bytes.size() / size)
    return invalid("it starts outside its storage");
  TensorView tensor{type,
                    std::move(shape),
                    std::move(strides),
                    storage.bytes.subspan(static_cast<std::size_t>(offset) * size),
                    storage.keep,
                    {}};
  if (auto const bounds = check_bounds(tensor); !bounds) return bounds.error();
  return tensor;
}

TensorOf rebuilt_tensors(FindStorage find) {
  return [find = std::move(find)](Ref node) -> Result<std::optional<TensorView>> {
    auto const call = unwrapped(node);
    if (!call || call->arguments->size() < 4 ||
        (call->function != "torch._utils._rebuild_tensor_v2" &&
         call->function != "torch._utils._rebuild_tensor")) {
      return std::optional<TensorView>{};
    }
    auto const& arguments = *call->arguments;
    auto const storage = storage_of(arguments[0]);
    auto const* const offset = pickle::get<std::int64_t>(arguments[1]);
    auto const shape = integers(arguments[2]);
    auto const strides = integers(arguments[3]);
    if (!storage || offset == nullptr || !shape || !strides) return invalid("an unknown kind of tensor");
    auto const bytes = find(storage->key);
    if (!bytes) return bytes.error();
    std::int64_t start = 0;
    if (*offset < 0 || storage->offset < 0 || __builtin_add_overflow(*offset, storage->offset, &start))
      return invalid("it starts outside its storage");
    auto tensor = view_of(*bytes, storage->type, start, *shape, *strides);
    if (!tensor) return tensor.error();
    return std::optional<TensorView>{std::move(*tensor)};
  };
}

Result<StateDict> collect_tensors(Ref root, TensorOf const& tensor_of) {
  auto const* const whole = items_of(root);
  if (whole == nullptr) {
    return invalid("the file holds " + describe(root) +
                   ", not a state dict; save it with torch.save(model.state_dict(), path)");
  }
  Search search(tensor_of);
  search.visit(root, "", kMaxDepth);
  if (search.found.empty()) {
    return invalid("the file's dictionary holds no tensors, but " + list_keys(*whole) +
                   "; save it with torch.save(model.state_dict(), path)");
  }
  auto const items = choose(std::move(search.found));
  if (!items) return items.error();
  StateDict tensors;
  for (auto const& [key, value] : **items) {
    auto const* const name = pickle::get<std::string>(key);
    if (name == nullptr) continue;
    auto tensor = tensor_of(value);
    if (!tensor) return with_context(tensor.error(), *name);
    if (!*tensor) continue;
    if (tensors.size() == kMaxTensors) return invalid("more than 100,000 tensors");
    if (!tensors.emplace(*name, std::move(**tensor)).second)
      return invalid("two tensors are called '" + *name + "'");
  }
  return tensors;
}

}  // namespace ei::inference
