#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "inference/fetch/reach.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"
#include "runtime/http/tls.hpp"
#include "runtime/http/url.hpp"

namespace ei::inference {
namespace asio = boost::asio;

struct FetchOptions {
  std::filesystem::path cache_dir;
  std::string sha256;  ///< 64 lower-case hexadecimal digits; empty: not checked, not reused
  std::uint64_t max_bytes = 1'000'000'000;  ///< ResNet18 in float64 is 94 MB; anything near this is a mistake
  std::uint64_t max_cache_bytes = 2'000'000'000;   ///< of all downloads together: a pod's cache is 2 GiB
  milliseconds stall_timeout{30'000};              ///< silence after which a transfer counts as broken
  milliseconds deadline{600'000};                  ///< for everything, repeats included
  std::optional<http::TlsClientOptions> tls = {};  ///< none: the system's roots
  Reach reach = {};
};

/// Downloads over https into the cache and returns the file's path.
///
/// With a digest the file is kept as `<digest>`, found there the next time without any network, and never
/// stored unless its bytes match. A broken transfer is resumed where it stopped (Range), also by a later
/// process, after a back-off of 0.5 s to 15 s; several processes with one cache download once. The file
/// appears whole or not at all. Without a digest every start downloads anew. Every URL on the way, redirects
/// included, and every address that is connected to must be within `reach`. The bytes are taken as they are
/// (a Content-Encoding is refused), and older downloads leave the cache where there is no room. Errors:
/// Invalid (scheme, digest differs, too large), Forbidden (out of reach), the status's own kind for an HTTP
/// error that a repeat cannot mend (4xx), Unavailable and the like when not one byte has come in five seconds
/// of trying, Timeout (deadline), Io (cache folder, no room).
[[nodiscard]] asio::awaitable<Result<std::filesystem::path>> fetch(asio::any_io_executor executor,
                                                                   http::Url url, FetchOptions options);

/// The digest of a file's bytes. Errors: NotFound, Io.
[[nodiscard]] Result<std::string> sha256_of_file(std::filesystem::path const& path);

}  // namespace ei::inference
