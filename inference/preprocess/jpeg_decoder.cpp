#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <vector>

// After <cstdio>, which it needs.
#include <jpeglib.h>

#include "inference/preprocess/decode.hpp"
#include "inference/preprocess/decode_clock.hpp"

namespace ei::inference {
namespace {

/// libjpeg's errors come as a jump. Every call that may jump goes through guarded(), whose frames hold
/// nothing with a destructor.
struct Failure {
  jpeg_error_mgr manager{};  // first: libjpeg's pointer to it is one to the whole
  std::jmp_buf jump{};
  char message[JMSG_LENGTH_MAX] = {};
};

[[noreturn]] void on_error(j_common_ptr info) {
  auto* const failure = reinterpret_cast<Failure*>(info->err);
  info->err->format_message(info, failure->message);
  std::longjmp(failure->jump, 1);
}

/// Warnings are for people who repair pictures; libjpeg decodes on, and so does Pillow.
void on_message(j_common_ptr, int) {}

/// All bytes are there from the start: to want more means that the file is cut off.
boolean on_empty(j_decompress_ptr) {
  return FALSE;
}

void on_skip(j_decompress_ptr info, long count) {
  if (count <= 0) return;
  auto const skipped = std::min(static_cast<std::size_t>(count), info->src->bytes_in_buffer);
  info->src->next_input_byte += skipped;
  info->src->bytes_in_buffer -= skipped;
}

void on_nothing(j_decompress_ptr) {}

struct Progress {
  jpeg_progress_mgr manager{};  // first, as above
  DecodeClock const* clock = nullptr;
  bool over = false;
};

/// Called between rows of blocks, in every scan.
void on_progress(j_common_ptr info) {
  auto* const progress = reinterpret_cast<Progress*>(info->progress);
  if (!progress->clock->over()) return;
  progress->over = true;
  std::longjmp(reinterpret_cast<Failure*>(info->err)->jump, 1);
}

/// Beyond what the inspection allows, should the two ever count differently: rows, tables and margins.
constexpr long kMaxMemory = static_cast<long>(dispatcher::PictureBudget::kCoefficientBytes) + (32L << 20);

class Decompressor {
 public:
  Decompressor(std::string_view file, DecodeClock const& clock) {
    info_.err = jpeg_std_error(&failure_.manager);
    failure_.manager.error_exit = on_error;
    failure_.manager.emit_message = on_message;
    progress_.manager.progress_monitor = on_progress;
    progress_.clock = &clock;
    source_.next_input_byte = reinterpret_cast<JOCTET const*>(file.data());
    source_.bytes_in_buffer = file.size();
    source_.init_source = on_nothing;
    source_.fill_input_buffer = on_empty;
    source_.skip_input_data = on_skip;
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.term_source = on_nothing;
  }
  ~Decompressor() { jpeg_destroy_decompress(&info_); }
  Decompressor(Decompressor const&) = delete;
  Decompressor& operator=(Decompressor const&) = delete;

  Result<void> start(int reduction) {
    bool whole = false;
    auto const begin = [&] {
      jpeg_create_decompress(&info_);
      info_.mem->max_memory_to_use = kMaxMemory;
      info_.src = &source_;
      info_.progress = &progress_.manager;
      if (jpeg_read_header(&info_, TRUE) != JPEG_HEADER_OK) return;
      info_.out_color_space = info_.num_components == 4 ? JCS_CMYK : JCS_EXT_BGR;
      info_.scale_num = 1;
      info_.scale_denom = static_cast<unsigned>(reduction);
      whole = jpeg_start_decompress(&info_) != FALSE;
    };
    if (!guarded(begin)) return error();
    if (!whole) return cut_off();
    return {};
  }

  /// The next row, in output_components() samples a pixel.
  Result<void> read(JSAMPROW row) {
    bool whole = false;
    if (!guarded([&] { whole = jpeg_read_scanlines(&info_, &row, 1) == 1; })) return error();
    if (!whole) return cut_off();
    return {};
  }

  [[nodiscard]] int width() const { return static_cast<int>(info_.output_width); }
  [[nodiscard]] int height() const { return static_cast<int>(info_.output_height); }
  [[nodiscard]] int components() const { return info_.output_components; }

 private:
  template <class Call>
  bool guarded(Call const& call) {
    if (setjmp(failure_.jump) != 0) return false;
    call();
    return true;
  }

  Error error() const {
    if (progress_.over) return progress_.clock->error();
    return picture_error(400, std::string("the picture cannot be decoded: ") + failure_.message);
  }

  Error cut_off() const {
    std::string const rows =
        std::to_string(info_.output_scanline) + " of " + std::to_string(info_.image_height);
    return picture_error(400, "the JPEG is truncated: its data ends after row " + rows);
  }

  jpeg_decompress_struct info_{};
  Failure failure_{};
  Progress progress_{};
  jpeg_source_mgr source_{};
};

/// A short side that is fine enough to be scaled to 256: a quarter of 4000x3000's. What the reduced decoding
/// leaves out, the scaling would have averaged away: it changes the top probability by 0.011 at most, of
/// pictures of text, lines and noise; down to 384 pixels it would be 0.2. At an eighth a block of 64 samples
/// is one, which shows: that is for pictures that would not fit else.
constexpr std::uint32_t kFineSide = 750;

/// OpenCV's icvCvt_CMYK2BGR_8u_C4C3R, for values inverted as Adobe writes them.
void bgr_of_cmyk(std::uint8_t const* cmyk, int width, std::uint8_t* bgr) {
  for (int x = 0; x < width; ++x, cmyk += 4, bgr += 3) {
    int const k = cmyk[3];
    for (int c = 0; c < 3; ++c) bgr[2 - c] = static_cast<std::uint8_t>(k - ((255 - cmyk[c]) * k >> 8));
  }
}

}  // namespace

int jpeg_reduction(std::uint32_t width, std::uint32_t height) {
  std::uint64_t const pixels = std::uint64_t{width} * height;
  auto const is_fine = [&](unsigned reduction) {
    return reduction <= 4 && std::min(width, height) / reduction >= kFineSide;
  };
  auto const fits = [&](unsigned reduction) {
    return pixels <= dispatcher::kWholePixels * reduction * reduction;
  };
  unsigned reduction = 1;
  while (reduction < 8 && (is_fine(2 * reduction) || !fits(reduction))) reduction *= 2;
  return static_cast<int>(reduction);
}

Result<void> decode_jpeg(std::string_view file, dispatcher::Picture const& picture, int reduction,
                         RowSink const& sink) {
  DecodeClock const clock(std::uint64_t{picture.width} * picture.height);
  Decompressor decompressor(file, clock);
  if (auto started = decompressor.start(reduction); !started) return started;
  int const width = decompressor.width();
  std::vector<std::uint8_t> row(static_cast<std::size_t>(width) *
                                static_cast<std::size_t>(decompressor.components()));
  std::vector<std::uint8_t> bgr(decompressor.components() == 4 ? static_cast<std::size_t>(width) * 3 : 0);
  for (int y = 0; y < decompressor.height(); ++y) {
    if (auto read = decompressor.read(row.data()); !read) return read;
    if (!bgr.empty()) bgr_of_cmyk(row.data(), width, bgr.data());
    sink(y, bgr.empty() ? row.data() : bgr.data());
  }
  return {};
}

}  // namespace ei::inference
