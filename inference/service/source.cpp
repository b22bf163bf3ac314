#include "inference/service/source.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "runtime/core/encoding.hpp"
#include "runtime/core/redact.hpp"
#include "runtime/http/message.hpp"

namespace ei::inference {
namespace {

Error invalid(std::string_view uri, std::string_view allowed) {
  return make_error(ErrorKind::Invalid, "'" + display_url(uri) + "': allowed are " + std::string(allowed));
}

/// What both kinds of URI have in common: a file or an address; none for another scheme.
Result<std::optional<std::variant<FromFile, FromNetwork>>> parse_place(std::string_view uri) {
  using Place = std::optional<std::variant<FromFile, FromNetwork>>;
  auto const scheme_end = uri.find("://");
  if (scheme_end == std::string_view::npos) {
    if (uri.empty()) return Place{};
    return Place{FromFile{std::string(uri)}};
  }
  auto const scheme = uri.substr(0, scheme_end);
  auto const rest = uri.substr(scheme_end + 3);
  if (scheme == "file") {
    auto const path = percent_decode(rest);
    if (!path || !path->starts_with('/') || path->find('\0') != std::string::npos)
      return invalid(uri, "file:// with an absolute path: file:///models/a.pth");
    return Place{FromFile{*path}};
  }
  if (scheme == "https" || scheme == "http") {
    auto const url = http::parse_url(uri);
    if (!url) return url.error();
    return Place{FromNetwork{*url}};
  }
  return Place{};
}

/// A number in a query, `otherwise` where the query has none of that name. Errors: Invalid.
Result<std::int64_t> query_number(std::string_view uri, std::string_view name, std::int64_t otherwise,
                                  std::int64_t low, std::int64_t high) {
  auto const question = uri.find('?');
  auto const text =
      question == std::string_view::npos ? std::nullopt : http::query_value(uri.substr(question + 1), name);
  if (!text) return otherwise;
  std::int64_t value = 0;
  auto const [end, failed] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (failed != std::errc() || end != text->data() + text->size() || value < low || value > high) {
    return invalid(uri, std::string(name) + " from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return value;
}

/// Where a kernel and a kubelet put what no model is: processes, devices, tokens. /dev/shm is memory that
/// people do keep files in.
constexpr std::string_view kReserved[] = {"/proc",
                                          "/sys",
                                          "/dev",
                                          "/run/secrets",
                                          "/var/run/secrets",
                                          "/run/elastic-inference",
                                          "/var/run/elastic-inference"};

bool is_below(std::string_view path, std::string_view folder) {
  return path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

}  // namespace

Result<void> check_file(std::filesystem::path const& path) {
  namespace fs = std::filesystem;
  std::error_code wrong;
  auto const real = fs::canonical(path, wrong);
  if (wrong == std::errc::no_such_file_or_directory)
    return make_error(ErrorKind::NotFound, path.string() + ": cannot be opened: " + wrong.message());
  if (wrong) return make_error(ErrorKind::Io, path.string() + ": " + wrong.message());
  bool const reserved = std::any_of(std::begin(kReserved), std::end(kReserved),
                                    [&](auto folder) { return is_below(real.native(), folder); });
  if ((reserved && !is_below(real.native(), "/dev/shm")) || !fs::is_regular_file(real, wrong)) {
    return make_error(ErrorKind::Forbidden, path.string() + ": is no file of weights or labels" +
                                                (reserved ? ": it belongs to the system" : ""));
  }
  return {};
}

Result<std::string> with_query(std::string_view url, std::string_view file_text) {
  if (!url.starts_with("https://") || url.find_first_of("?#") != std::string_view::npos)
    return invalid(url, "https:// without a query or fragment, as the file holds the query");
  if (file_text.ends_with('\n')) file_text.remove_suffix(1);
  if (file_text.ends_with('\r')) file_text.remove_suffix(1);
  if (file_text.starts_with('?')) file_text.remove_prefix(1);
  bool const fine = !file_text.empty() && std::all_of(file_text.begin(), file_text.end(),
                                                      [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
  if (!fine) {
    return make_error(ErrorKind::Invalid,
                      "what the file holds is no query: allowed is one line of ASCII without blanks and '#'");
  }
  return std::string(url) + "?" + std::string(file_text);
}

Result<ModelSource> parse_model_uri(std::string_view uri) {
  if (uri == "builtin://shapes") return ModelSource{FromShapes{}};
  if (uri.substr(0, uri.find('?')) == "builtin://random") {
    constexpr std::int64_t kMaxSeed = 1'000'000'000;
    constexpr std::int64_t kMaxClasses = 65'536;  // the worker link's own limit
    auto const seed = query_number(uri, "seed", 1, 0, kMaxSeed);
    if (!seed) return seed.error();
    auto const classes = query_number(uri, "classes", 10, 1, kMaxClasses);
    if (!classes) return classes.error();
    return ModelSource{FromRandom{static_cast<std::uint64_t>(*seed), *classes}};
  }
  auto const place = parse_place(uri);
  if (!place) return place.error();
  if (!*place)
    return invalid(uri, "https://…, file:///…, a path, builtin://shapes (and builtin://random for tests)");
  return std::visit([](auto const& given) { return ModelSource{given}; }, **place);
}

Result<LabelSource> parse_label_uri(std::string_view uri) {
  if (uri == "builtin://shapes") return LabelSource{FromShapes{}};
  if (uri == "builtin://imagenet") return LabelSource{FromImagenet{}};
  auto const place = parse_place(uri);
  if (!place) return place.error();
  if (!*place) return invalid(uri, "https://…, file:///…, a path, builtin://imagenet, builtin://shapes");
  return std::visit([](auto const& given) { return LabelSource{given}; }, **place);
}

}  // namespace ei::inference
