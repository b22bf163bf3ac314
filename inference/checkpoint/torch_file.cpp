#include "inference/checkpoint/torch_file.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <optional>

#include "inference/checkpoint/pickle.hpp"
#include "inference/checkpoint/zip.hpp"

namespace ei::inference {
namespace {

using Bytes = std::span<const std::byte>;
using pickle::Ref;

/// The low 64 bits of torch.serialization.MAGIC_NUMBER (0x1950a86a20f9469cfc6c), the first pickle of a legacy
/// file.
constexpr std::int64_t kLegacyMagic = static_cast<std::int64_t>(0xa86a20f9469cfc6cULL);
/// torch.serialization.PROTOCOL_VERSION of the legacy format.
constexpr std::int64_t kLegacyProtocol = 1001;

Error invalid(std::string what) {
  return make_error(ErrorKind::Invalid, std::move(what));
}

bool starts_with(Bytes file, std::string_view prefix) {
  return file.size() >= prefix.size() && std::memcmp(file.data(), prefix.data(), prefix.size()) == 0;
}

std::optional<DType> storage_type(std::string_view global) {
  static constexpr std::pair<std::string_view, DType> kTypes[] = {
      {"torch.FloatStorage", DType::F32},     {"torch.HalfStorage", DType::F16},
      {"torch.BFloat16Storage", DType::BF16}, {"torch.DoubleStorage", DType::F64},
      {"torch.LongStorage", DType::I64},      {"torch.IntStorage", DType::I32},
      {"torch.ShortStorage", DType::I16},     {"torch.CharStorage", DType::I8},
      {"torch.ByteStorage", DType::U8},       {"torch.BoolStorage", DType::Bool}};
  for (auto const& [name, type] : kTypes) {
    if (name == global) return type;
  }
  return {};
}

/// A storage as a persistent identifier names it: ('storage', torch.FloatStorage, key, location, count, …).
struct Storage {
  DType type = DType::F32;
  std::string key;
  std::int64_t offset = 0;  ///< in elements; only legacy views have one
};

std::optional<Storage> storage_of(Ref node) {
  auto const* const persistent = pickle::get<pickle::Persistent>(node);
  auto const* const id = persistent == nullptr ? nullptr : pickle::get<pickle::List>(persistent->id);
  if (id == nullptr || id->items.size() < 5) return {};
  auto const* const tag = pickle::get<std::string>(id->items[0]);
  auto const* const global = pickle::get<pickle::Global>(id->items[1]);
  auto const* const key = pickle::get<std::string>(id->items[2]);
  if (tag == nullptr || *tag != "storage" || global == nullptr || key == nullptr) return {};
  auto const type = storage_type(global->path);
  if (!type) return {};
  Storage storage{*type, *key, 0};
  if (id->items.size() > 5) {  // legacy: (view key, offset, size) of a storage inside another
    auto const* const view = pickle::get<pickle::List>(id->items[5]);
    if (view != nullptr && view->items.size() >= 2) {
      auto const* const offset = pickle::get<std::int64_t>(view->items[1]);
      if (offset != nullptr) storage.offset = *offset;
    }
  }
  return storage;
}

std::optional<std::vector<std::int64_t>> integers(Ref node) {
  auto const* const list = pickle::get<pickle::List>(node);
  if (list == nullptr) return {};
  std::vector<std::int64_t> numbers;
  for (Ref const item : list->items) {
    auto const* const number = pickle::get<std::int64_t>(item);
    if (number == nullptr) return {};
    numbers.push_back(*number);
  }
  return numbers;
}

using FindStorage = std::function<std::optional<Bytes>(std::string const& key)>;

/// The tensor that `node` describes; none where it describes something else.
Result<std::optional<TensorView>> tensor_of(Ref node, FindStorage const& find) {
  auto const* call = pickle::get<pickle::Call>(node);
  auto const* global = call == nullptr ? nullptr : pickle::get<pickle::Global>(call->callable);
  auto const* arguments = call == nullptr ? nullptr : pickle::get<pickle::List>(call->arguments);
  if (global == nullptr || arguments == nullptr || arguments->items.empty())
    return std::optional<TensorView>{};
  if (global->path == "torch._utils._rebuild_parameter") {
    call = pickle::get<pickle::Call>(arguments->items[0]);
    global = call == nullptr ? nullptr : pickle::get<pickle::Global>(call->callable);
    arguments = call == nullptr ? nullptr : pickle::get<pickle::List>(call->arguments);
  }
  if (global == nullptr || arguments == nullptr || arguments->items.size() < 4 ||
      (global->path != "torch._utils._rebuild_tensor_v2" && global->path != "torch._utils._rebuild_tensor")) {
    return std::optional<TensorView>{};
  }
  auto const storage = storage_of(arguments->items[0]);
  auto const* const offset = pickle::get<std::int64_t>(arguments->items[1]);
  auto const shape = integers(arguments->items[2]);
  auto const strides = integers(arguments->items[3]);
  if (!storage || offset == nullptr || !shape || !strides) return invalid("an unknown kind of tensor");
  auto const bytes = find(storage->key);
  if (!bytes) return invalid("its storage '" + storage->key + "' is missing from the file");
  std::int64_t start = 0;
  if (*offset < 0 || storage->offset < 0 || __builtin_add_overflow(*offset, storage->offset, &start) ||
      static_cast<std::uint64_t>(start) > bytes->size() / size_of(storage->type)) {
    return invalid("it starts outside its storage");
  }
  TensorView tensor{storage->type, *shape, *strides,
                    bytes->subspan(static_cast<std::size_t>(start) * size_of(storage->type))};
  if (auto const bounds = check_bounds(tensor); !bounds) return bounds.error();
  return std::optional<TensorView>{std::move(tensor)};
}

std::vector<std::pair<Ref, Ref>> const* items_of(Ref node) {
  if (auto const* const dict = pickle::get<pickle::Dict>(node)) return &dict->items;
  auto const* const call = pickle::get<pickle::Call>(node);
  auto const* const global = call == nullptr ? nullptr : pickle::get<pickle::Global>(call->callable);
  return global != nullptr && global->path == "collections.OrderedDict" ? &call->items : nullptr;
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
  return "a value that is no dictionary";
}

/// The dictionary of tensors in a document: its root, or what a training loop put under a well-known key.
Result<std::vector<std::pair<Ref, Ref>> const*> find_dictionary(Ref root) {
  auto const* items = items_of(root);
  if (items == nullptr) {
    return invalid("the file holds " + describe(root) +
                   ", not a state dict; save it with torch.save(model.state_dict(), path)");
  }
  for (std::string_view const wanted : {"state_dict", "model_state_dict", "model"}) {
    for (auto const& [key, value] : *items) {
      auto const* const name = pickle::get<std::string>(key);
      if (name != nullptr && *name == wanted && items_of(value) != nullptr) return items_of(value);
    }
  }
  return items;
}

Result<StateDict> collect(Ref root, FindStorage const& find) {
  auto const items = find_dictionary(root);
  if (!items) return items.error();
  StateDict tensors;
  for (auto const& [key, value] : **items) {
    auto const* const name = pickle::get<std::string>(key);
    if (name == nullptr) continue;
    auto tensor = tensor_of(value, find);
    if (!tensor) return with_context(tensor.error(), *name);
    if (*tensor) tensors.emplace(*name, std::move(**tensor));
  }
  if (tensors.empty()) return invalid("the file's dictionary holds no tensors");
  return tensors;
}

Result<StateDict> read_zipped(Bytes file) {
  auto const members = read_zip(file);
  if (!members) return members.error();
  // Members are `<archive name>/data.pkl`, `<archive name>/data/0` …; the name is free.
  auto const pkl = std::find_if(members->begin(), members->end(),
                                [](auto const& member) { return member.first.ends_with("/data.pkl"); });
  if (pkl == members->end()) return invalid("the archive has no data.pkl: torch.save did not write it");
  std::string const folder = pkl->first.substr(0, pkl->first.size() - std::strlen("data.pkl"));
  auto const order = members->find(folder + "byteorder");
  if (order != members->end() && starts_with(order->second.bytes, "big"))
    return invalid("the file is big-endian");
  if (!pkl->second.stored) return invalid("data.pkl is compressed; torch.save stores it as it is");
  auto const document = pickle::read(pkl->second.bytes);
  if (!document) return document.error();
  return collect(document->root, [&](std::string const& key) -> std::optional<Bytes> {
    auto const found = members->find(folder + "data/" + key);
    if (found == members->end() || !found->second.stored) return {};
    return found->second.bytes;
  });
}

/// The storages a legacy pickle refers to, with their types: their bytes follow without any.
std::map<std::string, DType> storage_types(pickle::Document const& document) {
  std::map<std::string, DType> types;
  for (auto const& node : document.nodes) {
    if (auto const storage = storage_of(&node)) types.emplace(storage->key, storage->type);
  }
  return types;
}

/// Magic number, protocol, system information, the object, the list of storage keys, then for each key its
/// count (int64) and its elements: torch.serialization._legacy_save.
Result<StateDict> read_legacy(Bytes file) {
  Bytes rest = file;
  std::array<pickle::Document, 5> documents;
  for (auto& document : documents) {
    auto next = pickle::read(rest);
    if (!next) return next.error();
    rest = rest.subspan(next->consumed);
    document = std::move(*next);
  }
  auto const* const protocol = pickle::get<std::int64_t>(documents[1].root);
  if (protocol == nullptr || *protocol != kLegacyProtocol)
    return invalid("an unknown version of torch's old format");
  auto const* const keys = pickle::get<pickle::List>(documents[4].root);
  if (keys == nullptr) return invalid("torch's old format without its list of storages");
  auto const types = storage_types(documents[3]);
  std::map<std::string, Bytes> storages;
  for (Ref const node : keys->items) {
    auto const* const key = pickle::get<std::string>(node);
    auto const type = key == nullptr ? types.end() : types.find(*key);
    if (type == types.end()) return invalid("torch's old format with a storage of unknown type");
    std::uint64_t count = 0;
    if (rest.size() < sizeof count) return invalid("the file is truncated");
    std::memcpy(&count, rest.data(), sizeof count);
    rest = rest.subspan(sizeof count);
    if (count > rest.size() / size_of(type->second)) return invalid("the file is truncated");
    std::size_t const size = count * size_of(type->second);
    storages.emplace(*key, rest.first(size));
    rest = rest.subspan(size);
  }
  return collect(documents[3].root, [&](std::string const& key) -> std::optional<Bytes> {
    auto const found = storages.find(key);
    if (found == storages.end()) return {};
    return found->second;
  });
}

}  // namespace

FileFormat detect_format(Bytes file) {
  if (starts_with(file, "PK\x03\x04")) {
    auto const members = read_zip(file);
    bool const script = members && std::any_of(members->begin(), members->end(), [](auto const& member) {
                          return member.first.ends_with("/constants.pkl");
                        });
    return script ? FileFormat::TorchScript : FileFormat::TorchSave;
  }
  if (starts_with(file, "\x80")) {
    auto const first = pickle::read(file);
    auto const* const magic = first ? pickle::get<std::int64_t>(first->root) : nullptr;
    return magic != nullptr && *magic == kLegacyMagic ? FileFormat::TorchSaveLegacy : FileFormat::Unknown;
  }
  if (file.size() > 9 && std::to_integer<char>(file[8]) == '{') return FileFormat::Safetensors;
  return FileFormat::Unknown;
}

Result<StateDict> read_torch_save(Bytes file) {
  return starts_with(file, "PK\x03\x04") ? read_zipped(file) : read_legacy(file);
}

}  // namespace ei::inference
