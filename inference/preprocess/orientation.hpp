#pragma once

#include <string_view>

#include "dispatcher/contract/picture/inspect.hpp"

namespace ei::inference {

/// EXIF's orientation, 1 to 8 (1: as stored; 6: turned to the right to be upright), from the first note that
/// has one: EXIF of a JPEG's APP1 or a PNG's eXIf; ImageMagick's hexadecimal "Raw profile type exif" (or
/// APP1) in a PNG's text; after all of them, XMP's tiff:Orientation, as Pillow. 1 where there is none or it
/// is broken. Reads each byte once; compressed text is unpacked up to 256 KiB.
[[nodiscard]] int orientation_of(dispatcher::Picture const& picture);

/// The same of one TIFF structure ("II*\0…" or "MM\0*…"), 0 for none: the first directory alone, which is
/// bounded by `tiff` whatever it says of itself.
[[nodiscard]] int tiff_orientation(std::string_view tiff);

}  // namespace ei::inference
