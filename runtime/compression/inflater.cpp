#include "runtime/compression/inflater.hpp"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace ei::compression {
namespace {

constexpr std::size_t kFirstBytes = 64 * 1024;

Error refused(int status, std::string message) {
  Error error = make_error(ErrorKind::Invalid, std::move(message));
  error.http_status = status;
  return error;
}

std::string_view name_of(Coding coding) {
  return coding == Coding::Gzip ? "gzip" : "deflate";
}

}  // namespace

struct Inflater::Impl {
  Impl(Coding given, InflateLimits const& given_limits) : coding(given), limits(given_limits) {}
  ~Impl() {
    if (begun) inflateEnd(&stream);
  }

  [[nodiscard]] Result<void> begin();
  [[nodiscard]] Result<void> run(std::string_view bytes);
  [[nodiscard]] std::size_t most() const;  // bytes that may be decoded of what was taken so far
  void make_room();
  [[nodiscard]] Result<void> check_size() const;
  [[nodiscard]] Error broken(std::string const& how) const {
    return refused(400, "the body is not " + std::string(name_of(coding)) + ": " + how);
  }

  Coding coding;
  InflateLimits limits;
  z_stream stream{};
  bool begun = false;
  bool ended = false;  // the last member's end was seen, and nothing after it
  std::size_t members = 0;
  std::string head;  // of a deflate body, until both of its first bytes are there
  std::size_t taken = 0;
  std::string out;
  std::size_t made = 0;  // bytes of `out`
};

// RFC 1950: the low half of the first byte is 8, and both together are a multiple of 31. A bare deflate
// stream that began so would have a stored block with its unused bits set.
Result<void> Inflater::Impl::begin() {
  bool const zlib =
      head.size() == 2 && (head[0] & 0x0f) == 8 &&
      (static_cast<unsigned char>(head[0]) * 256U + static_cast<unsigned char>(head[1])) % 31 == 0;
  int const bits = coding == Coding::Gzip ? MAX_WBITS + 16 : zlib ? MAX_WBITS : -MAX_WBITS;
  if (inflateInit2(&stream, bits) != Z_OK) return refused(503, "there is no memory to decode the body");
  begun = true;
  members = 1;
  return {};
}

std::size_t Inflater::Impl::most() const {
  return std::min(limits.max_bytes, std::max(limits.free_bytes, taken * limits.max_ratio));
}

// Room for one byte more than the limits allow: that byte shows that they are exceeded.
void Inflater::Impl::make_room() {
  if (made == out.size()) out.resize(std::min(std::max(kFirstBytes, 2 * made), most() + 1));
}

Result<void> Inflater::Impl::check_size() const {
  if (made <= most()) return {};
  if (most() == limits.max_bytes) {
    return refused(413, "the decoded body has more than " + std::to_string(limits.max_bytes) +
                            " bytes, at most " + std::to_string(limits.max_bytes) + " are taken");
  }
  return refused(413, "the decoded body has more than " + std::to_string(limits.max_ratio) +
                          " times the bytes of the encoded one; allowed: that ratio, or " +
                          std::to_string(limits.free_bytes) + " bytes");
}

Result<void> Inflater::Impl::run(std::string_view bytes) {
  // zlib's header takes a const pointer only when it is asked to.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  for (;;) {
    if (ended) {
      if (stream.avail_in == 0) return {};
      // RFC 1952, section 2.2: members follow each other without anything between them.
      if (coding == Coding::Deflate || *stream.next_in != 0x1f)
        return broken(std::to_string(stream.avail_in) + " bytes follow its end");
      if (++members > limits.max_members)
        return refused(413, "the gzip body has more than " + std::to_string(limits.max_members) + " members");
      inflateReset(&stream);
      ended = false;
    }
    make_room();
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + made);
    stream.avail_out =
        static_cast<uInt>(std::min<std::size_t>(out.size() - made, std::numeric_limits<uInt>::max()));
    uInt const before = stream.avail_out;
    int const code = inflate(&stream, Z_NO_FLUSH);
    made += before - stream.avail_out;
    if (auto const fits = check_size(); !fits) return fits.error();
    if (code == Z_STREAM_END) {
      ended = true;
    } else if (code == Z_NEED_DICT) {
      return broken("it needs a dictionary");
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      return broken(stream.msg != nullptr ? stream.msg : "its data is broken");
    } else if (stream.avail_out > 0 && stream.avail_in == 0) {
      return {};
    }
  }
}

Inflater::Inflater(Coding coding, InflateLimits const& limits)
    : impl_(std::make_unique<Impl>(coding, limits)) {}
Inflater::~Inflater() = default;
Inflater::Inflater(Inflater&&) noexcept = default;
Inflater& Inflater::operator=(Inflater&&) noexcept = default;

Result<void> Inflater::feed(std::string_view bytes) {
  auto& impl = *impl_;
  impl.taken += bytes.size();
  if (impl.begun) return impl.run(bytes);
  if (impl.coding == Coding::Deflate) {
    std::size_t const missing = std::min(2 - impl.head.size(), bytes.size());
    impl.head.append(bytes.substr(0, missing));
    bytes.remove_prefix(missing);
    if (impl.head.size() < 2) return {};
  } else if (bytes.empty()) {
    return {};
  }
  if (auto const begun = impl.begin(); !begun) return begun.error();
  if (!impl.head.empty()) {
    if (auto const first = impl.run(impl.head); !first) return first.error();
  }
  return bytes.empty() ? Result<void>() : impl.run(bytes);
}

Result<std::string> Inflater::finish() {
  if (!impl_->ended) return impl_->broken("it is cut off after " + std::to_string(impl_->taken) + " bytes");
  impl_->out.resize(impl_->made);
  return std::move(impl_->out);
}

}  // namespace ei::compression
