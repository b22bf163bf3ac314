#pragma once

#include <string>
#include <vector>

#include "operator/show/table.hpp"

namespace ei::show {

/// Draws lines over the ones drawn before, in place: what stood on the terminal above stays. A frame is one
/// write, and only its own lines are cleared, so nothing flickers.
class Screen {
 public:
  /// `fd` is a terminal and stays the caller's.
  Screen(int fd, bool color) : fd_(fd), color_(color) {}

  /// The terminal's present size.
  [[nodiscard]] Canvas canvas() const;
  void draw(std::vector<std::string> const& lines);
  /// Leaves the last frame standing and the cursor below it.
  void finish();

 private:
  void write_all(std::string const& bytes) const;

  int fd_;
  bool color_;
  std::size_t drawn_ = 0;  ///< lines of the frame that stands
  int width_ = 0;          ///< of the terminal when it was drawn
};

}  // namespace ei::show
