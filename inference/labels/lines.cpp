#include <algorithm>
#include <cctype>
#include <optional>

#include "inference/labels/forms.hpp"

namespace ei::inference {
namespace {

Error invalid(std::size_t line, std::string_view what) {
  return make_error(ErrorKind::Invalid, "line " + std::to_string(line) + " " + std::string(what));
}

/// A file's lines without white space at their ends; empty ones at the file's end are gone.
std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  while (!text.empty()) {
    auto const end = text.find('\n');
    auto line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    auto const first = std::min(line.find_first_not_of(" \t"), line.size());
    lines.push_back(line.substr(first, line.find_last_not_of(" \t") + 1 - first));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

bool is_quote(char c) {
  return c == '"' || c == '\'';
}

/// Without a pair of quotes around it, inside of which CSV doubles a quote.
std::string unquote(std::string_view text) {
  if (text.size() < 2 || !is_quote(text.front()) || text.back() != text.front()) return std::string(text);
  char const quote = text.front();
  std::string result;
  text = text.substr(1, text.size() - 2);
  for (std::size_t i = 0; i < text.size(); ++i) {
    result += text[i];
    if (text[i] == quote && i + 1 < text.size() && text[i + 1] == quote) ++i;
  }
  return result;
}

/// The fields of one line of CSV, unquoted.
std::vector<std::string> fields_of(std::string_view line, char separator) {
  std::vector<std::string> fields;
  std::size_t start = 0;
  bool quoted = false;
  for (std::size_t i = 0; i <= line.size(); ++i) {
    if (i < line.size() && line[i] == '"') quoted = !quoted;
    if (i < line.size() && (quoted || line[i] != separator)) continue;
    fields.push_back(unquote(trim(line.substr(start, i - start))));
    start = i + 1;
  }
  return fields;
}

std::string lower(std::string text) {
  for (auto& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool is_one_of(std::string const& word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), lower(word)) != words.end();
}

/// Which columns of a table hold the class's number and its name.
struct Columns {
  std::size_t index = 0;
  std::size_t name = 1;
};

using Table = std::vector<std::vector<std::string>>;

bool is_number(std::string const& text) {
  return parse_index(text).has_value();
}

bool all_numbers(Table const& table, std::size_t column, std::size_t from) {
  return std::all_of(table.begin() + static_cast<std::ptrdiff_t>(from), table.end(),
                     [&](auto const& row) { return is_number(row[column]); });
}

/// The columns of a table whose rows have the same width. By the header's words where it has them, else the
/// one column of numbers and the one beside it.
std::optional<Columns> find_columns(Table const& table, bool header) {
  auto const width = table.front().size();
  std::vector<std::size_t> numbers;
  std::vector<std::size_t> texts;
  for (std::size_t column = 0; column < width; ++column) {
    (all_numbers(table, column, header ? 1 : 0) ? numbers : texts).push_back(column);
  }
  if (numbers.size() == 1 && texts.size() == 1) return Columns{numbers[0], texts[0]};
  if (!header) {
    // `0,n01440764,tench`: the identifier is no name.
    if (numbers.size() == 1 && texts.size() == 2) {
      for (std::size_t i : {0U, 1U}) {
        bool const synsets = std::all_of(table.begin(), table.end(),
                                         [&](auto const& row) { return is_synset(row[texts[i]]); });
        if (synsets) return Columns{numbers[0], texts[1 - i]};
      }
    }
    return {};
  }
  Columns columns;
  int found = 0;
  for (std::size_t column = 0; column < width; ++column) {
    auto const& word = table.front()[column];
    if (is_one_of(word,
                  {"index", "id", "idx", "class_id", "class_index", "class_idx", "label_id", "number"})) {
      columns.index = column;
      found |= 1;
    } else if (is_one_of(word, {"label", "name", "class", "class_name", "label_name", "category", "text"})) {
      columns.name = column;
      found |= 2;
    }
  }
  if (found != 3 || !all_numbers(table, columns.index, 1)) return {};
  return columns;
}

/// CSV with a column of numbers; none where the lines are something else.
std::optional<Result<Labels>> from_table(std::vector<std::string_view> const& lines, char separator) {
  Table table;
  for (auto const line : lines) table.push_back(fields_of(line, separator));
  auto const width = table.front().size();
  if (width < 2) return {};
  for (auto const& row : table) {
    if (row.size() != width) return {};  // commas inside of names
  }
  // A header is a first line without a number above a column that is all numbers.
  bool header = false;
  bool numbers = false;
  for (std::size_t column = 0; column < width; ++column) {
    if (table.size() < 2 || !all_numbers(table, column, 1)) {
      numbers = numbers || (table.size() == 1 && is_number(table.front()[column]));
      continue;
    }
    numbers = true;
    header = header || !is_number(table.front()[column]);
  }
  bool const synsets = width == 2 && std::all_of(table.begin(), table.end(),
                                                 [](auto const& row) { return is_synset(row.front()); });
  if (synsets) {
    Labels labels;
    for (auto const& row : table) labels.push_back(row.back());
    return labels;
  }
  if (!numbers) return {};
  auto const columns = find_columns(table, header);
  if (!columns) {
    return Result<Labels>(
        make_error(ErrorKind::Invalid, "the file is CSV of " + std::to_string(width) +
                                           " columns, and which of them are the class's number and its name "
                                           "cannot be told; allowed are two columns, "
                                           "or a header with 'index' and 'label'"));
  }
  Numbered numbered;
  for (std::size_t row = header ? 1 : 0; row < table.size(); ++row) {
    numbered.emplace_back(*parse_index(table[row][columns->index]), table[row][columns->name]);
  }
  return order_labels(std::move(numbered));
}

/// `0: tench`, `0: 'tench',`, `0 tench`: each line begins with a number and one separator. Behind a space the
/// numbers must begin with 0 or 1, as names may begin with a number too (`2 doors`).
std::optional<Result<Labels>> from_numbered(std::vector<std::string_view> const& lines) {
  Numbered numbered;
  for (auto line : lines) {
    auto const digits = std::min(line.find_first_not_of("0123456789"), line.size());
    auto const index = parse_index(line.substr(0, digits));
    if (!index || digits == line.size()) return {};
    auto rest = line.substr(digits);
    bool const firm = rest.front() == ':' || rest.front() == '=' || rest.front() == '\t';
    if (!firm && rest.front() != ' ') return {};
    if (!firm && numbered.empty() && *index > 1) return {};
    rest = trim(rest.substr(1));
    if (!firm && (rest.starts_with(':') || rest.starts_with('='))) rest = trim(rest.substr(1));
    if (rest.ends_with(',') && rest.size() > 2 && is_quote(rest.front())) rest.remove_suffix(1);
    numbered.emplace_back(*index, unquote(rest));
  }
  return order_labels(std::move(numbered));
}

/// `tench: 0`: the other way round, where the numbers are exactly those of the classes. Not behind a space,
/// as names may end in a number (`class 0`).
std::optional<Result<Labels>> from_trailing_numbers(std::vector<std::string_view> const& lines) {
  Numbered numbered;
  std::vector<bool> seen(lines.size(), false);
  for (auto const line : lines) {
    auto const at = line.find_last_of(":=\t");
    if (at == std::string_view::npos || at == 0) return {};
    auto const index = parse_index(trim(line.substr(at + 1)));
    if (!index || *index >= static_cast<std::int64_t>(seen.size()) || seen[static_cast<std::size_t>(*index)])
      return {};
    seen[static_cast<std::size_t>(*index)] = true;
    numbered.emplace_back(*index, unquote(trim(line.substr(0, at))));
  }
  return order_labels(std::move(numbered));
}

/// `n01440764 tench, Tinca tinca`, also with a comma or a tab between.
std::optional<Labels> from_synsets(std::vector<std::string_view> const& lines) {
  Labels labels;
  for (auto const line : lines) {
    if (line.size() < 11 || !is_synset(line.substr(0, 9))) return {};
    if (line[9] != ' ' && line[9] != '\t' && line[9] != ',') return {};
    labels.push_back(unquote(trim(line.substr(10))));
  }
  return labels;
}

/// `- tench` on each line, as YAML writes a list; one key above it (`names:`) and a `---` are passed over.
/// Returns whether the lines were YAML's, whose marks are gone then.
bool strip_yaml(std::vector<std::string_view>& lines) {
  std::vector<std::string_view> rest = lines;
  std::erase_if(rest,
                [](std::string_view line) { return line.empty() || line.starts_with('#') || line == "---"; });
  bool const key = rest.size() > 1 && rest.front().ends_with(':') &&
                   rest.front().find_first_of(" '\"") == std::string_view::npos;
  if (key) rest.erase(rest.begin());
  if (rest.empty() ||
      !std::all_of(rest.begin(), rest.end(), [](auto line) { return line.starts_with("- "); })) {
    bool const numbered = key && std::all_of(rest.begin(), rest.end(), [&](std::string_view line) {
                            return parse_index(line.substr(0, line.find(':'))).has_value();
                          });
    if (numbered) lines = rest;
    return numbered;
  }
  for (auto& line : rest) line = trim(line.substr(2));
  lines = rest;
  return true;
}

/// True for what stands on a line of a list, a dictionary or a table, and is hardly a name.
bool is_fragment(std::string_view line) {
  if (line.size() == 1 && std::string_view("[]{}(),").find(line.front()) != std::string_view::npos)
    return true;
  if (line.ends_with("',") || line.ends_with("\",")) return true;
  if (line.starts_with('"') && line.find("\",") != std::string_view::npos) return true;  // columns of text
  if (line.starts_with('{') || line.ends_with('}') || line.starts_with("- ") || line.ends_with(':'))
    return true;
  return line.starts_with('[') != line.ends_with(']');
}

Result<Labels> from_names(std::vector<std::string_view> const& lines) {
  Labels labels;
  bool const quoted = std::all_of(lines.begin(), lines.end(), [](std::string_view line) {
    return line.size() > 2 && line.starts_with('"') && line.find('"', 1) == line.size() - 1;
  });
  for (auto const line : lines) {
    auto const number = labels.size() + 1;
    if (is_fragment(line)) {
      return invalid(number,
                     "is a piece of a list, a dictionary or a table: '" + std::string(line.substr(0, 60)) +
                         "'; the file is neither whole JSON, Python, YAML or CSV nor one name a line");
    }
    if (line.size() > kMaxLabelBytes) return invalid(number, "is longer than 200 bytes");
    if (has_control(line)) return invalid(number, "has a control character");
    labels.push_back(quoted ? unquote(line) : std::string(line));
  }
  return labels;
}

}  // namespace

Result<Labels> labels_of_lines(std::string_view text) {
  auto lines = split_lines(text);
  bool const yaml = !lines.empty() && strip_yaml(lines);
  if (lines.empty()) return make_error(ErrorKind::Invalid, "the file names no class");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty()) return invalid(i + 1, "is empty");
  }
  if (auto labels = from_synsets(lines)) return std::move(*labels);
  for (char const separator : {',', ';', '\t'}) {
    if (auto labels = from_table(lines, separator)) return std::move(*labels);
  }
  if (auto labels = from_numbered(lines)) return std::move(*labels);
  if (auto labels = from_trailing_numbers(lines)) return std::move(*labels);
  if (yaml) {
    Labels labels;
    for (auto const line : lines) labels.push_back(unquote(line));
    return labels;
  }
  return from_names(lines);
}

}  // namespace ei::inference
