#include "dispatcher/credential/token.hpp"

#include <cjose/cjose.h>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "runtime/core/json.hpp"

using namespace ei::dispatcher;
namespace json = boost::json;

namespace {

constexpr std::int64_t kNow = 1'800'000'000;
constexpr char const* kIssuer = "https://kubernetes.default.svc";
ExpectedClaims const kExpected{"link/vision/resnet18", {"system:serviceaccount:vision:default"}};

/// A private key with its id.
struct Signer {
  std::shared_ptr<cjose_jwk_t> key;
  std::string id;

  Signer(cjose_jwk_t* made, std::string name) : key(made, cjose_jwk_release), id(std::move(name)) {
    cjose_err why{};
    REQUIRE(cjose_jwk_set_kid(key.get(), id.c_str(), id.size(), &why));
  }
  static Signer rsa(std::string name, std::size_t bits = 2048) {
    constexpr std::uint8_t kExponent[] = {1, 0, 1};
    cjose_err why{};
    return {cjose_jwk_create_RSA_random(bits, kExponent, sizeof(kExponent), &why), std::move(name)};
  }
  static Signer ec(std::string name, cjose_jwk_ec_curve curve) {
    cjose_err why{};
    return {cjose_jwk_create_EC_random(curve, &why), std::move(name)};
  }

  json::object public_jwk() const {
    cjose_err why{};
    std::unique_ptr<char, decltype(&std::free)> const text(cjose_jwk_to_json(key.get(), false, &why),
                                                           &std::free);
    return ei::parse_json(text.get())->as_object();
  }

  std::string sign(json::value const& claims, char const* algorithm) const {
    cjose_err why{};
    std::unique_ptr<cjose_header_t, decltype(&cjose_header_release)> const header(cjose_header_new(&why),
                                                                                  &cjose_header_release);
    cjose_header_set(header.get(), CJOSE_HDR_ALG, algorithm, &why);
    cjose_header_set(header.get(), CJOSE_HDR_KID, id.c_str(), &why);
    auto const text = json::serialize(claims);
    std::unique_ptr<cjose_jws_t, decltype(&cjose_jws_release)> const made(
        cjose_jws_sign(key.get(), header.get(), reinterpret_cast<std::uint8_t const*>(text.data()),
                       text.size(), &why),
        &cjose_jws_release);
    INFO(why.message);
    REQUIRE(made);
    char const* compact = nullptr;
    REQUIRE(cjose_jws_export(made.get(), &compact, &why));
    return compact;
  }
};

json::object claims() {
  json::object about{{"namespace", "vision"}, {"pod", json::object{{"name", "resnet18-worker-1"}}}};
  return {{"iss", kIssuer},
          {"aud", json::array{"else", kExpected.audience}},
          {"sub", kExpected.subjects.front()},
          {"exp", kNow + 600},
          {"nbf", kNow},
          {"iat", kNow},
          {"kubernetes.io", std::move(about)}};
}

std::string document(json::array keys) {
  return json::serialize(json::object{{"issuer", kIssuer}, {"keys", std::move(keys)}});
}

TrustedKeys trusted(std::initializer_list<Signer const*> signers) {
  json::array keys;
  for (auto const* signer : signers) keys.push_back(signer->public_jwk());
  return *TrustedKeys::parse(document(std::move(keys)));
}

std::string reason(ei::Result<TokenHolder> const& result) {
  if (result) return "let in";
  CHECK(result.error().kind == ei::ErrorKind::Unauthorized);
  return result.error().message;
}

Signer const& first() {
  static Signer const signer = Signer::rsa("first");
  return signer;
}

}  // namespace

TEST_CASE("a token of each algorithm that a cluster may sign with is let in") {
  auto const p256 = Signer::ec("p256", CJOSE_JWK_EC_P_256);
  auto const p384 = Signer::ec("p384", CJOSE_JWK_EC_P_384);
  auto const p521 = Signer::ec("p521", CJOSE_JWK_EC_P_521);
  auto const keys = trusted({&first(), &p256, &p384, &p521});
  CHECK(keys.size() == 4);
  CHECK(reason(verify_token(keys, kExpected, first().sign(claims(), "RS256"), kNow)) == "let in");
  CHECK(reason(verify_token(keys, kExpected, p256.sign(claims(), "ES256"), kNow)) == "let in");
  CHECK(reason(verify_token(keys, kExpected, p384.sign(claims(), "ES384"), kNow)) == "let in");
  CHECK(reason(verify_token(keys, kExpected, p521.sign(claims(), "ES512"), kNow)) == "let in");
  CHECK(verify_token(keys, kExpected, p256.sign(claims(), "ES256"), kNow)->pod == "resnet18-worker-1");
}

