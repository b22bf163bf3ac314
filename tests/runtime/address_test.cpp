#include <catch2/catch.hpp>

#include "runtime/core/address.hpp"
#include "runtime/core/redact.hpp"

using namespace ei;

TEST_CASE("addresses: every spelling of a host is of the kind of the address that it connects to") {
  struct Row {
    std::string host;
    AddressKind kind;
    std::string why;
  };
  using enum AddressKind;
  for (auto const& row : {
           Row{"93.184.216.34", Public, "an ordinary address"},
           Row{"2606:2800:220:1::1", Public, "an ordinary IPv6 address"},
           Row{"127.0.0.1", Loopback, "the usual one"},
           Row{"127.255.255.254", Loopback, "all of 127/8"},
           Row{"2130706433", Loopback, "127.0.0.1 as one number"},
           Row{"0x7f000001", Loopback, "hexadecimal"},
           Row{"017700000001", Loopback, "octal"},
           Row{"127.1", Loopback, "two numbers"},
           Row{"0x7f.0.1", Loopback, "mixed, three numbers"},
           Row{"0177.0.0.01", Loopback, "octal parts"},
           Row{"127.0.0.1.", Loopback, "a final dot"},
           Row{"::1", Loopback, "IPv6"},
           Row{"[::1]", Loopback, "with brackets"},
           Row{"::ffff:127.0.0.1", Loopback, "IPv4-mapped"},
           Row{"::ffff:7f00:1", Loopback, "IPv4-mapped, hexadecimal"},
           Row{"0:0:0:0:0:ffff:7f00:0001", Loopback, "IPv4-mapped, written out"},
           Row{"::ffff:0:127.0.0.1", Loopback, "IPv4-translated"},
           Row{"64:ff9b::127.0.0.1", Loopback, "NAT64"},
           Row{"2002:7f00:1::", Loopback, "6to4"},
           Row{"localhost", Loopback, "by name"},
           Row{"LOCALHOST.", Loopback, "by name, however written"},
           Row{"a.localhost", Loopback, "RFC 6761"},
           Row{"10.1.2.3", Private, "RFC 1918"},
           Row{"172.16.0.1", Private, "RFC 1918"},
           Row{"172.31.255.255", Private, "its end"},
           Row{"172.32.0.0", Public, "after its end"},
           Row{"192.168.1.1", Private, "RFC 1918"},
           Row{"0xc0a80101", Private, "192.168.1.1, hexadecimal"},
           Row{"100.64.0.1", Private, "carrier-grade NAT"},
           Row{"fd12:3456::1", Private, "unique local"},
           Row{"fec0::1", Private, "site-local"},
           Row{"::ffff:10.0.0.1", Private, "IPv4-mapped"},
           Row{"64:ff9b::a00:1", Private, "NAT64 of 10.0.0.1"},
           Row{"64:ff9b::5db8:d822", Public, "NAT64 of a public one: how IPv6-only clusters reach it"},
           Row{"169.254.169.254", Never, "metadata of most clouds"},
           Row{"169.254.170.2", Never, "ECS credentials"},
           Row{"2852039166", Never, "169.254.169.254 as one number"},
           Row{"0xa9fea9fe", Never, "hexadecimal"},
           Row{"::ffff:169.254.169.254", Never, "IPv4-mapped"},
           Row{"64:ff9b::169.254.169.254", Never, "NAT64"},
           Row{"2002:a9fe:a9fe::1", Never, "6to4"},
           Row{"fe80::1", Never, "link-local"},
           Row{"fe80::1%eth0", Never, "with its zone"},
           Row{"febf::1", Never, "the end of fe80::/10"},
           Row{"fd00:ec2::254", Never, "EC2's metadata over IPv6"},
           Row{"fd20:ce::254", Never, "Google Cloud's"},
           Row{"100.100.100.200", Never, "Alibaba Cloud's"},
           Row{"168.63.129.16", Never, "Azure's wire server"},
           Row{"192.0.0.192", Never, "Oracle's"},
           Row{"0.0.0.0", Never, "Linux connects it to the loopback"},
           Row{"0", Never, "the same in short"},
           Row{"0.1.2.3", Never, "this network"},
           Row{"::", Never, "unspecified"},
           Row{"::127.0.0.1", Never, "IPv4-compatible, long withdrawn"},
           Row{"64:ff9b:1::7f00:1", Never, "NAT64 of a network's own"},
           Row{"2001:0:1::1", Never, "Teredo"},
           Row{"224.0.0.1", Never, "multicast"},
           Row{"ff02::1", Never, "multicast"},
           Row{"255.255.255.255", Never, "broadcast"},
           Row{"240.0.0.1", Never, "reserved"},
       }) {
    INFO(row.host << ": " << row.why);
    auto const kind = kind_of_host(row.host);
    REQUIRE(kind.has_value());
    CHECK(to_string(*kind) == to_string(row.kind));
  }
}

TEST_CASE("addresses: a name is no address, whatever it begins with") {
  for (auto const* const name :
       {"127.evil.com", "127.0.0.1.evil.com", "10.example.org", "169.254.169.254.nip.io", "1e100.net",
        "0x7f.evil.com", "localhost.evil.com", "notlocalhost", "example.org", "127.0.0.1 x", ""}) {
    CAPTURE(name);
    CHECK_FALSE(kind_of_host(name).has_value());
  }
}

