#include "inference/fetch/reach.hpp"

#include "runtime/core/redact.hpp"
#include "runtime/http/resolve.hpp"

namespace ei::inference {
namespace {

Error refused(AddressKind kind, std::string const& what) {
  auto const* const remedy =
      kind == AddressKind::Private    ? "; allowed with --allow-address private (the administrator's "
                                        "--allow-model-address)"
      : kind == AddressKind::Loopback ? "; allowed with --allow-address loopback (the administrator's "
                                        "--allow-model-address)"
                                      : ", from which nothing is ever loaded";
  return make_error(ErrorKind::Forbidden, what + " is " + std::string(to_string(kind)) + remedy);
}

}  // namespace

Result<void> admit_url(Reach const& reach, http::Url const& url) {
  auto const kind = kind_of_host(url.host);
  bool const here = kind == AddressKind::Loopback;
  if (url.scheme != "https" && !(url.scheme == "http" && here)) {
    return make_error(ErrorKind::Invalid,
                      display_url(url.to_string()) + ": http is not safe to load a model from; use https");
  }
  if (kind && !reach.addresses.admit(*kind)) return refused(*kind, url.host);
  if (!host_allowed(reach.hosts, url.host, url.port)) {
    std::string allowed;
    for (auto const& host : reach.hosts) allowed += (allowed.empty() ? "" : ", ") + host;
    return make_error(
        ErrorKind::Forbidden,
        url.authority() + " is not among the hosts that models may come from (" + allowed + ")");
  }
  return {};
}

Result<void> admit_address(Reach const& reach, http::Url const& url,
                           boost::asio::ip::address const& address) {
  auto const kind = kind_of(http::bytes_of(address));
  auto const named = url.host == address.to_string() ? url.host : url.host + " (" + address.to_string() + ")";
  // Without TLS only this machine itself may answer, whatever a name server says of `localhost`.
  if (!url.secure() && kind != AddressKind::Loopback) {
    return make_error(ErrorKind::Forbidden, named + " is not this machine: http is not safe; use https");
  }
  if (!reach.addresses.admit(kind)) return refused(kind, named);
  return {};
}

}  // namespace ei::inference
