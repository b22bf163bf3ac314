#include "bench/load/pictures.hpp"

#include <algorithm>
#include <cctype>
#include <map>

#include "runtime/process/files.hpp"

namespace ei::bench {
namespace {

namespace fs = std::filesystem;

// What the dispatcher takes at most.
constexpr std::size_t kMaxPictureBytes = 10 * 1024 * 1024;
// All pictures are held in memory, so that no disk is read during the run.
constexpr std::size_t kMaxFolderBytes = std::size_t{1024} * 1024 * 1024;
constexpr std::size_t kMaxTableBytes = 64 * 1024 * 1024;

std::string media_type_of(fs::path const& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (extension == ".jpg" || extension == ".jpeg") return "image/jpeg";
  if (extension == ".png") return "image/png";
  return {};
}

Result<std::vector<fs::path>> list(fs::path const& folder) {
  std::error_code wrong;
  std::vector<fs::path> paths;
  fs::directory_iterator entries(folder, wrong);
  for (; !wrong && entries != fs::directory_iterator(); entries.increment(wrong)) {
    if (!media_type_of(entries->path()).empty()) paths.push_back(entries->path());
  }
  if (wrong) return make_error(ErrorKind::NotFound, folder.string() + ": " + wrong.message());
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

Result<void> apply_labels(std::vector<Picture>& pictures, std::string_view table) {
  std::map<std::string_view, std::string_view> labels;
  for (std::size_t line = 0, at = 0; at < table.size(); ++line) {
    std::size_t const end = std::min(table.find('\n', at), table.size());
    std::string_view row = table.substr(at, end - at);
    at = end + 1;
    if (row.ends_with('\r')) row.remove_suffix(1);
    if (row.empty()) continue;
    std::size_t const comma = row.find(',');
    std::string_view const file = row.substr(0, comma);
    std::string_view label = comma == row.npos ? std::string_view() : row.substr(comma + 1);
    label = label.substr(0, label.find(','));
    if (line == 0 && (file != "file" || label != "label")) {
      return make_error(ErrorKind::Invalid, "labels.csv must begin with file,label; it begins with " +
                                                std::string(row.substr(0, 80)));
    }
    if (label.empty()) {
      return make_error(ErrorKind::Invalid, "labels.csv line " + std::to_string(line + 1) + " has no label");
    }
    labels[file] = label;
  }
  for (Picture& picture : pictures) {
    auto const found = labels.find(picture.file);
    if (found != labels.end()) picture.label = found->second;
  }
  return {};
}

Result<std::vector<Picture>> read_pictures(fs::path const& folder) {
  auto const paths = list(folder);
  if (!paths) return paths.error();
  std::vector<Picture> pictures;
  std::size_t total = 0;
  for (fs::path const& path : *paths) {
    auto bytes = process::read_file(path, kMaxPictureBytes);
    if (!bytes) return with_context(bytes.error(), path.string());
    total += bytes->size();
    if (total > kMaxFolderBytes) {
      return make_error(ErrorKind::Protocol, folder.string() + " holds more than 1 GiB of pictures");
    }
    pictures.push_back({path.filename().string(), media_type_of(path), std::move(*bytes), {}});
  }
  if (pictures.empty()) {
    return make_error(ErrorKind::NotFound, folder.string() + " holds no .jpg, .jpeg or .png");
  }
  auto const table = process::read_file(folder / "labels.csv", kMaxTableBytes);
  if (!table && table.error().kind == ErrorKind::NotFound) return pictures;
  if (!table) return table.error();
  if (auto const applied = apply_labels(pictures, *table); !applied) return applied.error();
  return pictures;
}

void wrap_in_forms(std::vector<Picture>& pictures) {
  // As long as browsers' are; no picture contains it but by intent.
  constexpr std::string_view kBoundary = "----elastic-inference-7MA4YWxkTrZu0gW";
  for (auto& picture : pictures) {
    std::string form("--");
    form.append(kBoundary);
    form += "\r\nContent-Disposition: form-data; name=\"image\"; filename=\"picture\"\r\nContent-Type: ";
    form += picture.type + "\r\n\r\n" + picture.bytes + "\r\n--";
    form.append(kBoundary);
    form += "--\r\n";
    picture.bytes = std::move(form);
    picture.type = "multipart/form-data; boundary=" + std::string(kBoundary);
  }
}

}  // namespace ei::bench
