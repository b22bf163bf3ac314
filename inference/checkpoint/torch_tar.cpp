#include "inference/checkpoint/torch_tar.hpp"

#include <charconv>
#include <cstring>
#include <map>

#include "inference/checkpoint/pickle.hpp"
#include "inference/checkpoint/tar.hpp"
#include "inference/checkpoint/torch_tensors.hpp"

namespace ei::inference {
namespace {

using Bytes = std::span<const std::byte>;

/// Storages and tensors in one file.
constexpr std::int64_t kMaxObjects = 100'000;
constexpr std::int32_t kMaxDimensions = 8;

/// Thrown inside this file only: the reader walks through three nested formats, where each step may fail.
struct Broken {
  std::string what;
};

struct Storage {
  DType type = DType::F32;
  Bytes bytes;
};
using Storages = std::map<std::int64_t, Storage>;
using Tensors = std::map<std::int64_t, TensorView>;

/// Pickles and raw numbers that follow each other in one member.
class Reader {
 public:
  Reader(std::string name, Bytes bytes) : name_(std::move(name)), rest_(bytes) {}

  pickle::Document document() {
    auto next = pickle::read(rest_);
    if (!next) throw Broken{name_ + ": " + next.error().message};
    rest_ = rest_.subspan(next->consumed);
    return std::move(*next);
  }

  std::int64_t count() {
    auto const next = document();
    auto const* const number = pickle::get<std::int64_t>(next.root);
    if (number == nullptr || *number < 0 || *number > kMaxObjects)
      throw Broken{name_ + ": it begins with no count"};
    return *number;
  }

