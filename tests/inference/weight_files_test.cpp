#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <string>

#include "inference/checkpoint/checkpoint.hpp"
#include "inference/checkpoint/inflate.hpp"
#include "inference/checkpoint/pickle.hpp"
#include "inference/checkpoint/safetensors.hpp"
#include "inference/checkpoint/tar.hpp"
#include "inference/checkpoint/torch_file.hpp"
#include "inference/checkpoint/torch_tar.hpp"
#include "inference/checkpoint/torch_tensors.hpp"
#include "inference/checkpoint/zip.hpp"
#include "tests/inference/torch_files.hpp"

using namespace ei;
using namespace ei::inference;
using namespace ei::test;

TEST_CASE("torch.save: a pickle that is compressed and broken is refused by its name") {
  auto file = torch_file(kTorchZip);
  auto const directory = file.find("PK\x01\x02");
  REQUIRE(directory != std::string::npos);
  file[directory + 10] = 8;  // deflate
  CHECK_FALSE(read_zip(bytes_of(file)).value().begin()->second.stored);
  CHECK_THAT(message(read_torch_save(bytes_of(file))),
             Catch::Contains("data.pkl' is compressed, and it gives other bytes"));
  file[directory + 10] = 12;  // bzip2
  CHECK_THAT(message(read_torch_save(bytes_of(file))),
             Catch::Contains("is compressed by method 12; allowed are deflate"));
}

TEST_CASE("inflate: exactly what the archive announces, or an error") {
  // zlib.compress(b"a" * 100)[2:-4]
  using namespace std::string_literals;
  auto const bytes = "\x4b\x4c\xa4\x3d\x00\x00"s;
  constexpr std::uint32_t kCrc = 0xaf707a64;
  auto const good = inflate_raw(bytes_of(bytes), 100, kCrc);
  REQUIRE(good.has_value());
  CHECK(std::all_of((*good)->begin(), (*good)->end(), [](auto byte) { return byte == std::byte{'a'}; }));
  CHECK_THAT(inflate_raw(bytes_of(bytes), 99, kCrc).error().message, Catch::Contains("than the 99"));
  CHECK_THAT(inflate_raw(bytes_of(bytes), 101, kCrc).error().message,
             Catch::Contains("fewer bytes than the 101"));
  CHECK_THAT(inflate_raw(bytes_of(bytes), 100, 0).error().message, Catch::Contains("checksum"));
  CHECK_FALSE(inflate_raw(bytes_of(bytes.substr(0, 3)), 100, kCrc).has_value());
  CHECK_FALSE(inflate_raw({}, 0, 0).has_value());
  CHECK_FALSE(inflate_raw(bytes_of("\xff\xff"), 10, 0).has_value());
}

TEST_CASE("zip: an archive may not unpack to more than 512 MiB, whatever it holds") {
  Unzip unzip;
  CHECK_THAT(unzip({{}, false, 8, (512ULL << 20U) + 1, 0}).error().message,
             Catch::Contains("more than 512 MiB"));
  CHECK_THAT(unzip({{}, false, 8, 400ULL << 20U, 0}).error().message, Catch::Contains("gives"));
  CHECK_THAT(unzip({{}, false, 8, 200ULL << 20U, 0}).error().message, Catch::Contains("more than 512 MiB"));
}

TEST_CASE("zip: two members of one name are refused") {
  auto file = torch_file(kTorchZip);
  for (auto at = file.find("data/1"); at != std::string::npos; at = file.find("data/1", at + 1))
    file[at + 5] = '0';
  CHECK_THAT(message(read_torch_save(bytes_of(file))),
             Catch::Contains("two members are called archive/data/0"));
}

