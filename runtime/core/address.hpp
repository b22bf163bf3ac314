#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.hpp"

namespace ei {

/// Sixteen bytes; an IPv4 address in its IPv4-mapped form, `::ffff:a.b.c.d`.
using IpBytes = std::array<std::uint8_t, 16>;

/// Who can be behind an address, as far as it matters to one who is told by a stranger to connect there.
enum class AddressKind {
  Public,
  Private,   ///< of this network: RFC 1918, carrier-grade NAT, unique local, benchmarks
  Loopback,  ///< this machine, or this pod
  Never,     ///< link-local (a cloud's metadata), other metadata services, unspecified, multicast, reserved
};
/// `a public address`, `a private address`, …
[[nodiscard]] std::string_view to_string(AddressKind kind);

/// The kind of an address. One that carries an IPv4 address (mapped, translated, NAT64 `64:ff9b::/96`, 6to4)
/// is of that address's kind, as that is where its packets arrive.
[[nodiscard]] AddressKind kind_of(IpBytes const& address);

/// The address that a host name spells, in every form that getaddrinfo() takes for an address: dotted, one
/// to three numbers, hexadecimal, octal; IPv6 with or without brackets, a zone or a final dot. None: a name.
[[nodiscard]] std::optional<IpBytes> parse_ip(std::string_view host);

/// The kind of a host that needs no name server: an address, or `localhost` and what ends in `.localhost`.
[[nodiscard]] std::optional<AddressKind> kind_of_host(std::string_view host);

/// Which kinds besides public ones may be connected to. Never stays never.
struct AllowedAddresses {
  bool private_ones = false;
  bool loopback = false;

  [[nodiscard]] bool admit(AddressKind kind) const;
  bool operator==(AllowedAddresses const&) const = default;
};
/// `private` or `loopback` sets one. Errors: Invalid.
[[nodiscard]] Result<void> allow(AllowedAddresses& allowed, std::string_view word);

/// Empty when `pattern` is `*`, `HOST`, `*.DOMAIN`, `[IPv6]`, or one of these with `:PORT`;
/// else what is wrong.
[[nodiscard]] std::string host_pattern_fault(std::string_view pattern);

/// Whether a host and port fit a pattern. `*` fits all; `*.DOMAIN` fits every name below the domain and not
/// the domain itself; without `:PORT` only https's own, 443. Case and one final dot of a name do not matter.
[[nodiscard]] bool host_matches(std::string_view pattern, std::string_view host, std::uint16_t port);

/// Whether one of them fits; none are given: all fit.
[[nodiscard]] bool host_allowed(std::vector<std::string> const& patterns, std::string_view host,
                                std::uint16_t port);

}  // namespace ei
