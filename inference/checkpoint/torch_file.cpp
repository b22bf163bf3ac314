#include "inference/checkpoint/torch_file.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <vector>

#include "inference/checkpoint/foreign.hpp"
#include "inference/checkpoint/pickle.hpp"
#include "inference/checkpoint/torch_tar.hpp"
#include "inference/checkpoint/torch_tensors.hpp"
#include "inference/checkpoint/zip.hpp"

namespace ei::inference {
namespace {

using Bytes = std::span<const std::byte>;
using pickle::Ref;

/// The low 64 bits of torch.serialization.MAGIC_NUMBER (0x1950a86a20f9469cfc6c),
/// the first pickle of a legacy file.
constexpr std::int64_t kLegacyMagic = static_cast<std::int64_t>(0xa86a20f9469cfc6cULL);
/// torch.serialization.PROTOCOL_VERSION of the legacy format.
constexpr std::int64_t kLegacyProtocol = 1001;

Error invalid(std::string what) {
  return make_error(ErrorKind::Invalid, std::move(what));
}

bool starts_with(Bytes file, std::string_view prefix) {
  return file.size() >= prefix.size() && std::memcmp(file.data(), prefix.data(), prefix.size()) == 0;
}

/// The folder of a member: `archive/` for `archive/data.pkl`, nothing for `data.pkl`; none for another file.
std::optional<std::string> folder_of(std::string const& member, std::string_view file) {
  if (!member.ends_with(file)) return {};
  auto folder = member.substr(0, member.size() - file.size());
  // What macOS packs beside each file.
  if (folder.starts_with("__MACOSX/") || (!folder.empty() && !folder.ends_with('/'))) return {};
  return folder;
}

bool has_member(ZipMembers const& members, std::string_view file) {
  return std::any_of(members.begin(), members.end(),
                     [&](auto const& member) { return folder_of(member.first, file).has_value(); });
}

/// torch.save's members are `<archive name>/data.pkl`, `<archive name>/data/0` …; the name is free, and a
/// program that packed them anew may have left it out.
Result<std::string> find_folder(ZipMembers const& members) {
  std::vector<std::string> folders;
  for (auto const& [name, member] : members) {
    if (auto folder = folder_of(name, "data.pkl")) folders.push_back(std::move(*folder));
  }
  if (folders.size() == 1) return folders.front();
  if (folders.empty()) return invalid(describe_archive(members));
  return invalid("the archive holds several files of torch.save: " + folders[0] + "data.pkl and " +
                 folders[1] + "data.pkl");
}

Result<StateDict> read_zipped(Bytes file) {
  auto const members = read_zip(file);
  if (!members) return members.error();
  auto const folder = find_folder(*members);
  if (!folder) return folder.error();
  Unzip unzip;
  std::map<std::string, ZipContents> unpacked;  // a storage may be named by many tensors
  auto const contents = [&](std::string const& name) -> Result<ZipContents> {
    if (auto const known = unpacked.find(name); known != unpacked.end()) return known->second;
    auto const found = members->find(name);
    if (found == members->end()) return invalid("the archive has no member '" + name.substr(0, 200) + "'");
    auto bytes = unzip(found->second);
    if (!bytes) return invalid("the member '" + name + "' " + bytes.error().message);
    unpacked.emplace(name, *bytes);
    return bytes;
  };
  if (members->contains(*folder + "byteorder")) {
    auto const order = contents(*folder + "byteorder");
    if (!order) return order.error();
    if (starts_with(order->bytes, "big")) return invalid("the file is big-endian");
  }
  auto const pkl = contents(*folder + "data.pkl");
  if (!pkl) return pkl.error();
  auto const document = pickle::read(pkl->bytes);
  if (!document) return document.error();
  return collect_tensors(document->root, rebuilt_tensors([&](std::string const& key) -> Result<StorageBytes> {
                           auto const bytes = contents(*folder + "data/" + key);
                           if (!bytes) return with_context(bytes.error(), "its storage is missing");
                           return StorageBytes{bytes->bytes, bytes->keep};
                         }));
}

/// The storages a legacy pickle refers to, with their types: their bytes follow without any.
std::map<std::string, DType> storage_types(pickle::Document const& document) {
  std::map<std::string, DType> types;
  for (auto const& node : document.nodes) {
    if (auto const storage = storage_of(&node)) types.emplace(storage->key, storage->type);
  }
  return types;
}

/// For each key its count (int64) and its elements.
Result<std::map<std::string, Bytes>> legacy_storages(pickle::List const& keys,
                                                     std::map<std::string, DType> const& types, Bytes rest) {
  std::map<std::string, Bytes> storages;
  for (Ref const node : keys.items) {
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
  return storages;
}

/// Magic number, protocol, system information, the object, the list of storage keys, then the storages:
/// torch.serialization._legacy_save.
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
  auto const storages = legacy_storages(*keys, storage_types(documents[3]), rest);
  if (!storages) return storages.error();
  return collect_tensors(
      documents[3].root, rebuilt_tensors([&](std::string const& key) -> Result<StorageBytes> {
        auto const found = storages->find(key);
        if (found == storages->end())
          return invalid("its storage '" + key.substr(0, 100) + "' is missing from the file");
        return StorageBytes{found->second};
      }));
}

/// A header's length and an object. The length's upper half is zero, which no text's bytes are.
bool begins_as_safetensors(Bytes file) {
  std::uint64_t length = 0;
  if (file.size() <= sizeof length || file[sizeof length] != std::byte{'{'}) return false;
  std::memcpy(&length, file.data(), sizeof length);
  return length >> 32U == 0;
}

}  // namespace

FileFormat detect_format(Bytes file) {
  if (starts_with(file, "PK\x03\x04")) {
    auto const members = read_zip(file);
    if (members && has_member(*members, "constants.pkl")) return FileFormat::TorchScript;
    return FileFormat::TorchSave;
  }
  if (starts_with(file, "\x80")) {
    auto const first = pickle::read(file);
    auto const* const magic = first ? pickle::get<std::int64_t>(first->root) : nullptr;
    return magic != nullptr && *magic == kLegacyMagic ? FileFormat::TorchSaveLegacy : FileFormat::Unknown;
  }
  if (begins_as_safetensors(file)) return FileFormat::Safetensors;
  if (is_torch_tar(file)) return FileFormat::TorchSaveTar;
  return FileFormat::Unknown;
}

Result<StateDict> read_torch_save(Bytes file) {
  if (starts_with(file, "PK\x03\x04")) return read_zipped(file);
  return is_torch_tar(file) ? read_torch_tar(file) : read_legacy(file);
}

}  // namespace ei::inference
