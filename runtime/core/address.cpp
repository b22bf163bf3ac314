#include "runtime/core/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace ei {
namespace {

struct Block4 {
  std::uint32_t network;
  int bits;
  AddressKind kind;
};

constexpr std::uint32_t quad(unsigned a, unsigned b, unsigned c, unsigned d) {
  return a << 24U | b << 16U | c << 8U | d;
}

// The first that fits decides. IANA's special-purpose registry, and the metadata services of clouds that lie
// outside of it.
constexpr Block4 kBlocks4[] = {
    {quad(0, 0, 0, 0), 8, AddressKind::Never},           // Linux connects 0.0.0.0 to the loopback
    {quad(127, 0, 0, 0), 8, AddressKind::Loopback},      //
    {quad(169, 254, 0, 0), 16, AddressKind::Never},      // link-local: 169.254.169.254 and its like
    {quad(100, 100, 100, 200), 32, AddressKind::Never},  // Alibaba Cloud's metadata
    {quad(168, 63, 129, 16), 32, AddressKind::Never},    // Azure's wire server
    {quad(192, 0, 0, 0), 24, AddressKind::Never},        // protocol assignments; Oracle's metadata .192
    {quad(224, 0, 0, 0), 3, AddressKind::Never},         // multicast, reserved, broadcast
    {quad(10, 0, 0, 0), 8, AddressKind::Private},
    {quad(172, 16, 0, 0), 12, AddressKind::Private},
    {quad(192, 168, 0, 0), 16, AddressKind::Private},
    {quad(100, 64, 0, 0), 10, AddressKind::Private},  // carrier-grade NAT; some clusters' pods
    {quad(198, 18, 0, 0), 15, AddressKind::Private},  // benchmarks; some clusters' pods
};

AddressKind kind_of_v4(std::uint32_t address) {
  for (auto const& block : kBlocks4) {
    auto const shift = static_cast<unsigned>(32 - block.bits);
    if (address >> shift == block.network >> shift) return block.kind;
  }
  return AddressKind::Public;
}

std::uint32_t v4_at(IpBytes const& address, std::size_t at) {
  return quad(address[at], address[at + 1], address[at + 2], address[at + 3]);
}

/// Whether the first `bits` are those of `network`, which is written as an address.
bool within(IpBytes const& address, char const* network, unsigned bits) {
  in6_addr wanted{};
  ::inet_pton(AF_INET6, network, &wanted);
  auto const bytes = bits / 8;
  if (std::memcmp(address.data(), wanted.s6_addr, bytes) != 0) return false;
  if (bits % 8 == 0) return true;
  auto const shift = 8 - bits % 8;
  return address[bytes] >> shift == wanted.s6_addr[bytes] >> shift;
}

std::string lower_name(std::string_view host) {
  if (host.size() > 1 && host.ends_with('.')) host.remove_suffix(1);
  std::string name(host);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return name;
}

struct Pattern {
  std::string_view host;
  std::uint16_t port = 443;
  bool any_port = false;
  bool valid = false;
};

Pattern split(std::string_view text) {
  Pattern pattern;
  if (text == "*") return {text, 0, true, true};
  // Without brackets too: a command line's parser takes them for those of a list.
  bool const bare = !text.starts_with('[') && std::count(text.begin(), text.end(), ':') > 1;
  if (bare) return {text, 443, false, parse_ip(text).has_value()};
  auto const close = text.starts_with('[') ? text.find(']') : std::string_view::npos;
  if (text.starts_with('[') && close == std::string_view::npos) return pattern;
  auto const colon = text.find(':', close == std::string_view::npos ? 0 : close);
  pattern.host = close == std::string_view::npos ? text.substr(0, colon) : text.substr(1, close - 1);
  if (close != std::string_view::npos && colon != close + 1 && close + 1 != text.size()) return pattern;
  if (colon != std::string_view::npos) {
    auto const digits = text.substr(colon + 1);
    auto const [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), pattern.port);
    if (failed != std::errc() || end != digits.data() + digits.size() || pattern.port == 0) return pattern;
  }
  auto name = pattern.host;
  if (name.starts_with("*.")) name.remove_prefix(2);
  pattern.valid =
      !name.empty() && !name.starts_with('.') && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '-' || c == '_' || c == ':';
      });
  return pattern;
}

}  // namespace

