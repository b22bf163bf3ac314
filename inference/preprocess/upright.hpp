#pragma once

#include <opencv2/core.hpp>

#include "inference/preprocess/decode.hpp"

namespace ei::inference {

/// Whether EXIF's orientation exchanges width and height.
[[nodiscard]] constexpr bool lies_on_its_side(int orientation) {
  return orientation >= 5;
}

/// Takes a picture's rows as they are stored and gives them as they are to be seen. Memory: a row; of a
/// picture that lies on its side, the whole.
class Upright {
 public:
  struct Size {
    int width = 0;
    int height = 0;
  };
  /// `orientation` as EXIF numbers it, 1 to 8.
  Upright(Size stored, int orientation, RowSink sink);
  /// A stored row.
  void add(int y, std::uint8_t const* bgr);
  /// After the last row: gives what still waits.
  void finish();

 private:
  void give(int y, cv::Mat const& row);

  Size stored_;
  bool mirrored_;     ///< left and right are exchanged in what is given
  bool upside_down_;  ///< its last row comes first
  bool lies_;
  RowSink sink_;
  cv::Mat whole_;
  cv::Mat mirror_;
};

}  // namespace ei::inference
