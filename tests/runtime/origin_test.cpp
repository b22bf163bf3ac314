#include <catch2/catch.hpp>
#include <string>

#include "runtime/core/origin.hpp"

using namespace ei;

TEST_CASE("an origin is what a browser sends, and nothing that it never would") {
  for (auto const* good :
       {"https://app.example.com", "http://localhost", "http://localhost:3000", "https://a",
        "http://127.0.0.1:8080", "http://[::1]", "http://[2001:db8::1]:3000", "https://x:80", "http://x:443",
        "chrome-extension://abcdefgh", "https://xn--bcher-kva.example", "https://a_b.example:65535"}) {
    INFO(good);
    CHECK(is_web_origin(good));
  }
  for (auto const* bad : {"",
                          "*",
                          "null",
                          "app.example.com",
                          "https://",
                          "https:///",
                          "https://a/",
                          "https://a/b",
                          "https://A.example",
                          "HTTPS://a",
                          "https://a:",
                          "https://a:0",
                          "https://a:65536",
                          "https://a:99999",
                          "https://a:080",
                          "https://a:443",
                          "http://a:80",
                          "https://a:x",
                          "https://a.example.",
                          "https://.a",
                          "https://*.example",
                          "https://a b",
                          "https://a,https://b",
                          "https://user@a",
                          "https://a?q",
                          "https://a#f",
                          "://a",
                          "1http://a",
                          "http://[::1",
                          "http://[]",
                          "http://[::1]x",
                          "http://[::1]:",
                          "http://b\xc3\xbc.example"}) {
    INFO(bad);
    CHECK_FALSE(is_web_origin(bad));
  }
  CHECK(is_web_origin("https://" + std::string(292, 'a')));
  CHECK_FALSE(is_web_origin("https://" + std::string(293, 'a')));
}
