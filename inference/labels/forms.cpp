#include "inference/labels/forms.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "inference/labels/literal.hpp"

namespace ei::inference {
namespace {

constexpr char const* kAllowed =
    "; allowed are a list of names, a dictionary from number to name or from name to number, and these "
    "behind "
    "'id2label', 'label2id', 'labels', 'classes', 'names' or one other key";

Error invalid(std::string what) {
  return make_error(ErrorKind::Invalid, std::move(what));
}

/// A number, or a text that is one: JSON's keys are texts.
std::optional<std::int64_t> index_of(Literal const& literal) {
  if (auto const* const number = get<std::int64_t>(literal)) return *number;
  auto const* const text = get<std::string>(literal);
  return text != nullptr ? parse_index(*text) : std::nullopt;
}

Literal const* find(Literal::Dict const& dict, std::initializer_list<std::string_view> names) {
  for (auto const name : names) {
    for (auto const& [key, value] : dict) {
      auto const* const text = get<std::string>(key);
      if (text != nullptr && *text == name) return &value;
    }
  }
  return nullptr;
}

/// "tench", ["n01440764", "tench"] or {"name": "tench"}.
std::optional<std::string> name_of(Literal const& literal) {
  if (auto const* const text = get<std::string>(literal)) return *text;
  if (auto const* const list = get<Literal::List>(literal)) {
    auto const* const first = list->size() == 2 ? get<std::string>(list->front()) : nullptr;
    if (first != nullptr && is_synset(*first)) return name_of(list->back());
  }
  if (auto const* const dict = get<Literal::Dict>(literal)) {
    auto const* const name = find(*dict, {"label", "name"});
    if (name != nullptr && get<std::string>(*name) != nullptr) return *get<std::string>(*name);
  }
  return {};
}

Result<Labels> labels_of_list(Literal::List const& list) {
  Labels labels;
  Numbered numbered;
  for (auto const& entry : list) {
    auto name = name_of(entry);
    if (!name) {
      return invalid("entry " + std::to_string(labels.size()) + " of the list is no name" + kAllowed);
    }
    if (auto const* const dict = get<Literal::Dict>(entry)) {
      auto const* const index = find(*dict, {"index", "id", "class_id"});
      if (index != nullptr && index_of(*index)) numbered.emplace_back(*index_of(*index), *name);
    }
    labels.push_back(std::move(*name));
  }
  if (numbered.empty()) return labels;
  if (numbered.size() != labels.size())
    return invalid("some entries of the list have a number and some have none");
  return order_labels(std::move(numbered));
}

Result<Labels> labels_of_pairs(Literal::Dict const& dict) {
  auto const inverse = std::all_of(dict.begin(), dict.end(), [](auto const& pair) {
    return get<std::string>(pair.first) != nullptr && get<std::int64_t>(pair.second) != nullptr;
  });
  Numbered numbered;
  for (auto const& [key, value] : dict) {
    if (inverse) {
      numbered.emplace_back(*get<std::int64_t>(value), *get<std::string>(key));
      continue;
    }
    auto const index = index_of(key);
    if (!index) {
      auto const* const text = get<std::string>(key);
      return invalid("the dictionary's key " + (text != nullptr ? "'" + text->substr(0, 60) + "'" : "") +
                     " is no class number" + kAllowed);
    }
    auto name = name_of(value);
    if (!name) return invalid("class " + std::to_string(*index) + " has no text for a name" + kAllowed);
    numbered.emplace_back(*index, std::move(*name));
  }
  return order_labels(std::move(numbered));
}

bool is_container(Literal const& literal) {
  return get<Literal::List>(literal) != nullptr || get<Literal::Dict>(literal) != nullptr;
}

Result<Labels> labels_of(Literal const& literal) {
  if (auto const* const list = get<Literal::List>(literal)) return labels_of_list(*list);
  auto const* const dict = get<Literal::Dict>(literal);
  if (dict == nullptr)
    return invalid("the file holds neither a list nor a dictionary" + std::string(kAllowed));
  auto const* inner = find(*dict, {"id2label", "label2id", "labels", "classes", "class_names", "names"});
  if (inner == nullptr && dict->size() == 1 && !index_of(dict->front().first)) inner = &dict->front().second;
  if (inner == nullptr || !is_container(*inner)) return labels_of_pairs(*dict);
  if (auto const* const list = get<Literal::List>(*inner)) return labels_of_list(*list);
  return labels_of_pairs(*get<Literal::Dict>(*inner));
}

}  // namespace

Result<Labels> order_labels(Numbered numbered) {
  std::stable_sort(numbered.begin(), numbered.end(),
                   [](auto const& a, auto const& b) { return a.first < b.first; });
  Labels labels;
  for (auto& [index, name] : numbered) {
    auto const expected = static_cast<std::int64_t>(labels.size());
    if (index < 0) return invalid("class number " + std::to_string(index) + ": the numbers count from 0");
    if (index == expected - 1) {
      return invalid("class number " + std::to_string(index) + " is there twice: '" +
                     labels.back().substr(0, 60) + "' and '" + name.substr(0, 60) + "'");
    }
    if (index != expected) {
      bool const from_one =
          expected == 0 && numbered.back().first == static_cast<std::int64_t>(numbered.size());
      return invalid("class number " + std::to_string(expected) + " is missing" +
                     (from_one ? ": the file counts from 1, classes count from 0"
                               : "; the next one is " + std::to_string(index)));
    }
    labels.push_back(std::move(name));
  }
  return labels;
}

Result<Labels> labels_of_literal(std::string_view text) {
  auto const literal = parse_literal(text);
  if (!literal)
    return with_context(literal.error(), "the file looks like JSON or a Python dictionary or list");
  return labels_of(*literal);
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\f\v";
  auto const first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::optional<std::int64_t> parse_index(std::string_view text) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return {};
  std::int64_t index = 0;
  auto const* const last = text.data() + text.size();
  auto const [end, failed] = std::from_chars(text.data(), last, index);
  if (failed != std::errc() || end != last) return {};
  return index;
}

bool is_synset(std::string_view text) {
  return text.size() == 9 && text.front() == 'n' &&
         std::all_of(text.begin() + 1, text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool has_control(std::string_view label) {
  for (std::size_t i = 0; i < label.size(); ++i) {
    auto const c = static_cast<unsigned char>(label[i]);
    if ((c < 0x20 && c != '\t') || c == 0x7f) return true;
    if (c == 0xc2 && i + 1 < label.size() && static_cast<unsigned char>(label[i + 1]) < 0xa0) return true;
  }
  return false;
}

}  // namespace ei::inference
