#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <opencv2/core.hpp>
#include <vector>

#include "inference/preprocess/decode.hpp"
#include "inference/preprocess/decode_clock.hpp"

namespace ei::inference {
namespace {

struct Header {
  int width = 0;
  int height = 0;
  int depth = 8;
  int colour = 0;  ///< 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA
  bool interlaced = false;

  [[nodiscard]] int channels() const {
    switch (colour) {
      case 2:
        return 3;
      case 4:
        return 2;
      case 6:
        return 4;
      default:
        return 1;
    }
  }
  [[nodiscard]] std::size_t row_bytes(int pixels) const {
    return (static_cast<std::size_t>(pixels) * static_cast<std::size_t>(channels() * depth) + 7) / 8;
  }
  /// The distance to the pixel on the left, in whole bytes, as the filters count it.
  [[nodiscard]] std::size_t pixel_bytes() const {
    return static_cast<std::size_t>(std::max(1, channels() * depth / 8));
  }
};

Error broken(std::string const& cause) {
  return picture_error(400, "the picture cannot be decoded: " + cause);
}

/// `chunk` is a type, its data and a checksum of both.
bool intact(std::string_view chunk) {
  auto const body = chunk.substr(0, chunk.size() - 4);
  std::uint32_t given = 0;
  for (char const c : chunk.substr(body.size())) given = given << 8 | static_cast<unsigned char>(c);
  return ::crc32(0, reinterpret_cast<Bytef const*>(body.data()), static_cast<uInt>(body.size())) == given;
}

/// The picture's chunks of data as one stream of bytes, of which only those that are asked for are inflated.
class Inflated {
 public:
  explicit Inflated(std::vector<std::string_view> const& pieces)
      : next_(pieces.data()), left_(pieces.size()) {
    ready_ = ::inflateInit(&stream_) == Z_OK;
  }
  ~Inflated() {
    if (ready_) ::inflateEnd(&stream_);
  }
  Inflated(Inflated const&) = delete;
  Inflated& operator=(Inflated const&) = delete;

  /// Fills `out`; false at the end of the data or where it is broken, which why() then tells.
  bool read(std::uint8_t* out, std::size_t size) {
    if (!ready_) return false;
    stream_.next_out = out;
    stream_.avail_out = static_cast<uInt>(size);
    while (stream_.avail_out > 0) {
      if (stream_.avail_in == 0 && left_ > 0) {
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): zlib only reads
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(next_->data()));
        stream_.avail_in = static_cast<uInt>(next_->size());
        ++next_;
        --left_;
      }
      int const code = ::inflate(&stream_, Z_NO_FLUSH);
      if (code == Z_OK || (code == Z_BUF_ERROR && left_ > 0)) continue;
      if (code == Z_STREAM_END && stream_.avail_out == 0) return true;
      if (code == Z_DATA_ERROR && stream_.msg != nullptr) why_ = stream_.msg;
      return false;
    }
    return true;
  }

  /// zlib's words, or none when the data ended.
  [[nodiscard]] std::string const& why() const { return why_; }

 private:
  std::string_view const* next_;
  std::size_t left_;
  z_stream stream_{};
  bool ready_ = false;
  std::string why_;
};

std::uint8_t paeth(int left, int above, int corner) {
  int const by_left = std::abs(above - corner);
  int const by_above = std::abs(left - corner);
  int const by_corner = std::abs(left + above - 2 * corner);
  if (by_left <= by_above && by_left <= by_corner) return static_cast<std::uint8_t>(left);
  return static_cast<std::uint8_t>(by_above <= by_corner ? above : corner);
}

/// Undoes a row's filter (W3C PNG, 9.2) in place. `above` is the row before, or zeros. False: no such filter.
bool unfilter(int filter, std::uint8_t* row, std::uint8_t const* above, std::size_t size, std::size_t step) {
  auto const add = [row](std::size_t i, int value) { row[i] = static_cast<std::uint8_t>(row[i] + value); };
  std::size_t const first = std::min(step, size);
  switch (filter) {
    case 0:
      return true;
    case 1:
      for (std::size_t i = step; i < size; ++i) add(i, row[i - step]);
      return true;
    case 2:
      for (std::size_t i = 0; i < size; ++i) add(i, above[i]);
      return true;
    case 3:
      for (std::size_t i = 0; i < first; ++i) add(i, above[i] / 2);
      for (std::size_t i = step; i < size; ++i) add(i, (row[i - step] + above[i]) / 2);
      return true;
    case 4:
      for (std::size_t i = 0; i < first; ++i) add(i, above[i]);
      for (std::size_t i = step; i < size; ++i) add(i, paeth(row[i - step], above[i], above[i - step]));
      return true;
    default:
      return false;
  }
}

/// Turns rows of any colour type and depth into BGR.
class Colours {
 public:
  /// `palette`: red, green, blue of each colour.
  Colours(Header const& header, std::string_view palette) : header_(header) {
    std::size_t const used = std::min<std::size_t>(palette.size() / 3, 256);
    for (std::size_t i = 0; i < used; ++i) {
      for (std::size_t c = 0; c < 3; ++c)
        look_[3 * i + 2 - c] = static_cast<std::uint8_t>(palette[3 * i + c]);
    }
    if (header.colour == 3) return;
    for (int i = 0; i < 256; ++i) {  // grey is looked up as well: 1, 2 and 4 bits are spread to 8
      int const most = header.depth < 8 ? (1 << header.depth) - 1 : 255;
      auto const value = static_cast<std::uint8_t>(i <= most ? i * (255 / most) : 0);
      std::fill_n(look_.begin() + 3 * i, 3, value);
    }
  }

