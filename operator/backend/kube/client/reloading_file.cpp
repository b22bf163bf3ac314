#include "operator/backend/kube/client/reloading_file.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <limits>
#include <memory>
#include <utility>

#include "runtime/process/files.hpp"

namespace ei::kube {
namespace {

constexpr std::chrono::seconds kReloadPeriod{30};
// A CA bundle of every public root is about 220 KiB.
constexpr std::size_t kMostBytes = 4U * 1024U * 1024U;

}  // namespace

ReloadingFile::ReloadingFile(PemSource source, Acceptable acceptable, Reader reader)
    : source_(std::move(source)), acceptable_(std::move(acceptable)), reader_(std::move(reader)) {}

Result<std::string> ReloadingFile::read(SteadyTime now) {
  if (source_.path.empty()) return source_.text;
  if (now < next_) return text_;
  next_ = now + kReloadPeriod;
  auto fresh = reader_(source_.path);
  if (fresh && acceptable_(*fresh)) {
    text_ = std::move(*fresh);
  } else if (text_.empty()) {
    next_ = SteadyTime::min();
    if (!fresh) return fresh.error();
    return make_error(ErrorKind::Invalid, source_.path.string() + " holds nothing that can be used");
  }
  return text_;
}

Result<std::string> read_credential(std::filesystem::path const& path) {
  return process::read_file(path, kMostBytes);
}

bool holds_certificates(std::string_view pem) {
  if (pem.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) return false;
  std::unique_ptr<BIO, decltype(&BIO_free)> const source(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  int certificates = 0;
  while (X509* certificate = PEM_read_bio_X509(source.get(), nullptr, nullptr, nullptr)) {
    ::X509_free(certificate);
    ++certificates;
  }
  // Reading past the last one ends with "no start line"; anything else is a broken one.
  auto const last = ERR_peek_last_error();
  bool const clean = ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  return certificates > 0 && clean;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  auto const first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace ei::kube
