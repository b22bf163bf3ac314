#include "operator/manifest/manifest.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <iterator>
#include <set>
#include <sstream>
#include <stdexcept>

#include "operator/manifest/scalar.hpp"
#include "runtime/core/json.hpp"
#include "runtime/process/files.hpp"

namespace ei::manifest {
namespace {

namespace json = boost::json;

/// Leaves the recursion below; parse_yaml turns it into a value.
struct Fault {
  ErrorKind kind;
  int line;
  std::string message;
};

class Converter {
 public:
  explicit Converter(Document& document) : document_(document) {}

  json::value convert(YAML::Node const& node, std::string const& path, int depth = 0) {
    // Deeper than any manifest, shallower than the stack.
    if (depth > 100) throw Fault{ErrorKind::Invalid, line_of(node), "nested more than 100 levels deep"};
    if (++nodes_ > kMaxNodes) throw Fault{ErrorKind::Protocol, line_of(node), "too many nodes after aliases"};
    document_.lines.emplace(path, line_of(node));
    switch (node.Type()) {
      case YAML::NodeType::Map:
        return map(node, path, depth);
      case YAML::NodeType::Sequence:
        return sequence(node, path, depth);
      case YAML::NodeType::Scalar:
        return scalar(node);
      default:
        return nullptr;
    }
  }

  static int line_of(YAML::Node const& node) { return node.Mark().line + 1; }

 private:
  json::value map(YAML::Node const& node, std::string const& path, int depth) {
    json::object object;
    std::set<std::string> merged;  // keys that came with `<<`: the map's own override them
    for (auto const& entry : node) {
      if (!entry.first.IsScalar())
        throw Fault{ErrorKind::Invalid, line_of(entry.first), "a key must be a scalar"};
      auto const key = entry.first.Scalar();
      if (key == "<<" && entry.first.Tag() == "?") {
        merge(entry.second, object, merged, path, depth);
        continue;
      }
      auto const child = path.empty() ? key : path + "." + key;
      if (object.contains(key) && merged.erase(key) == 0) {
        throw Fault{ErrorKind::Invalid, line_of(entry.first), child + ": the key is there twice"};
      }
      // The key's line: an empty value has none, and a block value begins below.
      document_.lines[child] = line_of(entry.first);
      object[key] = convert(entry.second, child, depth + 1);
    }
    return object;
  }

  void merge(YAML::Node const& from, json::object& object, std::set<std::string>& merged,
             std::string const& path, int depth) {
    if (from.IsSequence()) {
      for (auto const& each : from) merge(each, object, merged, path, depth);
      return;
    }
    if (!from.IsMap()) throw Fault{ErrorKind::Invalid, line_of(from), "<< must name a map"};
    auto const value = convert(from, path, depth + 1);
    for (auto const& entry : value.get_object()) {
      if (!object.contains(entry.key())) {
        object[entry.key()] = entry.value();
        merged.insert(std::string(entry.key()));
      }
    }
  }

  json::value sequence(YAML::Node const& node, std::string const& path, int depth) {
    json::array array;
    for (auto const& item : node) {
      array.push_back(convert(item, path + "[" + std::to_string(array.size()) + "]", depth + 1));
    }
    return array;
  }

  static json::value scalar(YAML::Node const& node) {
    auto const& tag = node.Tag();
    auto const& text = node.Scalar();
    if (tag == "!" || tag == "tag:yaml.org,2002:str") return json::string(text);  // quoted, or said to be one
    if (tag.empty() || tag == "?" || tag.rfind("tag:yaml.org,2002:", 0) == 0) return plain_scalar(text);
    throw Fault{ErrorKind::Invalid, line_of(node), "unknown tag " + tag};
  }

