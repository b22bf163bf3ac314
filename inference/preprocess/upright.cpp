#include "inference/preprocess/upright.hpp"

#include <algorithm>

namespace ei::inference {
namespace {

/// Columns that are turned together: a stored row's part of them is two cache lines or so.
constexpr int kBand = 32;

// EXIF 2.3, tag 0x0112: where the stored row 0 and column 0 are to be seen. 1 top left, 2 top right, 3 bottom
// right, 4 bottom left, 5 left top, 6 right top, 7 right bottom, 8 left bottom.
bool is_mirrored(int orientation) {
  return orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
}
bool is_upside_down(int orientation) {
  return orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
}

}  // namespace

Upright::Upright(Size stored, int orientation, RowSink sink)
    : stored_(stored),
      mirrored_(is_mirrored(orientation)),
      upside_down_(is_upside_down(orientation)),
      lies_(lies_on_its_side(orientation)),
      sink_(std::move(sink)) {
  if (lies_) whole_.create(stored.height, stored.width, CV_8UC3);
}

void Upright::add(int y, std::uint8_t const* bgr) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): only read
  cv::Mat const row(1, stored_.width, CV_8UC3, const_cast<std::uint8_t*>(bgr));
  if (lies_) {
    row.copyTo(whole_.row(y));
  } else {
    give(upside_down_ ? stored_.height - 1 - y : y, row);
  }
}

void Upright::finish() {
  if (!lies_) return;
  cv::Mat turned;
  for (int x = 0; x < stored_.width; x += kBand) {
    int const end = std::min(x + kBand, stored_.width);
    cv::transpose(whole_.colRange(x, end), turned);
    for (int i = x; i < end; ++i) give(upside_down_ ? stored_.width - 1 - i : i, turned.row(i - x));
  }
}

void Upright::give(int y, cv::Mat const& row) {
  if (!mirrored_) return sink_(y, row.ptr());
  cv::flip(row, mirror_, 1);
  sink_(y, mirror_.ptr());
}

}  // namespace ei::inference
