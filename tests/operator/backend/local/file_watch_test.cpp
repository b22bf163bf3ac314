#include "operator/backend/local/file_watch.hpp"

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <fstream>

namespace fs = std::filesystem;
using ei::backend::local::FileWatch;
using Changes = std::vector<FileWatch::Change>;

namespace {

struct Folder {
  fs::path path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "file-watch-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()));
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  [[nodiscard]] fs::path write(std::string const& name, std::string const& text) const {
    std::ofstream(path / name) << text;
    return path / name;
  }
};

}  // namespace

TEST_CASE("The first look tells every file at once") {
  Folder folder;
  auto const file = folder.write("a.yaml", "1");
  FileWatch watch({file, folder.path / "none.yaml"});
  CHECK(watch.poll() == Changes{{folder.path / "none.yaml", false}, {file, true}});
  CHECK(watch.poll().empty());
}

TEST_CASE("A change is told once it has come to rest") {
  Folder folder;
  auto const file = folder.write("a.yaml", "1");
  FileWatch watch({file});
  watch.poll();
  (void)folder.write("a.yaml", "12");
  CHECK(watch.poll().empty());
  (void)folder.write("a.yaml", "123");
  CHECK(watch.poll().empty());
  CHECK(watch.poll() == Changes{{file, true}});
  CHECK(watch.poll().empty());
}

TEST_CASE("A file renamed over another is a change, though size and time may be the same") {
  Folder folder;
  auto const file = folder.write("a.yaml", "1");
  FileWatch watch({file});
  watch.poll();
  auto const other = folder.write("b.tmp", "2");
  fs::last_write_time(other, fs::last_write_time(file));
  fs::rename(other, file);
  watch.poll();
  CHECK(watch.poll() == Changes{{file, true}});
}

TEST_CASE("An editor that deletes before it writes does not remove the file") {
  Folder folder;
  auto const file = folder.write("a.yaml", "1");
  FileWatch watch({file});
  watch.poll();
  fs::remove(file);
  CHECK(watch.poll().empty());
  (void)folder.write("a.yaml", "22");
  CHECK(watch.poll().empty());
  CHECK(watch.poll() == Changes{{file, true}});
}

TEST_CASE("A deleted file is told, and again when it is back") {
  Folder folder;
  auto const file = folder.write("a.yaml", "1");
  FileWatch watch({file});
  watch.poll();
  fs::remove(file);
  watch.poll();
  CHECK(watch.poll() == Changes{{file, false}});
  CHECK(watch.poll().empty());
  (void)folder.write("a.yaml", "1");
  watch.poll();
  CHECK(watch.poll() == Changes{{file, true}});
}

TEST_CASE("A renamed file is told as gone before it is told as new, whichever name sorts first") {
  Folder folder;
  for (auto const& [before, after] : {std::pair{"b.yaml", "a.yaml"}, {"a.yaml", "b.yaml"}}) {
    auto const old_name = folder.write(before, "1");
    FileWatch watch({folder.path});
    watch.poll();
    fs::rename(old_name, folder.path / after);
    watch.poll();
    CHECK(watch.poll() == Changes{{old_name, false}, {folder.path / after, true}});
    fs::remove(folder.path / after);
  }
}

TEST_CASE("A folder's manifests are followed as they come and go, and nothing else in it") {
  Folder folder;
  (void)folder.write("notes.txt", "x");
  FileWatch watch({folder.path});
  CHECK(watch.poll().empty());
  auto const file = folder.write("a.yml", "1");
  watch.poll();
  CHECK(watch.poll() == Changes{{file, true}});
  fs::remove(file);
  watch.poll();
  CHECK(watch.poll() == Changes{{file, false}});
  CHECK(watch.poll().empty());
}
