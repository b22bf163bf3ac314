#pragma once

#include <boost/asio/ip/address.hpp>
#include <string>
#include <vector>

#include "runtime/core/address.hpp"
#include "runtime/core/result.hpp"
#include "runtime/http/url.hpp"

namespace ei::inference {

/// Where a worker may download from. The default is the open network.
struct Reach {
  AllowedAddresses addresses;
  std::vector<std::string> hosts;  ///< patterns of host_matches(); empty: any host

  bool operator==(Reach const&) const = default;
};

/// Before a host is asked for: https alone, but for http to this machine itself, where loopback addresses are
/// allowed; a host that is allowed. Errors: Invalid (scheme), Forbidden (host, address).
[[nodiscard]] Result<void> admit_url(Reach const& reach, http::Url const& url);

/// Before an address is connected to, whatever name led there. Errors: Forbidden.
[[nodiscard]] Result<void> admit_address(Reach const& reach, http::Url const& url,
                                         boost::asio::ip::address const& address);

}  // namespace ei::inference