TEST_CASE(
    "addresses: private and loopback ones need a word of the administrator, and no word opens the rest") {
  AllowedAddresses none;
  CHECK(none.admit(AddressKind::Public));
  CHECK_FALSE(none.admit(AddressKind::Private));
  CHECK_FALSE(none.admit(AddressKind::Loopback));
  AllowedAddresses all;
  REQUIRE(allow(all, "private").has_value());
  REQUIRE(allow(all, "loopback").has_value());
  CHECK(all.admit(AddressKind::Private));
  CHECK(all.admit(AddressKind::Loopback));
  CHECK_FALSE(all.admit(AddressKind::Never));
  CHECK_THAT(allow(all, "metadata").error().message, Catch::Contains("allowed are private and loopback"));
}

TEST_CASE("host patterns: names, domains and ports") {
  struct Row {
    std::string pattern;
    std::string host;
    std::uint16_t port;
    bool fits;
    std::string why;
  };
  for (auto const& row : {
           Row{"*", "anything.example", 1, true, "all of them"},
           Row{"a.example", "a.example", 443, true, "itself"},
           Row{"A.example", "a.EXAMPLE.", 443, true, "case and a final dot"},
           Row{"a.example", "a.example", 8443, false, "only https's own port"},
           Row{"a.example:8443", "a.example", 8443, true, "the port that is named"},
           Row{"a.example:8443", "a.example", 443, false, "and no other"},
           Row{"a.example", "a.example.evil.com", 443, false, "no prefix"},
           Row{"a.example", "xa.example", 443, false, "no suffix"},
           Row{"*.a.example", "b.a.example", 443, true, "below the domain"},
           Row{"*.a.example", "c.b.a.example", 443, true, "further below"},
           Row{"*.a.example", "a.example", 443, false, "not the domain itself"},
           Row{"*.a.example", "xa.example", 443, false, "the dot counts"},
           Row{"*.a.example", ".a.example", 443, false, "a name has a first part"},
           Row{"*.0.0.1", "127.0.0.1", 443, false, "an address has no domain above it"},
           Row{"[::1]:8443", "::1", 8443, true, "IPv6"},
           Row{"::1", "::1", 443, true, "IPv6 without brackets"},
           Row{"[::1]", "::1", 443, true, "IPv6 with brackets and https's own port"},
       }) {
    INFO(row.pattern << " " << row.host << ":" << row.port << ": " << row.why);
    CHECK(host_pattern_fault(row.pattern).empty());
    CHECK(host_matches(row.pattern, row.host, row.port) == row.fits);
  }
  for (auto const* const wrong :
       {"", "https://a.example", "a.example/", "a.example:", "a.example:0", "a.example:x", "*a.example",
        "a*.example", "*.", "[::1", "[::1]x", "a b", "a.example:443/x"}) {
    CAPTURE(wrong);
    CHECK_FALSE(host_pattern_fault(wrong).empty());
    CHECK_FALSE(host_matches(wrong, "a.example", 443));
  }
}

TEST_CASE("URLs are shown without what may be secret in them") {
  struct Row {
    std::string url;
    std::string shown;
    std::string why;
  };
  for (auto const& row : {
           Row{"https://a.example/m.pth", "https://a.example/m.pth", "nothing to hide"},
           Row{"https://a.example/m.pth?X-Amz-Signature=KEY", "https://a.example/m.pth?[redacted]",
               "a signed URL"},
           Row{"https://a.example?KEY", "https://a.example?[redacted]", "without a path"},
           Row{"https://a.example/m?", "https://a.example/m", "an empty query"},
           Row{"https://a.example/m#KEY", "https://a.example/m#[redacted]", "a fragment"},
           Row{"https://a.example/m?a#KEY", "https://a.example/m?[redacted]", "both"},
           Row{"https://me:KEY@a.example/m", "https://[redacted]@a.example/m", "user and password"},
           Row{"https://KEY@a.example/m?KEY", "https://[redacted]@a.example/m?[redacted]",
               "a token and a query"},
           Row{"https://me:K@EY@a.example/m", "https://[redacted]@a.example/m", "an @ in the password"},
           Row{"https://me:K/EY@a.example/m", "https://[redacted]@a.example/m", "a slash in the password"},
           Row{"https://a.example/m@v1/x", "https://a.example/m@v1/x", "an @ in the path"},
           Row{"https://a.example:8443/m@v1", "https://a.example:8443/m@v1", "a port is no password"},
           Row{"https://[::1]:8443/m?KEY", "https://[::1]:8443/m?[redacted]", "IPv6"},
           Row{"//me:KEY@a.example/m", "//[redacted]@a.example/m", "without a scheme"},
           Row{"HTTPS:/a.example/m?KEY", "HTTPS:/a.example/m?[redacted]", "malformed"},
           Row{"pvc://claim/m?KEY", "pvc://claim/m?[redacted]", "whatever the scheme"},
           Row{"builtin://random?seed=4", "builtin://random?seed=4", "numbers for tests"},
       }) {
    INFO(row.url << ": " << row.why);
    CHECK(display_url(row.url) == row.shown);
    CHECK(redact_urls(row.url) ==
          (row.url.starts_with("//") || row.url.find("://") == row.url.npos ? row.url : row.shown));
    CHECK(row.shown.find("KEY") == std::string::npos);
  }
  CHECK(redact_urls("a redirect from \"https://a/?KEY\" to https://me:KEY@b/x?KEY failed, see https://c/d") ==
        "a redirect from \"https://a/?[redacted]\" to https://[redacted]@b/x?[redacted] failed, see "
        "https://c/d");
  CHECK(redact_urls("no URL? none") == "no URL? none");
}
