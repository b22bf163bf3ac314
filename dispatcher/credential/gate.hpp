// Who may open a worker link.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "dispatcher/credential/token.hpp"
#include "runtime/process/watched_file.hpp"

namespace ei::dispatcher {

struct GateOptions {
  /// A token that workers show as it is; empty: none.
  std::filesystem::path token_file;
  /// One that is taken too as long as the file exists; empty: none.
  std::filesystem::path former_token_file;
  /// Public keys (see TrustedKeys); empty: signed tokens are not taken.
  std::filesystem::path keys_file;
  ExpectedClaims expected;

  [[nodiscard]] bool open() const { return token_file.empty() && keys_file.empty(); }
};

/// Judges `Authorization: Bearer …` of those who want a worker link. Its files may be replaced at any time:
/// they are looked at again for every link. What cannot be used leaves in force what was read before, but a
/// shared token's file: where that is gone, so is the token. One thread.
class LinkGate {
 public:
  /// Errors: NotFound, Io, Invalid, Protocol: a file that cannot be used now.
  [[nodiscard]] static Result<LinkGate> make(GateOptions options);

  /// Who is let in, for the log. Errors: Unauthorized, with the reason.
  [[nodiscard]] Result<std::string> admit(std::optional<std::string_view> authorization);

 private:
  explicit LinkGate(GateOptions options);
  [[nodiscard]] Result<void> refresh_keys();

  GateOptions options_;
  process::WatchedFile keys_file_;
  std::optional<TrustedKeys> keys_;
};

}  // namespace ei::dispatcher
