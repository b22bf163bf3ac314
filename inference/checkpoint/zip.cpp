#include "inference/checkpoint/zip.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>

#include "inference/checkpoint/inflate.hpp"

namespace ei::inference {
namespace {

// APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16.
constexpr std::uint32_t kLocalHeader = 0x04034b50;
constexpr std::uint32_t kCentralHeader = 0x02014b50;
constexpr std::uint32_t kEndRecord = 0x06054b50;
constexpr std::uint32_t kEnd64Locator = 0x07064b50;
constexpr std::uint32_t kEnd64Record = 0x06064b50;
constexpr std::size_t kEndRecordSize = 22;
constexpr std::size_t kMaxComment = 65535;

using Bytes = std::span<const std::byte>;

template <class T>
T read_at(Bytes bytes, std::size_t at) {  // the caller has checked the range
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

Error broken(std::string what) {
  return make_error(ErrorKind::Invalid, "zip: " + std::move(what));
}

bool fits(Bytes bytes, std::uint64_t at, std::uint64_t size) {
  return at <= bytes.size() && size <= bytes.size() - at;
}

struct Directory {
  std::uint64_t offset = 0;
  std::uint64_t entries = 0;
};

Result<Directory> find_directory(Bytes file) {
  if (file.size() < kEndRecordSize) return broken("too short for an archive");
  std::size_t const first = file.size() - std::min(file.size(), kEndRecordSize + kMaxComment);
  for (std::size_t at = file.size() - kEndRecordSize + 1; at-- > first;) {
    if (read_at<std::uint32_t>(file, at) != kEndRecord) continue;
    Directory directory{read_at<std::uint32_t>(file, at + 16), read_at<std::uint16_t>(file, at + 10)};
    if (at >= 20 && read_at<std::uint32_t>(file, at - 20) == kEnd64Locator) {
      auto const end64 = read_at<std::uint64_t>(file, at - 20 + 8);
      if (!fits(file, end64, 56) || read_at<std::uint32_t>(file, end64) != kEnd64Record) {
        return broken("the ZIP64 end record is missing");
      }
      directory = {read_at<std::uint64_t>(file, end64 + 48), read_at<std::uint64_t>(file, end64 + 32)};
    }
    return directory;
  }
  return broken("no end record (truncated, or not an archive)");
}

struct Member {
  std::string name;
  std::uint64_t size = 0;
  std::uint64_t packed = 0;
  std::uint64_t local = 0;  ///< offset of the local header
  std::uint32_t crc = 0;
  int method = 0;
};

/// Replaces the 32-bit fields that say "see ZIP64" by the extra field's values (4.5.3:
/// in this order, where needed).
bool apply_zip64(Bytes extra, bool need_size, bool need_packed, bool need_local, Member& member) {
  while (extra.size() >= 4) {
    auto const id = read_at<std::uint16_t>(extra, 0);
    auto const length = read_at<std::uint16_t>(extra, 2);
    if (!fits(extra, 4, length)) return false;
    if (id == 1) {
      std::size_t at = 4;
      auto const next = [&](bool needed, std::uint64_t& into) {
        if (!needed) return true;
        if (at + 8 > 4U + length) return false;
        into = read_at<std::uint64_t>(extra, at);
        at += 8;
        return true;
      };
      return next(need_size, member.size) && next(need_packed, member.packed) &&
             next(need_local, member.local);
    }
    extra = extra.subspan(4U + length);
  }
  return !need_size && !need_packed && !need_local;
}

/// The member at `at` of the central directory; moves `at` behind it.
Result<Member> read_member(Bytes file, std::uint64_t& at) {
  constexpr std::uint32_t kSeeZip64 = 0xffffffff;
  if (!fits(file, at, 46) || read_at<std::uint32_t>(file, at) != kCentralHeader)
    return broken("a broken directory");
  auto const flags = read_at<std::uint16_t>(file, at + 8);
  auto const method = read_at<std::uint16_t>(file, at + 10);
  auto const packed = read_at<std::uint32_t>(file, at + 20);
  auto const size = read_at<std::uint32_t>(file, at + 24);
  auto const name_length = read_at<std::uint16_t>(file, at + 28);
  auto const extra_length = read_at<std::uint16_t>(file, at + 30);
  auto const comment_length = read_at<std::uint16_t>(file, at + 32);
  auto const local = read_at<std::uint32_t>(file, at + 42);
  std::uint64_t const length = 46ULL + name_length + extra_length + comment_length;
  if (!fits(file, at, length)) return broken("a broken directory");
  Member member;
  member.name.assign(reinterpret_cast<char const*>(file.data() + at + 46), name_length);
  member.size = size;
  member.packed = packed;
  member.local = local;
  member.crc = read_at<std::uint32_t>(file, at + 16);
  auto const extra = file.subspan(at + 46 + name_length, extra_length);
  if (!apply_zip64(extra, size == kSeeZip64, packed == kSeeZip64, local == kSeeZip64, member)) {
    return broken(member.name + ": a broken ZIP64 field");
  }
  if ((flags & 1U) != 0) return broken(member.name + " is encrypted");
  member.method = method;
  if (method == 0 && member.size != member.packed)
    return broken(member.name + ": two sizes for one stored file");
  at += length;
  return member;
}

}  // namespace

Result<ZipMembers> read_zip(Bytes file) {
  auto const directory = find_directory(file);
  if (!directory) return directory.error();
  // A training checkpoint has a few hundred.
  constexpr std::uint64_t kMaxMembers = 65'536;
  if (directory->entries > kMaxMembers) return broken("more than 65,536 members");
  ZipMembers members;
  std::uint64_t at = directory->offset;
  for (std::uint64_t i = 0; i < directory->entries; ++i) {
    auto member = read_member(file, at);
    if (!member) return member.error();
    if (!fits(file, member->local, 30) || read_at<std::uint32_t>(file, member->local) != kLocalHeader) {
      return broken(member->name + ": its local header is missing");
    }
    std::uint64_t const data = member->local + 30 + read_at<std::uint16_t>(file, member->local + 26) +
                               read_at<std::uint16_t>(file, member->local + 28);
    if (!fits(file, data, member->packed))
      return broken(member->name + " reaches beyond the file (truncated?)");
    ZipMember const found{file.subspan(data, member->packed), member->method == 0, member->method,
                          member->size, member->crc};
    // Which of two would be read depends on the reader.
    if (!members.emplace(member->name, found).second) return broken("two members are called " + member->name);
  }
  return members;
}

Result<ZipContents> Unzip::operator()(ZipMember const& member) {
  if (member.stored) return ZipContents{member.bytes, nullptr};
  constexpr int kDeflate = 8;
  if (member.method != kDeflate)
    return make_error(ErrorKind::Invalid, "is compressed by method " + std::to_string(member.method) +
                                              "; allowed are deflate and none");
  if (member.size > left_)
    return make_error(ErrorKind::Invalid, "is compressed, and the archive unpacks to more than 512 MiB");
  left_ -= member.size;
  auto const bytes = inflate_raw(member.bytes, static_cast<std::size_t>(member.size), member.crc);
  if (!bytes) return make_error(ErrorKind::Invalid, "is compressed, and " + bytes.error().message);
  return ZipContents{**bytes, *bytes};
}

}  // namespace ei::inference
