#include "operator/program.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>

#include "runtime/core/redact.hpp"
#include "runtime/crypto/digest.hpp"
#include "runtime/log/log.hpp"

namespace ei {
namespace {

/// Where the log goes; the processes' own lines go there too.
int log_fd = STDERR_FILENO;

}  // namespace

int fail(std::string const& message) {
  std::cerr << "inference-operator: " << message << "\n";
  return 1;
}

Result<void> log_to(std::filesystem::path const& file) {
  int const fd = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return make_error(ErrorKind::Io, file.string() + ": " + std::strerror(errno));
  log_fd = fd;
  log::set_sink([fd](std::string_view line) { (void)!write(fd, line.data(), line.size()); });
  return {};
}

void forward(std::string_view line) {
  std::string const whole = std::string(line) + "\n";
  (void)!write(log_fd, whole.data(), whole.size());
}

Common::Common(boost::asio::any_io_executor executor, show::ReporterOptions options, Flags const& flags)
    : metrics(registry), reporter(executor, std::move(options)) {
  if (!flags.page_port) return;
  page::Options page_options;
  page_options.address = flags.page_address;
  page_options.port = *flags.page_port;
  page_options.token_file = flags.page_token_file;
  page = std::make_unique<page::Page>(std::move(executor), std::move(page_options));
}

reconcile::Listener Common::listener() {
  if (!page) return reporter.listener();
  return reconcile::both(reporter.listener(), page->listener());
}

/// Decision ids of two runs must not be taken for each other.
Result<reconcile::Options> reconcile_options(Flags const& flags, Environment const& environment) {
  reconcile::Options options;
  options.id_prefix = "d-" + crypto::random_hex(2);
  options.webhooks.addresses = flags.allowed.webhook_addresses;
  options.webhooks.services = flags.allowed.webhook_services;
  bool const by_flag = !flags.prometheus_url.empty();
  auto const address = by_flag ? flags.prometheus_url : environment("PROMETHEUS_URL");
  if (address.empty()) return options;
  auto url = http::parse_url(address);
  if (url && url->scheme != "http" && url->scheme != "https")
    url = make_error(ErrorKind::Invalid, "no http(s) URL");
  if (!url) {
    return make_error(ErrorKind::Invalid, std::string(by_flag ? "--prometheus-url" : "PROMETHEUS_URL") + " " +
                                              display_url(address) + ": " + url.error().message);
  }
  options.prometheus = std::move(*url);
  return options;
}

}  // namespace ei
