#pragma once

#include <boost/json/value.hpp>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "operator/api/parse.hpp"
#include "runtime/core/result.hpp"

namespace ei::manifest {

/// One document of a YAML or JSON file, and where its parts stand.
struct Document {
  boost::json::value value;
  int line = 1;                      ///< of its first node, from 1
  std::map<std::string, int> lines;  ///< path (`spec.scaling.minReplicas`) → line
};

/// Largest manifest read: etcd refuses objects over 1.5 MiB, and nobody writes ten of those by hand.
inline constexpr std::size_t kMaxFileBytes = 16U << 20U;
/// Nodes of one document after aliases are expanded; a few lines of nested aliases
/// ("billion laughs") reach any number.
inline constexpr std::size_t kMaxNodes = 100'000;

/// Splits YAML into its documents; empty ones are left out. Plain scalars are typed as kubectl types them:
/// the YAML 1.2 core schema's null, true/false, integers (decimal, 0x, 0o) and floats, and YAML 1.1's
/// yes/no/on/off and leading-zero octals besides; all else, dates included, stays a string. A key that comes
/// twice, a key that is no scalar and a tag that is not of the core schema are errors. Errors: Invalid,
/// `LINE: what is wrong`; Protocol over kMaxNodes.
[[nodiscard]] Result<std::vector<Document>> parse_yaml(std::string_view text);

/// One InferenceService of a file, or why it is none.
struct Entry {
  std::string file;
  int line = 1;
  api::Metadata metadata;  ///< as far as it could be read
  api::Parsed parsed;
  std::vector<std::string> errors;  ///< `FILE:LINE: path: message`; empty exactly when parsed.service is set
};

/// What a manifest holds.
struct Contents {
  std::vector<Entry> entries;
  /// `FILE:LINE: autoscaling/v2 HorizontalPodAutoscaler …`: documents of other API
  /// groups, which nothing here acts on.
  std::vector<std::string> skipped;
};

/// The InferenceServices of one manifest's text; `file` names it in errors. Documents that are whole objects
/// of another API group and kind are skipped, as a manifest for a cluster holds them beside (an HPA, a
/// ConfigMap); anything else is an entry with its errors, a mistyped kind or version above all. Errors:
/// Invalid, `FILE:LINE: …`, when the text is no YAML or holds no document.
[[nodiscard]] Result<Contents> read_text(std::string_view text, std::string const& file);

/// The same from a file. Errors: also NotFound, Io.
[[nodiscard]] Result<Contents> read_file(std::filesystem::path const& file);

}  // namespace ei::manifest
