#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

namespace ei::test {

using Key = std::shared_ptr<EVP_PKEY>;
using Certificate = std::shared_ptr<X509>;

struct Identity {
  Key key;
  Certificate certificate;

  template <class Write>
  static std::string pem(Write write) {
    std::unique_ptr<BIO, decltype(&BIO_free)> const out(BIO_new(BIO_s_mem()), &BIO_free);
    write(out.get());
    char* data = nullptr;
    long const size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(size)};
  }
  [[nodiscard]] std::string certificate_pem() const {
    return pem([this](BIO* out) { PEM_write_bio_X509(out, certificate.get()); });
  }
  [[nodiscard]] std::string key_pem() const {
    return pem([this](BIO* out) {
      PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }
  [[nodiscard]] std::string encrypted_key_pem() const {
    return pem([this](BIO* out) {
      std::string password = "secret";
      PEM_write_bio_PrivateKey(out, key.get(), EVP_aes_128_cbc(),
                               reinterpret_cast<unsigned char const*>(password.data()),
                               static_cast<int>(password.size()), nullptr, nullptr);
    });
  }
};

inline void extend(X509* certificate, X509* issuer, int kind, char const* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

/// A fresh identity that ends in `seconds`; without an issuer it is an authority of its own.
inline Identity make_identity(std::string const& name, std::string const& alternative_names,
                              Identity const* issuer, long seconds = 3600) {
  Identity out;
  out.key = Key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  out.certificate = Certificate(X509_new(), &X509_free);
  X509* const certificate = out.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), issuer != nullptr ? 2 : 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -7200);
  X509_gmtime_adj(X509_getm_notAfter(certificate), seconds);
  X509_set_pubkey(certificate, out.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<unsigned char const*>(name.c_str()), -1, -1, 0);
  X509* const signer = issuer != nullptr ? issuer->certificate.get() : certificate;
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));
  if (issuer == nullptr) extend(certificate, signer, NID_basic_constraints, "critical,CA:TRUE");
  if (!alternative_names.empty())
    extend(certificate, signer, NID_subject_alt_name, alternative_names.c_str());
  X509_sign(certificate, issuer != nullptr ? issuer->key.get() : out.key.get(), EVP_sha256());
  return out;
}

}  // namespace ei::test