  void convert(std::uint8_t const* row, int pixels, std::uint8_t* bgr) const {
    if (header_.colour == 2 || header_.colour == 6) {
      int const sample = header_.depth / 8;  // of two bytes the first is the higher
      int const pixel = sample * header_.channels();
      for (int x = 0; x < pixels; ++x, row += pixel, bgr += 3) {
        bgr[0] = row[2 * sample];
        bgr[1] = row[sample];
        bgr[2] = row[0];
      }
    } else if (header_.depth >= 8) {
      int const pixel = header_.depth / 8 * header_.channels();
      for (int x = 0; x < pixels; ++x, row += pixel, bgr += 3) look_up(*row, bgr);
    } else {
      int const mask = (1 << header_.depth) - 1;
      for (int x = 0; x < pixels; ++x, bgr += 3) {
        int const bit = x * header_.depth;
        look_up(row[bit / 8] >> (8 - header_.depth - bit % 8) & mask, bgr);
      }
    }
  }

 private:
  void look_up(int index, std::uint8_t* bgr) const {
    std::copy_n(look_.begin() + 3 * static_cast<std::ptrdiff_t>(index), 3, bgr);
  }

  Header header_;
  std::array<std::uint8_t, 3 * 256> look_{};
};

/// One of Adam7's passes (W3C PNG, 8.2): every dx-th pixel from x on, of every dy-th row from y on.
struct Pass {
  int x, y, dx, dy;
};
constexpr std::array<Pass, 7> kPasses = {
    {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}};

class Rows {
 public:
  Rows(Header const& header, dispatcher::Picture const& picture, std::string_view palette)
      : header_(header),
        clock_(std::uint64_t{picture.width} * picture.height),
        colours_(header, palette),
        data_(picture.data),
        row_(header.row_bytes(header.width) + 1),
        above_(row_.size()) {}

  /// Reads the rows of a (reduced) picture of `width` × `height`, and gives each as BGR to `sink`.
  Result<void> read(int width, int height, RowSink const& sink) {
    std::vector<std::uint8_t> bgr(static_cast<std::size_t>(width) * 3);
    std::size_t const size = header_.row_bytes(width);
    std::fill(above_.begin(), above_.end(), std::uint8_t{0});
    for (int y = 0; y < height; ++y) {
      if (!data_.read(row_.data(), size + 1)) return ended(y, height);
      if (!unfilter(row_[0], row_.data() + 1, above_.data() + 1, size, header_.pixel_bytes()))
        return broken("a row has the filter " + std::to_string(row_[0]) + ", which does not exist");
      colours_.convert(row_.data() + 1, width, bgr.data());
      sink(y, bgr.data());
      std::swap(row_, above_);
      if (clock_.over()) return clock_.error();
    }
    return {};
  }

 private:
  Error ended(int y, int height) const {
    std::string const rows = "row " + std::to_string(y) + " of " + std::to_string(height);
    if (!data_.why().empty()) return broken("its data breaks in " + rows + ": " + data_.why());
    return picture_error(400, "the PNG is truncated: its data ends in " + rows);
  }

  Header header_;
  DecodeClock clock_;
  Colours colours_;
  Inflated data_;
  std::vector<std::uint8_t> row_;  ///< the filter's number and the samples
  std::vector<std::uint8_t> above_;
};

Result<void> read_interlaced(Header const& header, Rows& rows, RowSink const& sink) {
  cv::Mat whole(header.height, header.width, CV_8UC3);
  for (Pass const& pass : kPasses) {
    int const width = (header.width - pass.x + pass.dx - 1) / pass.dx;
    int const height = (header.height - pass.y + pass.dy - 1) / pass.dy;
    if (width <= 0 || height <= 0) continue;
    auto const spread = [&](int y, std::uint8_t const* bgr) {
      auto* to = whole.ptr(pass.y + y * pass.dy) + 3 * pass.x;
      for (int x = 0; x < width; ++x, bgr += 3, to += 3 * pass.dx) std::copy_n(bgr, 3, to);
    };
    if (auto read = rows.read(width, height, spread); !read) return read;
  }
  for (int y = 0; y < header.height; ++y) sink(y, whole.ptr(y));
  return {};
}

}  // namespace

Result<void> decode_png(dispatcher::Picture const& picture, RowSink const& sink) {
  // As in Pillow, the checksums of these two count, and those of the data do not.
  if (!intact(picture.header)) return broken("the checksum of its IHDR is wrong");
  auto const field = [&](std::size_t at) { return static_cast<unsigned char>(picture.header[4 + at]); };
  Header const header{static_cast<int>(picture.width), static_cast<int>(picture.height), field(8), field(9),
                      field(12) == 1};
  std::string_view palette;
  if (header.colour == 3) {
    if (picture.palette.size() <= 8) return broken("it has no palette (PLTE)");
    if (!intact(picture.palette)) return broken("the checksum of its PLTE is wrong");
    palette = picture.palette.substr(4, picture.palette.size() - 8);
  }
  Rows rows(header, picture, palette);
  return header.interlaced ? read_interlaced(header, rows, sink)
                           : rows.read(header.width, header.height, sink);
}

}  // namespace ei::inference
