#include "operator/show/table.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>

namespace ei::show {
namespace {

constexpr char const* kBold = "1";
constexpr char const* kDim = "2";
constexpr char const* kRed = "31";
constexpr char const* kGreen = "32";
constexpr char const* kYellow = "33";

std::string paint(std::string text, char const* style, bool color) {
  return color ? std::string("\x1b[") + style + "m" + text + "\x1b[0m" : text;
}

bool continues(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !continues(c); }));
}

std::string padded(std::string text, std::size_t columns) {
  auto const used = columns_of(text);
  if (used < columns) text.append(columns - used, ' ');
  return text;
}

std::string number(double value, char const* unit) {
  std::array<char, 40> buffer{};
  std::snprintf(buffer.data(), buffer.size(), value < 10 ? "%.1f%s" : "%.0f%s", value, unit);
  return buffer.data();
}

std::string shown_p99(Row const& row) {
  if (!row.p99) return "-";
  return row.p99->count() < 1000 ? std::to_string(row.p99->count()) + " ms"
                                 : number(static_cast<double>(row.p99->count()) / 1000, " s");
}

struct Column {
  char const* title;
  std::function<std::string(Row const&)> value;
};

std::vector<Column> columns() {
  return {{"NAME", [](Row const& row) { return row.name; }},
          {"READY", [](Row const& row) { return row.ready ? "yes" : "no"; }},
          {"QUEUE", [](Row const& row) { return std::to_string(row.queue); }},
          {"RATE", [](Row const& row) { return number(row.arrival_rate, "/s"); }},
          {"REPLICAS",
           [](Row const& row) {
             return std::to_string(row.ready_replicas) + "/" + std::to_string(row.replicas);
           }},
          {"DESIRED", [](Row const& row) { return std::to_string(row.desired); }},
          {"P99", shown_p99},
          {"LAST REASON", [](Row const& row) { return row.reason; }}};
}

std::string clock_of(WallTime time) {
  // Hours, minutes and seconds of RFC 3339, UTC like the log's.
  return format_rfc3339(time).substr(11, 8);
}

class Writer {
 public:
  explicit Writer(Canvas const& canvas) : canvas_(canvas) {}

  void add(std::string_view text, char const* style = nullptr) {
    auto line = fit(text, static_cast<std::size_t>(std::max(1, canvas_.width)));
    lines_.push_back(style ? paint(std::move(line), style, canvas_.color) : std::move(line));
  }
  [[nodiscard]] std::size_t room() const {
    auto const most = static_cast<std::size_t>(std::max(2, canvas_.height) - 1);
    return most > lines_.size() ? most - lines_.size() : 0;
  }
  std::vector<std::string> take() {
    if (room() == 0) lines_.resize(static_cast<std::size_t>(std::max(2, canvas_.height) - 1));
    return std::move(lines_);
  }

 private:
  Canvas canvas_;
  std::vector<std::string> lines_;
};

void add_rows(View const& view, Writer& writer) {
  auto const all = columns();
  std::vector<std::size_t> widths;
  for (auto const& column : all) {
    std::size_t width = columns_of(column.title);
    for (auto const& row : view.rows) width = std::max(width, columns_of(column.value(row)));
    widths.push_back(width);
  }
  auto const line = [&](auto const& cell) {
    std::string text;
    for (std::size_t i = 0; i < all.size(); ++i) text += padded(cell(all[i]), widths[i] + 2);
    return text;
  };
  writer.add(line([](Column const& column) { return std::string(column.title); }), kBold);
  for (auto const& row : view.rows) {
    writer.add(line([&](Column const& column) { return column.value(row); }), row.ready ? kGreen : kYellow);
    if (!row.formula.empty()) writer.add("  " + row.formula, kDim);
    if (!row.endpoint.empty()) writer.add("  curl -F image=@cat.jpg " + row.endpoint + "/predict", kDim);
    if (!row.trouble.empty()) writer.add("  " + row.trouble, kYellow);
  }
}

void add_events(View const& view, Writer& writer, std::size_t reserved) {
  if (view.events.empty() || writer.room() < reserved + 3) return;
  writer.add("");
  writer.add("EVENTS", kBold);
  auto const room = writer.room() - reserved;
  auto const first = view.events.size() > room ? view.events.size() - room : 0;
  for (std::size_t i = first; i < view.events.size(); ++i) {
    auto const& event = view.events[i];
    writer.add(clock_of(event.time) + "  " + event.service + "  " + event.reason + "  " + event.message,
               event.warning ? kRed : nullptr);
  }
}

}  // namespace

std::string fit(std::string_view text, std::size_t columns) {
  std::string fitted;
  std::size_t used = 0;
  bool const cut = columns_of(text) > columns;
  for (char c : text) {
    if (!continues(c) && ++used > columns - (cut ? 1 : 0)) break;
    fitted += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  }
  return cut ? fitted + "…" : fitted;
}

std::vector<std::string> render(View const& view, Canvas const& canvas) {
  Writer writer(canvas);
  writer.add(view.title + "  " + clock_of(view.now) + " UTC", kBold);
  writer.add("");
  add_rows(view, writer);
  add_events(view, writer, view.footer.empty() ? 0 : 2);
  if (!view.footer.empty() && writer.room() >= 2) {
    writer.add("");
    writer.add(view.footer, kDim);
  }
  return writer.take();
}

}  // namespace ei::show
