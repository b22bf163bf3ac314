#include "operator/show/table.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

namespace show = ei::show;
using namespace std::chrono_literals;

namespace {

show::View view() {
  show::View made;
  made.now = ei::parse_rfc3339("2026-01-01T12:00:05Z").value();
  made.title = "Title";
  show::Row row;
  row.name = "resnet18";
  row.ready = true;
  row.queue = 17;
  row.arrival_rate = 12.34;
  row.replicas = 3;
  row.ready_replicas = 2;
  row.desired = 4;
  row.p99 = 412ms;
  row.reason = "LoadRose";
  row.formula = "n = 4";
  row.endpoint = "http://127.0.0.1:8001";
  made.rows = {row};
  return made;
}

std::string joined(std::vector<std::string> const& lines) {
  std::string text;
  for (auto const& line : lines) text += line + "\n";
  return text;
}

}  // namespace

TEST_CASE("The table shows each service with what people ask for") {
  CHECK(joined(show::render(view(), {100, 24, false})) ==
        "Title  12:00:05 UTC\n"
        "\n"
        "NAME      READY  QUEUE  RATE  REPLICAS  DESIRED  P99     LAST REASON  \n"
        "resnet18  yes    17     12/s  2/3       4        412 ms  LoadRose     \n"
        "  n = 4\n"
        "  curl -F image=@cat.jpg http://127.0.0.1:8001/predict\n");
}

TEST_CASE("No line is wider and no frame higher than the terminal") {
  auto made = view();
  made.footer = "footer";
  for (int i = 0; i < 60; ++i)
    made.events.push_back({made.now, "resnet18", i % 2 == 0, "Reason", "λ and a long message"});
  for (int width : {1, 5, 20, 80, 300}) {
    for (int height : {1, 2, 3, 5, 8, 12, 24, 100}) {
      auto const lines = show::render(made, {width, height, false});
      INFO(width << " x " << height);
      CHECK(lines.size() <= static_cast<std::size_t>(std::max(1, height - 1)));
      for (auto const& line : lines) CHECK(show::fit(line, static_cast<std::size_t>(width)) == line);
    }
  }
}

TEST_CASE("The newest events are shown where there is room") {
  auto made = view();
  for (int i = 0; i < 30; ++i) made.events.push_back({made.now, "s", false, "E" + std::to_string(i), ""});
  auto const text = joined(show::render(made, {100, 14, false}));
  CHECK(text.find("E29") != text.npos);
  CHECK(text.find("E20") == text.npos);
}

TEST_CASE("Without colour there is no escape sequence at all") {
  auto made = view();
  made.events.push_back({made.now, "s", true, "Reason", "message"});
  CHECK(joined(show::render(made, {80, 24, false})).find('\x1b') == std::string::npos);
  CHECK(joined(show::render(made, {80, 24, true})).find('\x1b') != std::string::npos);
}

TEST_CASE("Text is cut by characters, not bytes, and cannot steer the terminal") {
  CHECK(show::fit("λλλλ", 4) == "λλλλ");
  CHECK(show::fit("λλλλλ", 4) == "λλλ…");
  CHECK(show::fit("a\x1b[2Jb\n", 20) == "a [2Jb ");
}

TEST_CASE("A service without answers shows no percentile") {
  auto made = view();
  made.rows[0].p99.reset();
  CHECK(joined(show::render(made, {100, 24, false})).find(" -  ") != std::string::npos);
  made.rows[0].p99 = 1500ms;
  CHECK(joined(show::render(made, {100, 24, false})).find("1.5 s") != std::string::npos);
}
