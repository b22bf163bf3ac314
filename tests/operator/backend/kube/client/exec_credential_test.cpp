#include "operator/backend/kube/client/exec_credential.hpp"

#include "runtime/core/json.hpp"

#include <catch2/catch.hpp>

using namespace ei::kube;

namespace {
constexpr std::string_view kV1 = "client.authentication.k8s.io/v1";
}

TEST_CASE("an ExecCredential gives token, certificate and expiry") {
  auto const credential = parse_exec_credential(
      R"({"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t",
          "clientCertificateData":"c","clientKeyData":"k","expirationTimestamp":"2026-01-02T03:04:05Z"}})",
      kV1);
  REQUIRE(credential.has_value());
  CHECK(credential->token == "t");
  CHECK(credential->client_certificate_pem == "c");
  CHECK(credential->client_key_pem == "k");
  CHECK(credential->expires == ei::parse_rfc3339("2026-01-02T03:04:05Z").value());
}

TEST_CASE("faulty credentials are refused without repeating a secret") {
  for (
      auto const* output :
      {"s3cret", R"({"kind":"ExecCredential","apiVersion":"other/v1","status":{"token":"s3cret"}})",
       R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{}})",
       R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"clientKeyData":"s3cret"}})",
       R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"s3cret","expirationTimestamp":"s3cret"}})"}) {
    auto const credential = parse_exec_credential(output, kV1);
    REQUIRE_FALSE(credential.has_value());
    CHECK(credential.error().message.find("s3cret") == std::string::npos);
  }
}

TEST_CASE("a plugin hears of the cluster only when it asks") {
  Access access;
  access.server = "https://example:6443";
  ExecPlugin plugin;
  plugin.api_version = kV1;
  auto const shy = ei::parse_json(exec_info(plugin, access, "PEM")).value();
  CHECK(ei::find_member(shy, "spec.cluster") == nullptr);
  CHECK(ei::find_member(shy, "spec.interactive")->as_bool() == false);
  plugin.provide_cluster_info = true;
  auto const open = ei::parse_json(exec_info(plugin, access, "PEM")).value();
  CHECK(ei::string_or(open, "spec.cluster.server") == "https://example:6443");
  CHECK(ei::string_or(open, "spec.cluster.certificate-authority-data") == "UEVN");
}
