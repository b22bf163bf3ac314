#include "dispatcher/credential/token.hpp"

#include <cjose/cjose.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "runtime/core/json.hpp"

namespace ei::dispatcher {
namespace {

namespace json = boost::json;

struct ReleaseKey {
  void operator()(cjose_jwk_t* key) const { cjose_jwk_release(key); }
};
struct ReleaseSignature {
  void operator()(cjose_jws_t* signature) const { cjose_jws_release(signature); }
};
using Signature = std::unique_ptr<cjose_jws_t, ReleaseSignature>;

struct Key {
  std::string algorithm;
  std::shared_ptr<cjose_jwk_t> key;
};

/// 2,048 bits are 256 bytes, which are 342 characters of base64url.
constexpr std::size_t kFewestModulusCharacters = 342;

struct Curve {
  std::string_view name;
  std::string_view algorithm;
};
constexpr std::array<Curve, 3> kCurves{{{"P-256", "ES256"}, {"P-384", "ES384"}, {"P-521", "ES512"}}};

/// The one algorithm that a key is for; empty where it is not for signatures that are taken here. The key and
/// not the token says which: so no token can have a public key taken for an HMAC's secret.
std::string_view algorithm_of(json::value const& key) {
  auto const use = string_or(key, "use", "sig");
  if (use != "sig") return {};
  std::string_view algorithm;
  auto const type = string_or(key, "kty");
  if (type == "RSA" && string_or(key, "n").size() >= kFewestModulusCharacters) algorithm = "RS256";
  if (type == "EC") {
    for (auto const& curve : kCurves) {
      if (string_or(key, "crv") == curve.name) algorithm = curve.algorithm;
    }
  }
  auto const said = string_or(key, "alg", algorithm);
  return said == algorithm ? algorithm : std::string_view();
}

Error refused(std::string reason) {
  return make_error(ErrorKind::Unauthorized, "the token " + std::move(reason));
}

/// Three parts of base64url, so that what is parsed has neither blanks nor NULs.
bool has_form(std::string_view token) {
  auto const fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return std::count(token.begin(), token.end(), '.') == 2 && std::all_of(token.begin(), token.end(), fits);
}

bool names_audience(json::value const* claim, std::string_view audience) {
  if (claim == nullptr) return false;
  auto const is_it = [&](json::value const& each) {
    return each.is_string() && each.as_string() == audience;
  };
  if (is_it(*claim)) return true;
  return claim->is_array() && std::any_of(claim->as_array().begin(), claim->as_array().end(), is_it);
}

/// Seconds since 1970; empty where the claim is missing or no number.
std::optional<double> time_claim(json::value const& claims, std::string_view name) {
  auto const* claim = find_member(claims, name);
  if (claim == nullptr || !claim->is_number()) return std::nullopt;
  double const value = claim->to_number<double>();
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

Result<void> check_times(json::value const& claims, std::int64_t now) {
  auto const time = static_cast<double>(now);
  constexpr auto kLeeway = static_cast<double>(kClockLeewaySeconds);
  auto const expiry = time_claim(claims, "exp");
  if (!expiry) return refused("has no time of expiry");
  if (time > *expiry + kLeeway) return refused("has expired");
  if (find_member(claims, "nbf") != nullptr) {
    auto const begin = time_claim(claims, "nbf");
    if (!begin) return refused("has a time of beginning that is no number");
    if (time < *begin - kLeeway) return refused("is not valid yet");
  }
  return boost::system::in_place_value;
}

bool names_subject(std::vector<std::string> const& patterns, std::string_view subject) {
  return std::any_of(patterns.begin(), patterns.end(), [&](std::string_view pattern) {
    return pattern.ends_with('*') ? subject.starts_with(pattern.substr(0, pattern.size() - 1))
                                  : subject == pattern;
  });
}

std::string listed(std::vector<std::string> const& words) {
  std::string text;
  for (auto const& word : words) text += (text.empty() ? "" : " or ") + word;
  return text;
}

Result<TokenHolder> check_claims(json::value const& claims, std::string const& issuer,
                                 ExpectedClaims const& expected, std::int64_t now) {
  if (!claims.is_object()) return refused("has claims that are no object");
  if (string_or(claims, "iss") != issuer) return refused("is of another issuer");
  if (!names_audience(find_member(claims, "aud"), expected.audience))
    return refused("is not for the audience " + expected.audience);
  if (auto const times = check_times(claims, now); !times) return times.error();
  auto const subject = string_or(claims, "sub");
  if (!names_subject(expected.subjects, subject)) return refused("is not of " + listed(expected.subjects));
  TokenHolder holder{std::string(subject), {}};
  auto const& object = claims.as_object();
  if (auto const* about = object.if_contains("kubernetes.io"))
    holder.pod = std::string(string_or(*about, "pod.name"));
  // One that was asked for by hand outlives whatever it was asked for; one of a pod ends with it.
  if (holder.pod.empty()) return refused("was not issued to a pod");
  return holder;
}

}  // namespace

struct TrustedKeys::State {
  std::string issuer;
  std::map<std::string, Key, std::less<>> keys;  ///< by `kid`
};

std::string const& TrustedKeys::issuer() const {
  return state_->issuer;
}

std::size_t TrustedKeys::size() const {
  return state_->keys.size();
}

Result<TrustedKeys> TrustedKeys::parse(std::string_view document) {
  if (document.size() > kMaxKeysBytes)
    return make_error(ErrorKind::Invalid, "has more than " + std::to_string(kMaxKeysBytes) + " bytes");
  auto const value = parse_json(document);
  if (!value) return value.error();
  auto state = std::make_shared<State>();
  state->issuer = std::string(string_or(*value, "issuer"));
  if (state->issuer.empty()) return make_error(ErrorKind::Invalid, "names no issuer");
  auto const* keys = find_member(*value, "keys");
  if (keys == nullptr || !keys->is_array()) return make_error(ErrorKind::Invalid, "has no list of keys");
  if (keys->as_array().size() > kMaxKeys)
    return make_error(ErrorKind::Invalid, "has more than " + std::to_string(kMaxKeys) + " keys");
  for (auto const& each : keys->as_array()) {
    auto const algorithm = algorithm_of(each);
    auto const id = string_or(each, "kid");
    if (algorithm.empty() || id.empty()) continue;
    auto const text = json::serialize(each);
    cjose_err why{};
    std::shared_ptr<cjose_jwk_t> key(cjose_jwk_import(text.data(), text.size(), &why), ReleaseKey());
    if (key) state->keys.insert_or_assign(std::string(id), Key{std::string(algorithm), std::move(key)});
  }
  if (state->keys.empty()) return make_error(ErrorKind::Invalid, "has no key that can be used");
  return TrustedKeys(std::move(state));
}

/// Reaches a TrustedKeys' inside.
class Verifier {
 public:
  static Result<json::value> signed_claims(TrustedKeys const& keys, std::string_view token) {
    if (token.size() > kMaxTokenBytes)
      return refused("has more than " + std::to_string(kMaxTokenBytes) + " bytes");
    if (!has_form(token)) return refused("is no JWT");
    cjose_err why{};
    Signature const signature(cjose_jws_import(token.data(), token.size(), &why));
    if (!signature) return refused("is no JWT");
    auto* const header = cjose_jws_get_protected(signature.get());
    auto const said = [&](char const* name) {
      char const* const text = cjose_header_get(header, name, &why);
      return std::string_view(text == nullptr ? "" : text);
    };
    auto const known = keys.state_->keys.find(said(CJOSE_HDR_KID));
    if (known == keys.state_->keys.end()) return refused("is signed by an unknown key");
    if (said(CJOSE_HDR_ALG) != known->second.algorithm)
      return refused("has another algorithm than its key, which is for " + known->second.algorithm);
    // RFC 7515, 4.1.11: what is critical and not understood makes it invalid.
    if (std::unique_ptr<char, decltype(cjose_get_dealloc())> const critical(
            cjose_header_get_raw(header, "crit", &why), cjose_get_dealloc());
        critical)
      return refused("has a critical header that is not understood");
    if (!cjose_jws_verify(signature.get(), known->second.key.get(), &why))
      return refused("has a wrong signature");
    std::uint8_t* bytes = nullptr;
    std::size_t size = 0;
    if (!cjose_jws_get_plaintext(signature.get(), &bytes, &size, &why)) return refused("has no claims");
    auto claims = parse_json({reinterpret_cast<char const*>(bytes), size});
    if (!claims) return refused("has claims that are no JSON");
    return claims;
  }
};

Result<TokenHolder> verify_token(TrustedKeys const& keys, ExpectedClaims const& expected,
                                 std::string_view token, std::int64_t now) {
  auto const claims = Verifier::signed_claims(keys, token);
  if (!claims) return claims.error();
  return check_claims(*claims, keys.issuer(), expected, now);
}

}  // namespace ei::dispatcher
