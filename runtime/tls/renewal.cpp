#include "runtime/tls/renewal.hpp"

#include <chrono>
#include <optional>
#include <utility>

#include "runtime/async/task_group.hpp"
#include "runtime/log/log.hpp"

namespace ei::tls {
namespace {

// A look is three stat(2). A kubelet brings a Secret within a minute or two, so this adds nothing to that;
// and who replaces a file by hand does not wonder.
constexpr milliseconds kPollEvery{2'000};
// What a Secret may hold in all.
constexpr std::size_t kMaxBytes = std::size_t{1} << 20;
// Looks until two in a row find the same: files may be replaced one after the other, or all at once between
// two of our reads.
constexpr int kMaxLooks = 4;

}  // namespace

Renewal::Renewal(Files const& files)
    : certificate_(files.certificate, kMaxBytes),
      key_(files.key, kMaxBytes),
      client_ca_(files.client_ca, kMaxBytes) {}

Result<Renewal> Renewal::make(Files files) {
  Renewal renewal(files);
  auto const read = renewal.read_settled(renewal.found_);
  if (!read) return read.error();
  // What serve() will be given; wrong material is told before anything listens.
  auto const tls = http::ServerTls::make({renewal.found_.certificate, renewal.found_.key, {}});
  if (!tls) return tls.error();
  renewal.in_force_ = renewal.found_;
  renewal.expires_ = (*tls)->expires();
  return renewal;
}

http::TlsServerOptions Renewal::options(Texts const& texts, Served const& served) {
  return {texts.certificate, texts.key, texts.client_ca, served.client_auth, served.protocols};
}

Result<std::shared_ptr<http::ServerTls const>> Renewal::serve(http::ClientAuth client_auth,
                                                              std::vector<std::string> protocols) {
  Served served{nullptr, client_auth, std::move(protocols)};
  auto made = http::ServerTls::make(options(in_force_, served));
  if (!made) return made.error();
  served.tls = *made;
  served_.push_back(std::move(served));
  return std::shared_ptr<http::ServerTls const>(std::move(*made));
}

// True where a file is another one. Every file is looked at, also after an error: none's change is missed.
Result<bool> Renewal::read(Texts& texts) {
  bool changed = false;
  std::optional<Error> fault;
  for (auto const& [file, text] : {std::pair{&certificate_, &texts.certificate}, std::pair{&key_, &texts.key},
                                   std::pair{&client_ca_, &texts.client_ca}}) {
    if (file->path().empty()) continue;
    auto fresh = file->read_if_changed();
    if (!fresh) {
      fault = fresh.error();
    } else if (*fresh) {
      *text = std::move(**fresh);
      changed = true;
    }
  }
  if (fault) return *fault;
  return changed;
}

Result<bool> Renewal::read_settled(Texts& texts) {
  bool any = false;
  for (int looks = 0; looks < kMaxLooks; ++looks) {
    auto const changed = read(texts);
    if (!changed) return changed.error();
    if (!*changed) break;
    any = true;
  }
  return any;
}

Result<Outcome> Renewal::poll(WallTime now) {
  auto const changed = read_settled(found_);
  if (!changed) return changed.error();
  // A file may be another one with the same in it.
  if (!*changed || found_ == in_force_) return Outcome::Unchanged;
  // All are made before the first is replaced: two servers never show two certificates.
  auto const shown = http::ServerTls::make({found_.certificate, found_.key, {}});
  if (!shown) return shown.error();
  if ((*shown)->expires() <= now && expires_ > now) {
    return make_error(ErrorKind::Invalid,
                      "the certificate has ended at " + format_rfc3339_seconds((*shown)->expires()));
  }
  for (auto const& served : served_) {
    if (auto const made = http::ServerTls::make(options(found_, served)); !made) return made.error();
  }
  for (auto& served : served_) {
    if (auto const replaced = served.tls->replace(options(found_, served)); !replaced)
      return replaced.error();
  }
  in_force_ = found_;
  expires_ = (*shown)->expires();
  return Outcome::Renewed;
}

asio::awaitable<void> follow(Renewal& renewal, std::function<void(Outcome)> report) {
  for (;;) {
    co_await sleep_for(kPollEvery);
    auto const outcome = renewal.poll(std::chrono::system_clock::now());
    if (!outcome) {
      log::error("tls_certificate_refused", {{"error", outcome.error().message},
                                             {"detail", "the previous certificate stays in force"},
                                             {"expires", format_rfc3339_seconds(renewal.expires())}});
      report(Outcome::Refused);
    } else if (*outcome == Outcome::Renewed) {
      log::info("tls_certificate_renewed", {{"expires", format_rfc3339_seconds(renewal.expires())}});
      report(Outcome::Renewed);
    }
  }
}

}  // namespace ei::tls