std::string_view to_string(AddressKind kind) {
  switch (kind) {
    case AddressKind::Public:
      return "a public address";
    case AddressKind::Private:
      return "a private address";
    case AddressKind::Loopback:
      return "a loopback address";
    case AddressKind::Never:
      return "a link-local, metadata or reserved address";
  }
  return "an address";
}

AddressKind kind_of(IpBytes const& address) {
  if (within(address, "::ffff:0:0", 96)) return kind_of_v4(v4_at(address, 12));    // IPv4-mapped
  if (within(address, "::ffff:0:0:0", 96)) return kind_of_v4(v4_at(address, 12));  // IPv4-translated
  if (within(address, "64:ff9b::", 96)) return kind_of_v4(v4_at(address, 12));     // NAT64
  if (within(address, "2002::", 16)) return kind_of_v4(v4_at(address, 2));         // 6to4
  if (within(address, "::1", 128)) return AddressKind::Loopback;
  // Unspecified, IPv4-compatible; NAT64 of a network's own, which may hold any IPv4 address at any place;
  // Teredo, likewise; discard-only.
  for (auto const& [network, bits] :
       {std::pair{"::", 96U}, {"64:ff9b:1::", 48U}, {"2001::", 32U}, {"100::", 64U}}) {
    if (within(address, network, bits)) return AddressKind::Never;
  }
  if (within(address, "fe80::", 10) || within(address, "ff00::", 8)) return AddressKind::Never;
  // Metadata of EC2 and of Google Cloud.
  if (within(address, "fd00:ec2::", 32) || within(address, "fd20:ce::", 32)) return AddressKind::Never;
  if (within(address, "fc00::", 7) || within(address, "fec0::", 10)) return AddressKind::Private;
  return AddressKind::Public;
}

std::optional<IpBytes> parse_ip(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.find(':') != std::string_view::npos) host = host.substr(0, host.find('%'));
  std::string const text = lower_name(host);
  // inet_aton() stops at a blank; a name has none.
  if (text.find_first_of(" \t\n\v\f\r") != std::string::npos || text.find('\0') != std::string::npos)
    return {};
  IpBytes bytes{};
  in6_addr v6{};
  if (::inet_pton(AF_INET6, text.c_str(), &v6) == 1) {
    std::copy(std::begin(v6.s6_addr), std::end(v6.s6_addr), bytes.begin());
    return bytes;
  }
  in_addr v4{};
  if (::inet_aton(text.c_str(), &v4) == 0) return {};
  bytes[10] = bytes[11] = 0xFF;
  std::memcpy(bytes.data() + 12, &v4.s_addr, 4);
  return bytes;
}

std::optional<AddressKind> kind_of_host(std::string_view host) {
  if (auto const address = parse_ip(host)) return kind_of(*address);
  auto const name = lower_name(host);
  if (name == "localhost" || name.ends_with(".localhost")) return AddressKind::Loopback;
  return {};
}

bool AllowedAddresses::admit(AddressKind kind) const {
  switch (kind) {
    case AddressKind::Public:
      return true;
    case AddressKind::Private:
      return private_ones;
    case AddressKind::Loopback:
      return loopback;
    case AddressKind::Never:
      return false;
  }
  return false;
}

Result<void> allow(AllowedAddresses& allowed, std::string_view word) {
  if (word == "private") {
    allowed.private_ones = true;
  } else if (word == "loopback") {
    allowed.loopback = true;
  } else {
    return make_error(ErrorKind::Invalid, "'" + std::string(word) + "': allowed are private and loopback");
  }
  return {};
}

std::string host_pattern_fault(std::string_view pattern) {
  if (split(pattern).valid) return {};
  return "'" + std::string(pattern) +
         "': allowed are HOST, *.DOMAIN, either with :PORT (without: 443), and * for all of them";
}

bool host_matches(std::string_view pattern, std::string_view host, std::uint16_t port) {
  auto const wanted = split(pattern);
  if (!wanted.valid || (!wanted.any_port && wanted.port != port)) return false;
  if (wanted.host == "*") return true;
  auto const name = lower_name(host);
  auto const known = lower_name(wanted.host);
  // An address has no domain above it.
  if (known.starts_with("*."))
    return !parse_ip(name) && name.size() > known.size() - 1 && name.ends_with(known.substr(1));
  return name == known;
}

bool host_allowed(std::vector<std::string> const& patterns, std::string_view host, std::uint16_t port) {
  return patterns.empty() || std::any_of(patterns.begin(), patterns.end(), [&](auto const& pattern) {
           return host_matches(pattern, host, port);
         });
}

}  // namespace ei
