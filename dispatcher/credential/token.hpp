// Service account tokens (JWT, RFC 7519) and the keys that their signatures are checked against.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.hpp"

namespace ei::dispatcher {

/// A token of a cluster is 1 to 1.5 KiB; with the longest names and an RSA key of 4,096 bits it is 4 KiB. It
/// has to fit a request's header.
inline constexpr std::size_t kMaxTokenBytes = 6144;

/// A document of public keys: a cluster has one or two keys of some 400 bytes each.
inline constexpr std::size_t kMaxKeysBytes = 256 * 1024;
inline constexpr std::size_t kMaxKeys = 64;

/// Clocks of two nodes may differ by this much; NTP holds them within milliseconds.
inline constexpr std::int64_t kClockLeewaySeconds = 60;

/// Public keys of one issuer. Values are cheap to copy and can be shared.
class TrustedKeys {
 public:
  /// `{"issuer": URL, "keys": [JWK …]}` (RFC 7517). RSA keys of 2,048 bits or more (RS256) and EC keys on
  /// P-256, P-384 and P-521 (ES256, ES384, ES512) are kept; keys of another kind, or for another use, are
  /// left out. Errors: Invalid, also where no key is left.
  [[nodiscard]] static Result<TrustedKeys> parse(std::string_view document);

  [[nodiscard]] std::string const& issuer() const;
  [[nodiscard]] std::size_t size() const;

 private:
  friend class Verifier;
  struct State;
  explicit TrustedKeys(std::shared_ptr<State const> state) : state_(std::move(state)) {}
  std::shared_ptr<State const> state_;
};

/// What a token must say to be let in.
struct ExpectedClaims {
  std::string audience;  ///< one of the token's audiences
  /// One of these: `system:serviceaccount:NAMESPACE:NAME`, or the beginning of such and a `*`.
  std::vector<std::string> subjects;
};

/// Who shows a token.
struct TokenHolder {
  std::string subject;
  std::string pod;  ///< the pod that the token was issued to
};

/// Checks form, signature, issuer, audience, subject, times and that the token was issued to a pod.
/// `now` in seconds since 1970. Errors: Unauthorized, with a reason that quotes nothing secret.
[[nodiscard]] Result<TokenHolder> verify_token(TrustedKeys const& keys, ExpectedClaims const& expected,
                                               std::string_view token, std::int64_t now);

}  // namespace ei::dispatcher
