#include "inference/labels/labels.hpp"

#include <algorithm>
#include <cctype>

#include "inference/labels/forms.hpp"
#include "runtime/core/encoding.hpp"

namespace ei::inference {
namespace {

Error invalid(std::string what) {
  return make_error(ErrorKind::Invalid, "labels: " + std::move(what));
}

/// What a file is that holds no labels at all; empty when nothing is recognised.
std::string name_foreign(std::string_view text) {
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF") ||
      text.substr(0, 64).find('\0') != std::string_view::npos) {
    return "the file is UTF-16 or binary; save it as UTF-8";
  }
  std::string start(trim(text.substr(0, 512)));
  std::transform(start.begin(), start.end(), start.begin(), [](unsigned char c) { return std::tolower(c); });
  if (start.starts_with("<?xml"))
    return "the file is XML; allowed are the forms that the documentation lists";
  if (start.starts_with("<"))
    return "the file is an HTML page, perhaps a login or error page in place of the file";
  if (start.starts_with("version https://git-lfs"))
    return "the file is a git-lfs pointer; fetch the file itself with 'git lfs pull'";
  return {};
}

/// The first line that is not UTF-8, from 1. Precondition: there is one.
std::size_t first_bad_line(std::string_view text) {
  std::size_t number = 1;
  for (; is_utf8(text.substr(0, text.find('\n'))); ++number) text.remove_prefix(text.find('\n') + 1);
  return number;
}

/// True for a whole list or dictionary of JSON or Python, perhaps behind `name =`.
bool is_structured(std::string_view text) {
  text = trim(text);
  if (auto const equals = text.substr(0, 80).find('='); equals != std::string_view::npos) {
    bool const one_word = trim(text.substr(0, equals)).find_first_of(" \n{[('\"") == std::string_view::npos;
    if (one_word) text = trim(text.substr(equals + 1));
    if (one_word && text.starts_with('(')) return text.ends_with(')');
  }
  if (text.ends_with(';')) text = trim(text.substr(0, text.size() - 1));
  if (text.starts_with('{')) return text.ends_with('}');
  if (!text.starts_with('[') || !text.ends_with(']')) return false;
  // `[background]` on the first of several lines is a name.
  auto const first = trim(text.substr(0, text.find('\n')));
  return first.size() == text.size() || !first.ends_with(']') ||
         first.substr(1, first.size() - 2).find_first_of("[]\"',") != std::string_view::npos;
}

Result<void> check_names(Labels& labels) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    labels[i] = std::string(trim(labels[i]));
    auto const number = std::to_string(i);
    if (labels[i].empty()) return invalid("the name of class " + number + " is empty");
    if (labels[i].size() > kMaxLabelBytes)
      return invalid("the name of class " + number + " is longer than 200 bytes");
    if (!is_utf8(labels[i])) return invalid("the name of class " + number + " is not UTF-8");
    if (has_control(labels[i])) return invalid("the name of class " + number + " has a control character");
  }
  return {};
}

}  // namespace

Result<Labels> parse_labels(std::string_view text) {
  if (auto const foreign = name_foreign(text); !foreign.empty()) return invalid(foreign);
  while (text.starts_with("\xEF\xBB\xBF"))
    text.remove_prefix(3);  // a byte order mark, as Windows editors write
  if (!is_utf8(text)) return invalid("line " + std::to_string(first_bad_line(text)) + " is not UTF-8");
  auto labels = is_structured(text) ? labels_of_literal(text) : labels_of_lines(text);
  if (!labels) return invalid(labels.error().message);
  if (labels->empty()) return invalid("the file names no class");
  if (auto const ok = check_names(*labels); !ok) return ok.error();
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
