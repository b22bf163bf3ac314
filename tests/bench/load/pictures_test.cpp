#include "bench/load/pictures.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

namespace {

namespace fs = std::filesystem;
using namespace ei;
using namespace ei::bench;

/// A folder that goes with the test.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("ei_pictures_" + std::to_string(getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  void write(std::string const& name, std::string const& text) const { std::ofstream(path / name) << text; }
};

TEST_CASE("a folder's JPEG and PNG files are read in order of their names, other files are not") {
  Folder const folder;
  folder.write("b.JPG", "bbb");
  folder.write("a.png", "aa");
  folder.write("c.jpeg", "c");
  folder.write("notes.txt", "no");
  auto const pictures = read_pictures(folder.path);
  REQUIRE(pictures.has_value());
  REQUIRE(pictures->size() == 3);
  CHECK(pictures->at(0).file == "a.png");
  CHECK(pictures->at(0).type == "image/png");
  CHECK(pictures->at(1).bytes == "bbb");
  CHECK(pictures->at(1).type == "image/jpeg");
  CHECK(pictures->at(2).label.empty());
}

TEST_CASE("labels.csv names the pictures' labels, and a picture it does not name has none") {
  Folder const folder;
  folder.write("a.png", "aa");
  folder.write("b.png", "bb");
  folder.write("labels.csv", "file,label,index\r\na.png,star,3\r\nmissing.png,moon,4\r\n");
  auto const pictures = read_pictures(folder.path);
  REQUIRE(pictures.has_value());
  CHECK(pictures->at(0).label == "star");
  CHECK(pictures->at(1).label.empty());
}

TEST_CASE("a folder without a picture, no folder, and a broken labels.csv are errors") {
  Folder const folder;
  CHECK(read_pictures(folder.path).error().kind == ErrorKind::NotFound);
  CHECK(read_pictures(folder.path / "none").error().kind == ErrorKind::NotFound);
  folder.write("a.png", "aa");
  folder.write("labels.csv", "name,class\na.png,star\n");
  CHECK(read_pictures(folder.path).error().kind == ErrorKind::Invalid);
  folder.write("labels.csv", "file,label\na.png\n");
  CHECK(read_pictures(folder.path).error().message.find("line 2") != std::string::npos);
}

}  // namespace
