// The content codings gzip and deflate (RFC 9110, section 8.4.1), decoded piece by piece under limits. Pure.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/core/result.hpp"

namespace ei::compression {

enum class Coding {
  Gzip,     ///< RFC 1952, one member or several
  Deflate,  ///< RFC 1950 (zlib), or bare RFC 1951 as many clients send it by mistake
};

struct InflateLimits {
  std::size_t max_bytes = 0;  ///< decoded
  /// Decoded bytes per encoded one, beyond `free_bytes`. Deflate gives 1,032 at most; text and tensors of
  /// real data stay under 30.
  std::size_t max_ratio = 100;
  /// As much is decoded at any ratio: six tensors of zeros, with which people try a service, in some 3 ms.
  std::size_t free_bytes = std::size_t{4} << 20;
  /// bgzip makes one member of every 64 KiB: 16 MiB are 256.
  std::size_t max_members = 1024;
};

/// Decodes one body.
class Inflater {
 public:
  Inflater(Coding coding, InflateLimits const& limits);
  ~Inflater();
  Inflater(Inflater&&) noexcept;
  Inflater& operator=(Inflater&&) noexcept;

  /// Takes the next bytes. Errors: Invalid with http_status 400 (broken, or bytes after the end) or 413 (over
  /// a limit); after one the inflater is of no more use.
  [[nodiscard]] Result<void> feed(std::string_view bytes);
  /// The whole, after the last bytes. Errors: 400 where they do not end it.
  [[nodiscard]] Result<std::string> finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ei::compression
