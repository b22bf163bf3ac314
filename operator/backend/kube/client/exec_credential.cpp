#include "operator/backend/kube/client/exec_credential.hpp"

#include "runtime/core/encoding.hpp"
#include "runtime/core/json.hpp"

namespace ei::kube {

Result<ExecCredential> parse_exec_credential(std::string_view output, std::string_view api_version) {
  auto const parsed = parse_json(output);
  if (!parsed) return make_error(ErrorKind::Protocol, "the output is not JSON");
  if (string_or(*parsed, "kind") != "ExecCredential" || string_or(*parsed, "apiVersion") != api_version) {
    return make_error(ErrorKind::Protocol, "the output is no ExecCredential of " + std::string(api_version));
  }
  ExecCredential credential;
  credential.token = string_or(*parsed, "status.token");
  credential.client_certificate_pem = string_or(*parsed, "status.clientCertificateData");
  credential.client_key_pem = string_or(*parsed, "status.clientKeyData");
  if (credential.client_certificate_pem.empty() != credential.client_key_pem.empty()) {
    return make_error(ErrorKind::Protocol, "clientCertificateData and clientKeyData must come together");
  }
  if (credential.token.empty() && credential.client_key_pem.empty()) {
    return make_error(ErrorKind::Protocol, "the output has neither a token nor a certificate");
  }
  if (auto const text = string_or(*parsed, "status.expirationTimestamp"); !text.empty()) {
    auto const expires = parse_rfc3339(text);
    if (!expires) return make_error(ErrorKind::Protocol, "expirationTimestamp is not RFC 3339");
    credential.expires = *expires;
  }
  return credential;
}

std::string exec_info(ExecPlugin const& plugin, Access const& access, std::string_view ca_pem) {
  boost::json::object spec{{"interactive", false}};
  if (plugin.provide_cluster_info) {
    boost::json::object cluster{{"server", access.server}};
    if (!access.tls_server_name.empty()) cluster["tls-server-name"] = access.tls_server_name;
    if (access.insecure_skip_tls_verify) cluster["insecure-skip-tls-verify"] = true;
    if (!ca_pem.empty()) cluster["certificate-authority-data"] = base64_encode(ca_pem);
    spec["cluster"] = std::move(cluster);
  }
  return boost::json::serialize(boost::json::object{
      {"apiVersion", plugin.api_version}, {"kind", "ExecCredential"}, {"spec", std::move(spec)}});
}

}  // namespace ei::kube