TEST_CASE("while the signing key is changed, tokens of both keys are let in") {
  auto const second = Signer::rsa("second");
  auto const both = trusted({&first(), &second});
  CHECK(reason(verify_token(both, kExpected, first().sign(claims(), "RS256"), kNow)) == "let in");
  CHECK(reason(verify_token(both, kExpected, second.sign(claims(), "RS256"), kNow)) == "let in");
  auto const after = trusted({&second});
  CHECK(reason(verify_token(after, kExpected, first().sign(claims(), "RS256"), kNow)) ==
        "the token is signed by an unknown key");
}

TEST_CASE("a token may be of each of several accounts, or of those whose names begin alike") {
  auto const keys = trusted({&first()});
  ExpectedClaims const expected{
      kExpected.audience, {"system:serviceaccount:vision:default", "system:serviceaccount:vision:team-*"}};
  auto const of = [&](char const* subject) {
    auto said = claims();
    said["sub"] = subject;
    return verify_token(keys, expected, first().sign(said, "RS256"), kNow);
  };
  CHECK(reason(of("system:serviceaccount:vision:default")) == "let in");
  CHECK(reason(of("system:serviceaccount:vision:team-a")) == "let in");
  CHECK(of("system:serviceaccount:vision:team-a")->subject == "system:serviceaccount:vision:team-a");
  for (auto const* other : {"system:serviceaccount:vision:tea", "system:serviceaccount:audio:team-a", ""})
    CHECK_THAT(reason(of(other)),
               Catch::StartsWith("the token is not of system:serviceaccount:vision:default or "));
}

TEST_CASE("a token counts from its beginning to its end, each widened by what clocks may differ") {
  auto const keys = trusted({&first()});
  auto const token = first().sign(claims(), "RS256");
  auto const at = [&](std::int64_t now) { return reason(verify_token(keys, kExpected, token, now)); };
  CHECK(at(kNow - 60) == "let in");
  CHECK(at(kNow - 61) == "the token is not valid yet");
  CHECK(at(kNow + 660) == "let in");
  CHECK(at(kNow + 661) == "the token has expired");
}

TEST_CASE("a token that says something else, or nothing, is refused with the reason") {
  struct Row {
    char const* claim;
    json::value value;  ///< null: the claim is left out
    char const* words;
  };
  auto const keys = trusted({&first()});
  for (auto const& row : {
           Row{"iss", "https://elsewhere", "is of another issuer"},
           Row{"iss", nullptr, "is of another issuer"},
           Row{"aud", "link/vision/resnet18/x", "is not for the audience link/vision/resnet18"},
           Row{"aud", json::array{}, "is not for the audience"},
           Row{"aud", json::array{1, json::object{}}, "is not for the audience"},
           Row{"aud", nullptr, "is not for the audience"},
           Row{"sub", "system:serviceaccount:other:default",
               "is not of system:serviceaccount:vision:default"},
           Row{"sub", "system:serviceaccount:vision:builder", "is not of"},
           Row{"exp", nullptr, "has no time of expiry"},
           Row{"exp", "never", "has no time of expiry"},
           Row{"exp", kNow - 3600, "has expired"},
           Row{"nbf", kNow + 3600, "is not valid yet"},
           Row{"nbf", "soon", "has a time of beginning that is no number"},
           Row{"kubernetes.io", nullptr, "was not issued to a pod"},
           Row{"kubernetes.io", json::object{{"namespace", "vision"}}, "was not issued to a pod"},
       }) {
    auto changed = claims();
    changed.erase(row.claim);
    if (!row.value.is_null()) changed[row.claim] = row.value;
    INFO(row.claim << " = " << row.value);
    CHECK_THAT(reason(verify_token(keys, kExpected, first().sign(changed, "RS256"), kNow)),
               Catch::Contains(row.words));
  }
  auto alone = claims();
  alone["aud"] = kExpected.audience;
  alone.erase("nbf");
  CHECK(reason(verify_token(keys, kExpected, first().sign(alone, "RS256"), kNow)) == "let in");
}