  Bytes take(std::uint64_t size) {
    if (size > rest_.size()) throw Broken{name_ + " is truncated"};
    auto const taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  std::vector<std::int64_t> numbers(std::int32_t count) {
    std::vector<std::int64_t> values;
    // Nothing is set aside for a number that the file made up: number() ends where the file does.
    // NOLINTNEXTLINE(performance-inefficient-vector-operation)
    for (std::int32_t i = 0; i < count; ++i) values.push_back(number<std::int64_t>());
    return values;
  }

  /// A tuple's items.
  std::vector<pickle::Ref> const& tuple(pickle::Ref node, std::size_t least) {
    auto const* const list = pickle::get<pickle::List>(node);
    if (list == nullptr || list->items.size() < least) throw Broken{name_ + ": an entry of another kind"};
    return list->items;
  }

  std::int64_t integer(pickle::Ref node) {
    auto const* const value = pickle::get<std::int64_t>(node);
    if (value == nullptr) throw Broken{name_ + ": an entry of another kind"};
    return *value;
  }

 private:
  std::string name_;
  Bytes rest_;
};

/// The count, for each (key, location, type) with its number of elements and these, then the views into them.
Storages read_storages(Bytes member) {
  Reader reader("storages", member);
  Storages storages;
  for (auto left = reader.count(); left > 0; --left) {
    auto const entry = reader.document();
    auto const& items = reader.tuple(entry.root, 3);
    auto const* const global = pickle::get<pickle::Global>(items[2]);
    auto const type = global == nullptr ? std::nullopt : storage_type(global->path);
    if (!type) throw Broken{"storages: a storage of unknown type"};
    auto const elements = reader.number<std::uint64_t>();
    if (elements > member.size()) throw Broken{"storages is truncated"};
    storages.emplace(reader.integer(items[0]), Storage{*type, reader.take(elements * size_of(*type))});
  }
  auto const views = reader.document();
  for (auto const* const view : reader.tuple(views.root, 0)) {
    auto const& items = reader.tuple(view, 4);
    auto const root = storages.find(reader.integer(items[1]));
    auto const offset = reader.integer(items[2]);
    auto const count = reader.integer(items[3]);
    if (root == storages.end()) throw Broken{"storages: a view into a storage that is missing"};
    auto const size = size_of(root->second.type);
    auto const whole = static_cast<std::int64_t>(root->second.bytes.size() / size);
    if (offset < 0 || count < 0 || offset > whole || count > whole - offset)
      throw Broken{"storages: a view outside"};
    Storage part{root->second.type, root->second.bytes.subspan(static_cast<std::size_t>(offset) * size,
                                                               static_cast<std::size_t>(count) * size)};
    storages.emplace(reader.integer(items[0]), part);
  }
  return storages;
}

/// The count, for each (key, storage, type) with its dimensions (32 bits and 32 of padding),
/// sizes, strides and offset.
Tensors read_tensors(Bytes member, Storages const& storages) {
  Reader reader("tensors", member);
  Tensors tensors;
  for (auto left = reader.count(); left > 0; --left) {
    auto const entry = reader.document();
    auto const& items = reader.tuple(entry.root, 2);
    auto const dimensions = reader.number<std::int32_t>();
    static_cast<void>(reader.number<std::int32_t>());
    if (dimensions < 0 || dimensions > kMaxDimensions) throw Broken{"tensors: more than 8 dimensions"};
    auto shape = reader.numbers(dimensions);
    auto strides = reader.numbers(dimensions);
    auto const offset = reader.number<std::int64_t>();
    auto const storage = storages.find(reader.integer(items[1]));
    if (storage == storages.end()) throw Broken{"tensors: a tensor whose storage is missing"};
    auto tensor =
        view_of({storage->second.bytes}, storage->second.type, offset, std::move(shape), std::move(strides));
    if (!tensor) throw Broken{"tensors: " + tensor.error().message};
    tensors.emplace(reader.integer(items[0]), std::move(*tensor));
  }
  return tensors;
}

/// A tensor's key, which the pickle's persistent identifiers give as text or number.
std::optional<std::int64_t> key_of(pickle::Ref node) {
  auto const* const persistent = pickle::get<pickle::Persistent>(node);
  if (persistent == nullptr) return {};
  if (auto const* const number = pickle::get<std::int64_t>(persistent->id)) return *number;
  auto const* const text = pickle::get<std::string>(persistent->id);
  std::int64_t key = 0;
  if (text == nullptr) return {};
  auto const [end, failed] = std::from_chars(text->data(), text->data() + text->size(), key);
  if (failed != std::errc() || end != text->data() + text->size()) return {};
  return key;
}

/// Below a Parameter, which keeps its tensor as the first of its arguments or of its state.
pickle::Ref below_parameter(pickle::Ref node) {
  auto const* const call = pickle::get<pickle::Call>(node);
  if (call == nullptr) return node;
  for (auto const part : {call->state, call->arguments}) {
    auto const* const list = pickle::get<pickle::List>(part);
    if (list == nullptr) continue;
    for (auto const* const item : list->items) {
      if (pickle::get<pickle::Persistent>(item) != nullptr) return item;
    }
  }
  return node;
}

}  // namespace

bool is_torch_tar(Bytes file) {
  if (!is_tar(file)) return false;
  auto const members = read_tar(file);
  return members && members->contains("storages") && members->contains("tensors") &&
         members->contains("pickle");
}

Result<StateDict> read_torch_tar(Bytes file) {
  auto const members = read_tar(file);
  if (!members) return members.error();
  try {
    auto const tensors = read_tensors(members->at("tensors"), read_storages(members->at("storages")));
    auto const document = Reader("pickle", members->at("pickle")).document();
    return collect_tensors(document.root, [&](pickle::Ref node) -> Result<std::optional<TensorView>> {
      auto const key = key_of(below_parameter(node));
      if (!key) return std::optional<TensorView>{};
      auto const found = tensors.find(*key);
      if (found == tensors.end()) return std::optional<TensorView>{};
      return std::optional<TensorView>{found->second};
    });
  } catch (Broken const& broken) {
    return make_error(ErrorKind::Invalid, "torch's tar format: " + broken.what);
  }
}

}  // namespace ei::inference