TEST_CASE("pickle: what a few bytes could blow up is bounded") {
  std::string const head = "\x80\x02";
  SECTION("opcodes") {
    auto const document = pickle::read(bytes_of(head + std::string(1'000'001, 'N') + "."));
    CHECK_THAT(document.error().message, Catch::Contains("more than 1,000,000 opcodes"));
  }
  SECTION("a class's name") {
    auto const document = pickle::read(bytes_of(head + "c" + std::string(5000, 'x') + "\n\n."));
    CHECK_THAT(document.error().message, Catch::Contains("more than 1,024 bytes"));
  }
  SECTION("a long text is passed over") {
    std::string const length("\x00\x00\x02\x00", 4);
    auto const document = pickle::read(bytes_of(head + "X" + length + std::string(0x20000, 'x') + "."));
    REQUIRE(document.has_value());
    CHECK(pickle::get<std::string>(document->root)->empty());
  }
  SECTION("depth") {
    auto const document = pickle::read(bytes_of(head + "]" + std::string(400'000, '\x85') + "."));
    CHECK(document.has_value());  // and is freed without recursion
  }
  SECTION("one long list as the shape of every tensor") {
    // shape and strides with 100 entries: refused before it is copied.
    std::string list = "(";
    for (int i = 0; i < 100; ++i) list += "K\x01";
    std::string const storage =
        "(U\x07storagectorch\nFloatStorage\nU\x01"
        "0U\x03"
        "cpuK\x01tQ";
    auto const file = head +
                      "}U\x01"
                      "actorch._utils\n_rebuild_tensor_v2\n(" +
                      storage + std::string("K\0", 2) + list + "t" + list + "ttRs.";
    auto const document = pickle::read(bytes_of(file));
    REQUIRE(document.has_value());
    auto const find = [](std::string const&) -> Result<StorageBytes> { return StorageBytes{}; };
    CHECK_THAT(message(collect_tensors(document->root, rebuilt_tensors(find))),
               Catch::Contains("a: an unknown kind of tensor"));
  }
}

TEST_CASE("safetensors: tensors may neither overlap nor leave bytes to nobody") {
  struct Row {
    std::string header;
    std::string expected;
  };
  auto const row = GENERATE(values<Row>({
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       "b: overlaps another tensor"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", "no tensor has the 4 bytes before a"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "no tensor has the last 4 bytes"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       "no tensor has the 4 bytes before a (a name that is there twice?)"},
  }));
  CHECK_THAT(message(read_safetensors(bytes_of(safetensors(row.header, std::string(8, '\0'))))),
             Catch::Contains(row.expected));
}

TEST_CASE("foreign files are named, with what to do, and never called truncated") {
  struct Row {
    std::string start;
    std::string expected;
  };
  using namespace std::string_literals;
  auto const row = GENERATE(values<Row>({
      {"\n<!DOCTYPE html><html>", "an HTML page, perhaps of a login"},
      {"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "an XML document"},
      {"<?xml version='1.0'?>\n<net name='resnet'>", "an OpenVINO network"},
      {"version https://git-lfs.github.com/spec/v1\n",
       "a git-lfs pointer; fetch the file itself with 'git lfs pull'"},
      {"\x08\x07\x12\x07pytorch\x1a\x05"
       "1.13.",
       "an ONNX model"},
      {"\x89HDF\r\n\x1a\n\0\0\0\0"s, "an HDF5 file, as Keras"},
      {"\x0a\x2a\x0a\x05input\x12\x0bPlaceholder\0"s, "a TensorFlow graph"},
      {"\x1c\0\0\0TFL3\x14\0"s, "a TensorFlow Lite model"},
      {"GGUF\x03\0\0\0"s, "a GGUF file"},
      {"\x1f\x8b\x08\0\0"s, "compressed by gzip; unpack it"},
      {"\x28\xb5\x2f\xfd\0"s, "compressed by zstd"},
      {"7z\xbc\xaf\x27\x1c\0"s, "a 7z archive"},
      {"PK\x05\x06"s + std::string(18, '\0'), "an empty ZIP archive"},
      {"\x80\x04\x8c\x15sklearn.linear_model\x8c\x01X\x93)\x81."s, "a pickle"},
      {"\x80\x04K\x01."s, "a pickle of plain values that torch.save did not write"},
      {R"({"metadata": {}, "weight_map": {"fc.weight": "model-00001-of-00002.safetensors"}})",
       "the index of weights"},
      {R"({"error": {"message": "unauthorized"}})", "a JSON document"},
      {"12345678{", "plain text"},
      {"not weights at all", "plain text"},
      {"\x93NUMPY\x01\0"s, "a NumPy array"},
      {std::string(600, '\0'), "nothing but zero bytes"},
      {"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a", "unknown (it begins with 01 02 03 04 05 06 07 08)"},
  }));
  CAPTURE(row.expected);
  CHECK(detect_format(bytes_of(row.start)) ==
        (row.start.starts_with("PK\x03\x04") ? FileFormat::TorchSave : FileFormat::Unknown));
  auto const text = message(read_checkpoint(bytes_of(row.start)));
  CHECK_THAT(text, Catch::Contains(row.expected) && Catch::Contains("neither safetensors nor"));
  CHECK_THAT(text, !Catch::Contains("truncated"));
}

TEST_CASE("tar: files by name, and a header that does not add up is an error") {
  auto const block = [](std::string const& name, std::string const& content) {
    std::string header(512, '\0');
    header.replace(0, name.size(), name);
    char size[13];
    std::snprintf(size, sizeof size, "%011zo", content.size());
    header.replace(124, 11, size);
    header[156] = '0';
    header.replace(148, 8, 8, ' ');
    unsigned sum = 0;
    for (unsigned char const c : header) sum += c;
    std::snprintf(size, sizeof size, "%06o", sum);
    header.replace(148, 7, std::string(size, 7));
    return header + content + std::string((512 - content.size() % 512) % 512, '\0');
  };
  auto const file = block("./a", "hello") + block("b", "") + std::string(1024, '\0');
  CHECK(is_tar(bytes_of(file)));
  auto const files = read_tar(bytes_of(file));
  REQUIRE(files.has_value());
  CHECK(files->size() == 2);
  CHECK(files->at("a").size() == 5);
  CHECK_FALSE(is_torch_tar(bytes_of(file)));
  CHECK_THAT(message(read_checkpoint(bytes_of(file))),
             Catch::Contains("a tar archive with a in it; unpack it"));
  auto const twice = block("a", "x") + block("a", "y");
  CHECK_THAT(read_tar(bytes_of(twice)).error().message, Catch::Contains("two files are called a"));
  auto const cut = file.substr(0, 512 + 3);
  CHECK_THAT(read_tar(bytes_of(cut)).error().message, Catch::Contains("a reaches beyond the file"));
  auto const torch = block("storages", "\x80\x02K\x01.") + block("tensors", "\x80\x02K\x01.") +
                     block("pickle", "\x80\x02}.");
  REQUIRE(is_torch_tar(bytes_of(torch)));
  CHECK_THAT(message(read_torch_save(bytes_of(torch))), Catch::Contains("torch's tar format: storages"));
}