  Document& document_;
  std::size_t nodes_ = 0;
};

/// Hears of a document without keeping it.
struct Ignore : YAML::EventHandler {
  void OnDocumentStart(YAML::Mark const& mark) override { line = mark.line + 1; }
  void OnDocumentEnd() override {}
  void OnNull(YAML::Mark const&, YAML::anchor_t) override {}
  void OnAlias(YAML::Mark const&, YAML::anchor_t) override {}
  void OnScalar(YAML::Mark const&, std::string const&, YAML::anchor_t, std::string const&) override {}
  void OnSequenceStart(YAML::Mark const&, std::string const&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(YAML::Mark const&, std::string const&, YAML::anchor_t, YAML::EmitterStyle::value) override {
  }
  void OnMapEnd() override {}

  int line = 1;
};

/// Some faulty texts keep yaml-cpp (0.7) finding one more empty document at the same place for ever, and
/// LoadAll keeps them all. A document takes a line at least.
void check_that_it_ends(std::string const& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  Ignore ignore;
  auto left = std::count(text.begin(), text.end(), '\n') + 2;
  while (parser.HandleNextDocument(ignore)) {
    if (--left < 0) throw Fault{ErrorKind::Invalid, ignore.line, "no YAML from here on"};
  }
}

/// The line of a path, or of the nearest thing that holds it (a missing field has no line of its own).
int line_of(Document const& document, std::string path) {
  while (true) {
    if (auto const found = document.lines.find(path); found != document.lines.end()) return found->second;
    auto const dot = path.find_last_of(".[");
    if (dot == path.npos) return document.line;
    path.resize(dot);
  }
}

Entry entry_of(Document const& document, std::string const& file) {
  Entry entry{
      file, document.line, api::metadata_from_json(document.value), api::parse_service(document.value), {}};
  for (auto const& error : entry.parsed.errors) {
    entry.errors.push_back(file + ":" + std::to_string(line_of(document, error.path)) + ": " +
                           to_string(error));
  }
  return entry;
}

/// `autoscaling/v2 HorizontalPodAutoscaler` when the document is one of somebody else's, else empty. What has
/// our kind or our group is meant for us, whatever is wrong with it.
std::string foreign_kind(json::value const& value) {
  auto const version = string_or(value, "apiVersion");
  auto const kind = string_or(value, "kind");
  auto const group = version.substr(0, version.find('/'));
  if (version.empty() || kind.empty() || kind == api::kKind || group == api::kGroup) return {};
  return std::string(version) + " " + std::string(kind);
}

/// What `kubectl get -o yaml` writes of several objects.
bool is_list(json::value const& value) {
  auto const kind = string_or(value, "kind");
  bool const plain = kind == "List" && string_or(value, "apiVersion") == "v1";
  bool const ours =
      kind == std::string(api::kKind) + "List" && string_or(value, "apiVersion") == api::kApiVersion;
  return plain || ours;
}

/// The list's items as if each were a document of its own.
Result<std::vector<Document>> items_of(Document const& list) {
  auto const* items = list.value.get_object().if_contains("items");
  if (items == nullptr || !items->is_array())
    return make_error(ErrorKind::Invalid, std::to_string(list.line) + ": items: must be the list's objects");
  std::vector<Document> documents;
  for (auto const& item : items->get_array()) {
    auto const path = "items[" + std::to_string(documents.size()) + "]";
    Document document;
    document.value = item;
    document.line = line_of(list, path);
    auto const inner = path + ".";
    for (auto at = list.lines.lower_bound(inner); at != list.lines.end() && at->first.starts_with(inner);
         ++at)
      document.lines.emplace(at->first.substr(inner.size()), at->second);
    documents.push_back(std::move(document));
  }
  return documents;
}

/// The documents with those of lists in place of the lists.
Result<std::vector<Document>> without_lists(std::vector<Document> documents) {
  std::vector<Document> all;
  for (auto& document : documents) {
    if (!is_list(document.value)) {
      all.push_back(std::move(document));
      continue;
    }
    auto items = items_of(document);
    if (!items) return items.error();
    std::move(items->begin(), items->end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace

Result<std::vector<Document>> parse_yaml(std::string_view text) {
  std::vector<Document> documents;
  try {
    std::string const yaml(text);
    check_that_it_ends(yaml);
    for (auto const& node : YAML::LoadAll(yaml)) {
      if (!node.IsDefined() || node.IsNull()) continue;
      Document document;
      document.line = Converter::line_of(node);
      document.value = Converter(document).convert(node, "");
      documents.push_back(std::move(document));
    }
  } catch (Fault const& fault) {
    return make_error(fault.kind, std::to_string(fault.line) + ": " + fault.message);
  } catch (YAML::Exception const& fault) {
    return make_error(ErrorKind::Invalid, std::to_string(fault.mark.line + 1) + ": " + fault.msg);
  }
  return documents;
}

Result<Contents> read_text(std::string_view text, std::string const& file) {
  auto documents = parse_yaml(text);
  if (documents) documents = without_lists(std::move(*documents));
  if (!documents) {
    Error error = documents.error();
    error.message = file + ":" + error.message;
    return error;
  }
  if (documents->empty())
    return make_error(ErrorKind::Invalid, file + ":1: no InferenceService in this file");
  Contents contents;
  for (auto const& document : *documents) {
    auto const foreign = foreign_kind(document.value);
    if (foreign.empty()) {
      contents.entries.push_back(entry_of(document, file));
    } else {
      contents.skipped.push_back(file + ":" + std::to_string(document.line) + ": " + foreign +
                                 " is skipped: only a cluster acts on it");
    }
  }
  return contents;
}

Result<Contents> read_file(std::filesystem::path const& file) {
  auto const text = process::read_file(file, kMaxFileBytes);
  if (!text) return text.error();
  return read_text(*text, file.string());
}

}  // namespace ei::manifest
