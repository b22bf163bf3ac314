#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>

#include "runtime/core/result.hpp"
#include "runtime/http/url.hpp"

namespace ei::inference {

struct FromShapes {  ///< builtin://shapes: the project's own small model
  bool operator==(FromShapes const&) const = default;
};
struct FromImagenet {  ///< builtin://imagenet: label names only
  bool operator==(FromImagenet const&) const = default;
};
struct FromRandom {  ///< builtin://random?seed=1&classes=10: noise, for tests
  std::uint64_t seed = 1;
  std::int64_t classes = 10;
  bool operator==(FromRandom const&) const = default;
};
struct FromFile {
  std::filesystem::path path;
  bool operator==(FromFile const&) const = default;
};
struct FromNetwork {
  http::Url url;
  bool operator==(FromNetwork const&) const = default;
};

/// Whether a file may be read as weights or labels: a regular one, which after all links and `..` is none of
/// the system's own or of this process's credentials. Whoever writes a URI, or a link on a volume, must not
/// get to see them as class names. Errors: NotFound, Forbidden, Io.
[[nodiscard]] Result<void> check_file(std::filesystem::path const& path);

/// An https URL with the query that a file holds, without its last line end and a `?` before it: what signs
/// a URL is no argument, which everybody may read. Errors: Invalid, which never shows the text.
[[nodiscard]] Result<std::string> with_query(std::string_view url, std::string_view file_text);

/// Where weights come from: `builtin://shapes`, `builtin://random[?seed=N&classes=N]`, `file:///path`, a
/// plain path, `https://…`. Errors: Invalid, naming what is allowed.
using ModelSource = std::variant<FromShapes, FromRandom, FromFile, FromNetwork>;
[[nodiscard]] Result<ModelSource> parse_model_uri(std::string_view uri);

/// Where class names come from: `builtin://imagenet`, `builtin://shapes`, `file:///path`,
/// a plain path, `https://…`.
using LabelSource = std::variant<FromShapes, FromImagenet, FromFile, FromNetwork>;
[[nodiscard]] Result<LabelSource> parse_label_uri(std::string_view uri);

}  // namespace ei::inference
