#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace ei::crypto {

/// Incremental SHA-256 (OpenSSL EVP).
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::string_view bytes);

  /// The digest of all updates as 64 lower-case hexadecimal characters. Call once.
  [[nodiscard]] std::string finish_hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// SHA-256 of `bytes` as 64 lower-case hexadecimal characters.
[[nodiscard]] std::string sha256_hex(std::string_view bytes);

/// `bytes` random bytes from the operating system's generator, in hexadecimal (2 × `bytes` characters).
[[nodiscard]] std::string random_hex(std::size_t bytes);

/// Compares secrets in a time that depends on the lengths only.
[[nodiscard]] bool equal_secrets(std::string_view left, std::string_view right);

}  // namespace ei::crypto
