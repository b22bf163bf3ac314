#include <zlib.h>

#include <catch2/catch.hpp>
#include <random>

#include "runtime/compression/inflater.hpp"

using namespace ei;
using namespace ei::compression;

namespace {

constexpr int kGzip = MAX_WBITS + 16;
constexpr int kZlib = MAX_WBITS;
constexpr int kRaw = -MAX_WBITS;

std::string deflated(std::string const& text, int bits, int level = 6) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, level, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  std::string in = text;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

InflateLimits limits(std::size_t max_bytes = 1 << 20) {
  InflateLimits out;
  out.max_bytes = max_bytes;
  return out;
}

Result<std::string> inflated(Coding coding, std::string_view bytes, InflateLimits const& given = limits(),
                             std::size_t piece = std::string_view::npos) {
  Inflater inflater(coding, given);
  for (std::size_t at = 0; at < bytes.size(); at += std::min(piece, bytes.size())) {
    if (auto const fed = inflater.feed(bytes.substr(at, piece)); !fed) return fed.error();
  }
  return inflater.finish();
}

void check_refused(Result<std::string> const& out, int status, std::string const& words) {
  REQUIRE(out.has_error());
  CHECK(out.error().http_status == status);
  CHECK_THAT(out.error().message, Catch::Contains(words));
}

std::string some_text() {
  std::string out;
  std::mt19937 random(7);
  for (int i = 0; i < 200'000; ++i) out += static_cast<char>('a' + random() % 20);
  return out;
}

}  // namespace

TEST_CASE("gzip, zlib and bare deflate give the bytes back, in pieces of any size") {
  for (std::string const& text : {std::string(), std::string("x"), std::string(100'000, 'y'), some_text()}) {
    for (std::size_t const piece :
         {std::size_t{1}, std::size_t{2}, std::size_t{1000}, std::string_view::npos}) {
      for (int const level : {0, 1, 9}) {
        CHECK(inflated(Coding::Gzip, deflated(text, kGzip, level), limits(), piece).value() == text);
        CHECK(inflated(Coding::Deflate, deflated(text, kZlib, level), limits(), piece).value() == text);
        CHECK(inflated(Coding::Deflate, deflated(text, kRaw, level), limits(), piece).value() == text);
      }
    }
  }
}

TEST_CASE("the members of a gzip body are joined") {
  std::string const body = deflated("one ", kGzip) + deflated("", kGzip) + deflated("two", kGzip);
  for (std::size_t piece = 1; piece < body.size(); ++piece) {
    CHECK(inflated(Coding::Gzip, body, limits(), piece).value() == "one two");
  }
  std::string many;
  for (int i = 0; i < 1024; ++i) many += deflated("x", kGzip);
  CHECK(inflated(Coding::Gzip, many).value() == std::string(1024, 'x'));
  check_refused(inflated(Coding::Gzip, many + deflated("x", kGzip)), 413, "more than 1024 members");
}

TEST_CASE("a body that ends early, goes on, or is something else is broken") {
  for (int const bits : {kGzip, kZlib, kRaw}) {
    Coding const coding = bits == kGzip ? Coding::Gzip : Coding::Deflate;
    std::string const whole = deflated("hello, hello, hello", bits);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      check_refused(inflated(coding, whole.substr(0, size)), 400, "cut off after " + std::to_string(size));
    }
    for (std::string const& tail : {std::string("x"), std::string(1, '\0'), std::string(512, '\0')}) {
      check_refused(inflated(coding, whole + tail), 400, "bytes follow its end");
      check_refused(inflated(coding, whole + tail, limits(), 1), 400, "bytes follow its end");
    }
  }
  std::string const gzip = deflated("hello, hello, hello", kGzip);
  check_refused(inflated(Coding::Gzip, gzip + gzip.substr(0, 5)), 400, "cut off");
  check_refused(inflated(Coding::Gzip, gzip + "\x1fgarbage of some length"), 400, "the body is not gzip");
  check_refused(inflated(Coding::Gzip, "\xff\xd8\xff a picture"), 400,
                "the body is not gzip: incorrect header check");
  check_refused(inflated(Coding::Deflate, gzip), 400, "the body is not deflate");
  check_refused(inflated(Coding::Gzip, deflated("hello", kZlib)), 400, "the body is not gzip");
  std::string wrong_sum = gzip;
  char& sum = wrong_sum[wrong_sum.size() - 6];
  sum = static_cast<char>(sum ^ 1);
  check_refused(inflated(Coding::Gzip, wrong_sum), 400, "incorrect data check");
}

TEST_CASE("no more is decoded than the limits allow") {
  std::string const text = some_text();
  for (int const bits : {kGzip, kZlib, kRaw}) {
    Coding const coding = bits == kGzip ? Coding::Gzip : Coding::Deflate;
    CHECK(inflated(coding, deflated(text, bits), limits(text.size())).has_value());
    check_refused(inflated(coding, deflated(text, bits), limits(text.size() - 1)), 413,
                  "at most 199999 are taken");
  }
  // Zeros shrink to a thousandth: as many as are free at any ratio, and not one more.
  InflateLimits given = limits(64 << 20);
  std::string const zeros(given.free_bytes, '\0');
  CHECK(inflated(Coding::Gzip, deflated(zeros, kGzip), given).value() == zeros);
  check_refused(inflated(Coding::Gzip, deflated(zeros + "x", kGzip), given), 413,
                "more than 100 times the bytes of the encoded one; allowed: that ratio, or 4194304 bytes");
  // Also over several members, and with a body that begins well.
  std::string const half = deflated(zeros.substr(0, zeros.size() / 2 + 1), kGzip);
  check_refused(inflated(Coding::Gzip, half + half, given), 413, "more than 100 times");
  given.max_bytes = 100;
  check_refused(
      inflated(Coding::Gzip, deflated(std::string(60, 'x'), kGzip) + deflated(std::string(60, 'x'), kGzip),
               given),
      413, "at most 100 are taken");
}

TEST_CASE("any bytes whatever are decoded within the limits or refused") {
  std::mt19937 random(11);
  std::string const text = some_text().substr(0, 3000);
  for (int round = 0; round < 5'000; ++round) {
    int const bits = round % 3 == 0 ? kGzip : round % 3 == 1 ? kZlib : kRaw;
    std::string body = deflated(text, bits, round % 10);
    for (auto edits = 1 + random() % 4; edits > 0; --edits)
      body[random() % body.size()] = static_cast<char>(random());
    auto const out =
        inflated(bits == kGzip ? Coding::Gzip : Coding::Deflate, body, limits(10'000), 1 + random() % 700);
    if (out) {
      CHECK(out->size() <= 10'000);
    } else {
      bool const expected = out.error().http_status == 400 || out.error().http_status == 413;
      CHECK(expected);
    }
  }
}
