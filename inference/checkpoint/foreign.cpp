#include "inference/checkpoint/foreign.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <optional>
#include <string_view>

#include "inference/checkpoint/pickle.hpp"
#include "inference/checkpoint/tar.hpp"

namespace ei::inference {
namespace {

using Bytes = std::span<const std::byte>;
using namespace std::string_view_literals;

constexpr std::string_view kExport =
    "; export the weights from the program that made it, as a PyTorch state dict or safetensors";
constexpr std::string_view kUnpack = "; unpack it and give the file inside";
constexpr std::string_view kGetFile =
    ", perhaps an error message in place of the file; check the address and fetch it again";

struct Magic {
  std::size_t at;
  std::string_view bytes;
  std::string_view name;
  std::string_view remedy;
};

/// First bytes as their formats' documentation gives them.
constexpr Magic kMagic[] = {
    {0, "\x89HDF\r\n\x1a\n"sv, "an HDF5 file, as Keras and TensorFlow write (.h5)", kExport},
    {4, "TFL3"sv, "a TensorFlow Lite model", kExport},
    {0, "GGUF"sv, "a GGUF file of llama.cpp", kExport},
    {0, "lmgg"sv, "a GGML file of llama.cpp", kExport},
    {0, "tjgg"sv, "a GGML file of llama.cpp", kExport},
    {0, "\x93NUMPY"sv, "a NumPy array (.npy)", kExport},
    {0, "MATLAB 5.0"sv, "a MATLAB file", kExport},
    {0, "\x1f\x8b"sv, "compressed by gzip", kUnpack},
    {0, "BZh"sv, "compressed by bzip2", kUnpack},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     "compressed by xz", kUnpack},
    {0, "\x28\xb5\x2f\xfd"sv, "compressed by zstd", kUnpack},
    {0, "\x04\x22\x4d\x18"sv, "compressed by lz4", kUnpack},
    {0, "7z\xbc\xaf\x27\x1c"sv, "a 7z archive", kUnpack},
    {0, "Rar!\x1a\x07"sv, "a RAR archive", kUnpack},
    {0, "PK\x05\x06"sv, "an empty ZIP archive", kGetFile},
    {0,
     "\x7f"
     "ELF"sv,
     "a program or library (ELF), perhaps a model compiled by AOTInductor", kExport},
    {4, "ET12"sv, "an ExecuTorch program (.pte)", kExport},
    {0, "%PDF"sv, "a PDF document", kGetFile},
    {0, "\x89PNG"sv, "a PNG picture", kGetFile},
    {0, "\xff\xd8\xff"sv, "a JPEG picture", kGetFile},
    {0, "version https://git-lfs"sv, "a git-lfs pointer", "; fetch the file itself with 'git lfs pull'"},
};

std::string_view text_of(Bytes file, std::size_t most) {
  return {reinterpret_cast<char const*>(file.data()), std::min(file.size(), most)};
}

std::string lower_start(Bytes file) {
  std::string start(text_of(file, 512));
  start.erase(0, start.starts_with("\xEF\xBB\xBF") ? 3 : 0);
  start.erase(0, std::min(start.find_first_not_of(" \t\r\n"), start.size()));
  std::transform(start.begin(), start.end(), start.begin(), [](unsigned char c) { return std::tolower(c); });
  return start;
}

bool contains(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

/// Text that a person, a web server or another tool wrote.
std::optional<std::string> describe_text(Bytes file) {
  auto const start = lower_start(file);
  auto const all = text_of(file, 64 * 1024);
  if (start.starts_with("<!doctype html") || start.starts_with("<html") || start.starts_with("<head"))
    return "an HTML page, perhaps of a login" + std::string(kGetFile);
  if (start.starts_with("<?xml") || start.starts_with("<net") || start.starts_with("<error")) {
    if (contains(start, "<net")) return "an OpenVINO network (.xml)" + std::string(kExport);
    return "an XML document" + std::string(kGetFile);
  }
  if (start.starts_with("{") || start.starts_with("[")) {
    if (contains(all, "\"weight_map\"")) {
      return "the index of weights that are split over several safetensors files; give one file with all of "
             "them: model.save_pretrained(path, max_shard_size='5GB')";
    }
    if (contains(all, "\"modelTopology\"")) return "a TensorFlow.js model" + std::string(kExport);
    return "a JSON document" + std::string(kGetFile);
  }
  bool const plain = !file.empty() && std::all_of(all.begin(), all.end(), [](char c) {
    auto const byte = static_cast<unsigned char>(c);
    return byte >= 0x20 || c == '\n' || c == '\r' || c == '\t';
  });
  if (plain) return "plain text" + std::string(kGetFile);
  return {};
}

/// Protocol buffers have no magic: a field 1 of a small number, then what the messages begin with.
std::optional<std::string> describe_protobuf(Bytes file) {
  auto const start = text_of(file, 4096);
  if (!start.starts_with('\x08') && !start.starts_with('\x0a')) return {};
  // ModelProto: ir_version (1) = 3 to 20, then producer_name (2) or the graph.
  bool const version = start.size() > 2 && start[0] == '\x08' && start[1] >= 3 && start[1] <= 20;
  if (version && (start[2] == '\x12' || start[2] == '\x3a' || start[2] == '\x42' || contains(start, "onnx")))
    return "an ONNX model" + std::string(kExport);
  if (contains(start, "MatMul") || contains(start, "Placeholder") || contains(start, "saved_model") ||
      contains(start, "AssignVariableOp") || contains(start, "Const"))
    return "a TensorFlow graph (.pb)" + std::string(kExport);
  return {};
}

/// The class of a pickle's root, or the first that it names.
std::string first_global(pickle::Document const& document) {
  for (auto const& node : document.nodes) {
    if (auto const* const global = pickle::get<pickle::Global>(&node)) return global->path;
  }
  return {};
}

std::optional<std::string> describe_pickle(Bytes file) {
  if (file.empty() || file[0] != std::byte{0x80}) return {};
  auto const document = pickle::read(file);
  if (!document)
    return "a pickle that cannot be read (" + document.error().message + ")" + std::string(kExport);
  auto const global = first_global(*document);
  auto const what = global.empty() ? std::string("of plain values") : "of " + global.substr(0, 100);
  auto const package = global.substr(0, global.find('.'));
  if (package == "sklearn" || package == "joblib" || package == "xgboost" || package == "lightgbm")
    return "a pickle " + what + ", a model of another library; a ResNet18 is needed";
  return "a pickle " + what +
         " that torch.save did not write; save it with torch.save(model.state_dict(), path)";
}

}  // namespace

std::string describe_archive(ZipMembers const& members) {
  auto const find = [&](std::string_view end) -> std::string const* {
    for (auto const& [name, member] : members) {
      if (name.ends_with(end) && !name.starts_with("__MACOSX/")) return &name;
    }
    return nullptr;
  };
  if (members.empty()) return "the file is an empty ZIP archive" + std::string(kGetFile);
  if (find("model.weights.h5") != nullptr || find("metadata.json") != nullptr)
    return "the file is a Keras model (.keras)" + std::string(kExport);
  if (find("models/model.json") != nullptr || find("serialized_exported_program.json") != nullptr ||
      find("archive_format") != nullptr) {
    return "the file is a program of torch.export (.pt2); save model.state_dict() with torch.save instead";
  }
  if (find(".data/extern_modules") != nullptr)
    return "the file is a package of torch.package; save model.state_dict() with torch.save instead";
  for (auto const end : {".pth", ".pt", ".safetensors", ".bin", ".ckpt"}) {
    if (auto const* const name = find(end))
      return "the file is a ZIP archive with " + *name + " in it" + std::string(kUnpack);
  }
  if (find(".npy") != nullptr) return "the file holds NumPy arrays (.npz)" + std::string(kExport);
  return "the file is a ZIP archive that torch.save did not write: it has no data.pkl, but " +
         members.begin()->first.substr(0, 100);
}

std::string describe_foreign(Bytes file) {
  for (auto const& magic : kMagic) {
    if (file.size() > magic.at && text_of(file.subspan(magic.at), magic.bytes.size()) == magic.bytes)
      return "the file is " + std::string(magic.name) + std::string(magic.remedy);
  }
  if (auto const text = describe_text(file)) return "the file is " + *text;
  if (auto const pickled = describe_pickle(file)) return "the file is " + *pickled;
  if (is_tar(file)) {
    auto const members = read_tar(file);
    auto const name = members && !members->empty() ? members->begin()->first.substr(0, 100) : "nothing";
    return "the file is a tar archive with " + name + " in it" + std::string(kUnpack);
  }
  auto const start = text_of(file, 4096);
  if (std::all_of(start.begin(), start.end(), [](char c) { return c == '\0'; }))
    return "the file begins with nothing but zero bytes, as a download that never ran; fetch it again";
  if (auto const buffers = describe_protobuf(file)) return "the file is " + *buffers;
  std::string hexadecimal;
  for (auto const byte : file.first(std::min<std::size_t>(file.size(), 8))) {
    std::array<char, 4> digits{};
    std::snprintf(digits.data(), digits.size(), " %02x", std::to_integer<unsigned>(byte));
    hexadecimal += digits.data();
  }
  return "the file's format is unknown (it begins with" + hexadecimal + ")";
}

}  // namespace ei::inference
