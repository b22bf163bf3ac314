#include "inference/checkpoint/inflate.hpp"

#include <zlib.h>

#include <algorithm>
#include <limits>

namespace ei::inference {
namespace {

/// zlib's structure, ended on every way out.
struct Stream {
  Stream() { good = ::inflateInit2(&z, -MAX_WBITS) == Z_OK; }  // negative: raw, without zlib's own header
  ~Stream() {
    if (good) ::inflateEnd(&z);
  }
  Stream(Stream const&) = delete;
  Stream& operator=(Stream const&) = delete;
  z_stream z{};
  bool good = false;
};

Error invalid(std::string what) {
  return make_error(ErrorKind::Invalid, std::move(what));
}

}  // namespace

Result<std::shared_ptr<std::vector<std::byte> const>> inflate_raw(std::span<const std::byte> packed,
                                                                  std::size_t size, std::uint32_t crc) {
  constexpr auto kMost = std::numeric_limits<uInt>::max();
  if (packed.size() > kMost || size > kMost) return invalid("more than 4 GiB");
  Stream stream;
  if (!stream.good) return invalid("zlib cannot start");
  auto const bytes = std::make_shared<std::vector<std::byte>>(size);
  // zlib takes a mutable pointer and reads only; without an output buffer it wants any non-null pointer.
  Bytef none = 0;
  stream.z.next_in = const_cast<Bytef*>(  // NOLINT(cppcoreguidelines-pro-type-const-cast)
      reinterpret_cast<Bytef const*>(packed.data()));
  stream.z.avail_in = static_cast<uInt>(packed.size());
  stream.z.next_out = size == 0 ? &none : reinterpret_cast<Bytef*>(bytes->data());
  stream.z.avail_out = static_cast<uInt>(size);
  int const result = ::inflate(&stream.z, Z_FINISH);
  if (stream.z.avail_out != 0 || result != Z_STREAM_END) {
    return invalid("it gives " + std::string(result == Z_STREAM_END ? "fewer" : "other") +
                   " bytes than the " + std::to_string(size) + " that the archive announces");
  }
  auto const found = ::crc32_z(0, reinterpret_cast<Bytef const*>(bytes->data()), size);
  if (found != crc) return invalid("its checksum differs from the archive's");
  return std::shared_ptr<std::vector<std::byte> const>(bytes);
}

}  // namespace ei::inference
