#include "inference/labels/labels.hpp"

#include <algorithm>

#include "runtime/core/encoding.hpp"

namespace ei::inference {

Result<Labels> parse_labels(std::string_view text) {
  auto const invalid = [](std::size_t line, std::string_view what) {
    return make_error(ErrorKind::Invalid, "labels: line " + std::to_string(line) + " " + std::string(what));
  };
  while (text.starts_with("\xEF\xBB\xBF"))
    text.remove_prefix(3);  // a byte order mark, as Windows editors write
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  Labels labels;
  while (!text.empty()) {
    auto const end = text.find('\n');
    auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    auto const number = labels.size() + 1;
    if (line.empty()) return invalid(number, "is empty");
    if (line.size() > kMaxLabelBytes) return invalid(number, "is longer than 200 bytes");
    bool const control = std::any_of(line.begin(), line.end(),
                                     [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7F; });
    if (control) return invalid(number, "has a control character");
    if (!is_utf8(line)) return invalid(number, "is not UTF-8");
    labels.emplace_back(line);
  }
  if (labels.empty()) return make_error(ErrorKind::Invalid, "labels: the file names no class");
  return labels;
}

Result<Labels> check_labels(Labels given, std::int64_t classes) {
  if (static_cast<std::int64_t>(given.size()) != classes) {
    return make_error(ErrorKind::Invalid, "the label file names " + std::to_string(given.size()) +
                                              " classes, the model has " + std::to_string(classes));
  }
  return given;
}

Labels numbered_labels(std::int64_t classes) {
  Labels labels;
  for (std::int64_t i = 0; i < classes; ++i) labels.push_back("class " + std::to_string(i));
  return labels;
}

std::string join_labels(Labels const& labels) {
  std::string text;
  for (auto const& label : labels) text += label + "\n";
  return text;
}

}  // namespace ei::inference