TEST_CASE("a token is refused whose algorithm is not its key's") {
  auto const keys = trusted({&first()});
  CHECK_THAT(reason(verify_token(keys, kExpected, first().sign(claims(), "RS512"), kNow)),
             Catch::Contains("another algorithm than its key, which is for RS256"));
  CHECK_THAT(reason(verify_token(keys, kExpected, first().sign(claims(), "PS256"), kNow)),
             Catch::Contains("another algorithm"));
}

TEST_CASE("a token that was changed anywhere is refused") {
  auto const keys = trusted({&first()});
  auto const token = first().sign(claims(), "RS256");
  REQUIRE(reason(verify_token(keys, kExpected, token, kNow)) == "let in");
  for (std::size_t i = 0; i + 1 < token.size(); ++i) {
    if (token[i] == '.') continue;
    auto changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    INFO("at " << i);
    CHECK(reason(verify_token(keys, kExpected, changed, kNow)) != "let in");
  }
  for (std::size_t size = 0; size < token.size(); ++size) {
    CHECK(reason(verify_token(keys, kExpected, token.substr(0, size), kNow)) != "let in");
  }
}

TEST_CASE("what is no token costs little and is refused") {
  auto const keys = trusted({&first()});
  for (std::string const& text :
       {std::string(), std::string("."), std::string(".."), std::string("a.b"), std::string("a.b.c.d.e"),
        std::string("e30.e30.e30"), std::string("bnVsbA.bnVsbA.bnVsbA"), std::string("a b.c.d"),
        std::string("a\0b.c.d", 7), std::string("\xff\xfe.c.d"), std::string(6145, 'a'),
        "." + std::string(6143, '.')}) {
    INFO(text.substr(0, 40));
    CHECK(reason(verify_token(keys, kExpected, text, kNow)) != "let in");
  }
  CHECK(reason(verify_token(keys, kExpected, std::string(6145, 'a'), kNow)) ==
        "the token has more than 6144 bytes");
}

TEST_CASE("of published keys those are kept that are strong and for signatures") {
  auto const good = first().public_jwk();
  auto const with = [&](char const* name, json::value value) {
    auto key = good;
    key[name] = std::move(value);
    return key;
  };
  auto const weak = Signer::rsa("weak", 1024).public_jwk();
  json::object const secret{{"kty", "oct"}, {"kid", "s"}, {"k", "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}};
  for (auto const& bad :
       {weak, secret, with("use", "enc"), with("alg", "HS256"), with("alg", "none"), with("kid", ""),
        with("kid", 7), with("kty", "OKP"), with("n", "!!"), json::object{}}) {
    INFO(json::serialize(bad));
    CHECK_THAT(TrustedKeys::parse(document({bad})).error().message,
               Catch::Contains("no key that can be used"));
    auto const both = TrustedKeys::parse(document({bad, with("kid", "other")}));
    REQUIRE(both.has_value());
    CHECK(both->size() == 1);
  }
  CHECK(TrustedKeys::parse(document({with("alg", "RS256")}))->size() == 1);
}

TEST_CASE("a document that is none is refused with what is wrong") {
  for (auto const& [text, words] : {
           std::pair<std::string, std::string>{"", "JSON"},
           {"[]", "names no issuer"},
           {R"({"keys": []})", "names no issuer"},
           {R"({"issuer": "i"})", "no list of keys"},
           {R"({"issuer": "i", "keys": {}})", "no list of keys"},
           {R"({"issuer": "i", "keys": [1, null, "x"]})", "no key that can be used"},
           {std::string(256 * 1024 + 1, ' '), "more than 262144 bytes"},
       }) {
    INFO(text.substr(0, 60));
    auto const keys = TrustedKeys::parse(text);
    REQUIRE_FALSE(keys.has_value());
    if (words != "JSON") CHECK_THAT(keys.error().message, Catch::Contains(words));
  }
  json::array many;
  for (int i = 0; i < 65; ++i) many.push_back(json::object{});
  CHECK_THAT(TrustedKeys::parse(document(many)).error().message, Catch::Contains("more than 64 keys"));
}
