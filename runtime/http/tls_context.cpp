#include "runtime/http/tls_context.hpp"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address.hpp>

namespace ei::http {
namespace {

using asio::ssl::context;

Error unusable(std::string const& part, boost::system::error_code const& code) {
  return make_error(ErrorKind::Invalid, "the TLS " + part + " is unusable: " + code.message());
}

// Nobody sits at the terminal on which OpenSSL would ask.
int no_password(char*, int, int, void*) {
  return 0;
}

}  // namespace

Result<void> use_identity(context& tls, std::string const& certificate, std::string const& key) {
  boost::system::error_code code;
  SSL_CTX_set_default_passwd_cb(tls.native_handle(), no_password);
  tls.use_certificate_chain(asio::buffer(certificate), code);
  if (code) return unusable("certificate", code);
  tls.use_private_key(asio::buffer(key), context::pem, code);
  if (code) return unusable("private key", code);
  return boost::system::in_place_value;
}

Result<std::shared_ptr<context>> make_client_context(TlsClientOptions const& options) {
  auto tls = std::make_shared<context>(context::tls_client);
  SSL_CTX_set_min_proto_version(tls->native_handle(), TLS1_2_VERSION);
  boost::system::error_code code;
  if (options.ca_pem.empty()) {
    tls->set_default_verify_paths(code);
  } else {
    tls->add_certificate_authority(asio::buffer(options.ca_pem), code);
  }
  if (code) return unusable("certificate authority", code);
  if (!options.client_cert_pem.empty()) {
    auto used = use_identity(*tls, options.client_cert_pem, options.client_key_pem);
    if (!used) return used.error();
  }
  tls->set_verify_mode(options.verify ? asio::ssl::verify_peer : asio::ssl::verify_none);
  return tls;
}

Result<void> expect_server(TlsStream& stream, std::string const& name_or_address, bool verify) {
  boost::system::error_code code;
  auto const address = asio::ip::make_address(name_or_address, code);
  bool const is_address = !code;
  SSL* const ssl = stream.native_handle();
  bool ok = true;
  if (!is_address) ok = SSL_set_tlsext_host_name(ssl, name_or_address.c_str()) == 1;
  if (verify) {
    X509_VERIFY_PARAM* const param = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    ok = ok && (is_address ? X509_VERIFY_PARAM_set1_ip_asc(param, address.to_string().c_str())
                           : X509_VERIFY_PARAM_set1_host(param, name_or_address.c_str(), 0)) == 1;
  }
  if (!ok) return make_error(ErrorKind::Invalid, "\"" + name_or_address + "\" is no name TLS can verify");
  return boost::system::in_place_value;
}

std::string verify_failure(TlsStream& stream) {
  long const verdict = SSL_get_verify_result(stream.native_handle());
  return verdict == X509_V_OK ? "" : X509_verify_cert_error_string(verdict);
}

}  // namespace ei::http
