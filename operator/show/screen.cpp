#include "operator/show/screen.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace ei::show {

Canvas Screen::canvas() const {
  winsize size{};
  Canvas canvas{80, 24, color_};
  if (ioctl(fd_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
    canvas.width = size.ws_col;
    canvas.height = size.ws_row;
  }
  return canvas;
}

void Screen::draw(std::vector<std::string> const& lines) {
  std::string frame =
      "\x1b[?2026h\x1b[?25l";  // terminals that can show the whole frame at once do so; no cursor
  auto const width = canvas().width;
  if (drawn_ > 0 && width != width_) {
    // The old lines were wrapped anew: nobody knows how many they are now.
    frame += "\x1b[2J\x1b[H";
  } else if (drawn_ > 0) {
    frame += "\x1b[" + std::to_string(drawn_) + "A\r";
  }
  for (auto const& line : lines) frame += line + "\x1b[K\r\n";
  frame += "\x1b[J\x1b[?25h\x1b[?2026l";
  drawn_ = lines.size();
  width_ = width;
  write_all(frame);
}

void Screen::finish() {
  if (drawn_ > 0) write_all("\x1b[?25h");
  drawn_ = 0;
}

void Screen::write_all(std::string const& bytes) const {
  std::string_view rest = bytes;
  while (!rest.empty()) {
    auto const written = write(fd_, rest.data(), rest.size());
    if (written < 0 && errno != EINTR) return;  // a closed terminal is no reason to stop serving
    if (written > 0) rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace ei::show
