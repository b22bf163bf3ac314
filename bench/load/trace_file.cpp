#include "bench/load/trace_file.hpp"

#include <bzlib.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "runtime/compression/inflater.hpp"

namespace ei::bench {
namespace {

/// A day of Azure Functions' invocations.csv is 150 MB.
constexpr std::size_t kMostTraceBytes = std::size_t{512} << 20;

std::string too_long(std::size_t most) {
  return "it has more than " + std::to_string(most) + " bytes, unpacked";
}

using Bytes = Result<std::string_view>;

/// Gives a file's bytes piece by piece.
class Source {
 public:
  explicit Source(std::string const& path)
      : file_(path == "-" ? stdin : std::fopen(path.c_str(), "re"),
              path == "-" ? [](std::FILE*) { return 0; } : std::fclose) {}

  bool open() const { return file_ != nullptr; }
  /// Empty at the end.
  Bytes next() {
    auto const got = std::fread(piece_.data(), 1, piece_.size(), file_.get());
    if (got == 0 && std::ferror(file_.get()) != 0) return make_error(ErrorKind::Io, std::strerror(errno));
    return std::string_view(piece_.data(), got);
  }

 private:
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
  std::array<char, 64 * 1024> piece_{};
};

Result<std::string> read_plain(Source& source, std::string_view piece, std::size_t most) {
  std::string text;
  while (!piece.empty()) {
    if (text.size() + piece.size() > most) return make_error(ErrorKind::Invalid, too_long(most));
    text += piece;
    auto next = source.next();
    if (!next) return next.error();
    piece = *next;
  }
  return text;
}

Result<std::string> read_gzip(Source& source, std::string_view piece, std::size_t most) {
  // A trace of zeros packs as well as anything can. The bytes alone are the bound, and logs are rotated into
  // files that were put together of many.
  compression::InflateLimits limits{most, 1100, most, 1 << 20};
  compression::Inflater inflater(compression::Coding::Gzip, limits);
  while (!piece.empty()) {
    auto const fed = inflater.feed(piece);
    if (!fed) {
      return make_error(ErrorKind::Invalid,
                        fed.error().http_status == 413 ? too_long(most) : "gzip: " + fed.error().message);
    }
    auto next = source.next();
    if (!next) return next.error();
    piece = *next;
  }
  auto text = inflater.finish();
  if (!text) return make_error(ErrorKind::Invalid, "gzip: " + text.error().message);
  return text;
}

Result<std::string> read_bzip2(Source& source, std::string_view piece, std::size_t most) {
  bz_stream stream{};
  auto const end = [](bz_stream* each) { BZ2_bzDecompressEnd(each); };
  std::unique_ptr<bz_stream, decltype(end)> owner(nullptr, end);
  std::string text;
  std::array<char, 64 * 1024> out;
  int state = BZ_STREAM_END;  // between two streams; several may follow each other
  std::string rest(piece);
  for (;;) {
    if (rest.empty()) {
      auto next = source.next();
      if (!next) return next.error();
      if (next->empty()) break;
      rest.assign(*next);
    }
    if (state == BZ_STREAM_END) {
      owner.reset();
      stream = {};
      if (BZ2_bzDecompressInit(&stream, 0, 0) != BZ_OK) return make_error(ErrorKind::Io, "bzip2: no memory");
      owner.reset(&stream);
    }
    stream.next_in = rest.data();
    stream.avail_in = static_cast<unsigned>(rest.size());
    do {
      stream.next_out = out.data();
      stream.avail_out = static_cast<unsigned>(out.size());
      state = BZ2_bzDecompress(&stream);
      if (state != BZ_OK && state != BZ_STREAM_END)
        return make_error(ErrorKind::Invalid, "bzip2: the data are broken");
      text.append(out.data(), out.size() - stream.avail_out);
      if (text.size() > most) return make_error(ErrorKind::Invalid, too_long(most));
    } while (state == BZ_OK && stream.avail_out == 0);
    rest.erase(0, rest.size() - stream.avail_in);
  }
  if (state != BZ_STREAM_END) return make_error(ErrorKind::Invalid, "bzip2: the data end too early");
  return text;
}

}  // namespace

Result<std::string> read_packed_file(std::string const& path, std::size_t most_bytes) {
  Source source(path);
  if (!source.open()) return make_error(ErrorKind::NotFound, std::strerror(errno));
  auto const first = source.next();
  if (!first) return first.error();
  if (first->starts_with("\x1f\x8b")) return read_gzip(source, *first, most_bytes);
  if (first->starts_with("BZh")) return read_bzip2(source, *first, most_bytes);
  return read_plain(source, *first, most_bytes);
}

CLI::Option* add_trace_options(CLI::App& app, TraceFlags& flags) {
  static std::map<std::string, TraceFormat> const kFormats{{"auto", TraceFormat::Auto},
                                                           {"counts", TraceFormat::Counts},
                                                           {"timestamps", TraceFormat::Timestamps},
                                                           {"invocations", TraceFormat::Invocations}};
  CLI::Option* trace = app.add_option(
      "--trace", flags.file,
      "Requests per second as integers, or one timestamp a line, or Azure's invocations.csv; also gzip or "
      "bzip2; - reads standard input");
  trace->check(CLI::ExistingFile | CLI::IsMember({"-"}));
  app.add_option("--trace-format", flags.format,
                 "counts, timestamps or invocations (default: recognised by the file's content)")
      ->needs(trace)
      ->transform(CLI::Transformer(kFormats))
      ->default_str("auto");
  app.add_option("--window", flags.window, "START+LENGTH of the trace, such as 1h30m+21m or 5400+1260")
      ->needs(trace);
  app.add_option("--scale-to", flags.scale_to, "Requests in the busiest second, after --window")
      ->needs(trace)
      ->check(CLI::Range(0.001, 1e6));
  return trace;
}

Result<Trace> load_trace(TraceFlags const& flags, std::uint64_t seed) {
  auto const text = read_packed_file(flags.file, kMostTraceBytes);
  if (!text) return with_context(text.error(), flags.file);
  auto const format = flags.format == TraceFormat::Auto ? guess_format(*text) : flags.format;
  auto trace = read_trace(*text, format, seed);
  if (!trace) return with_context(trace.error(), flags.file);
  if (format == TraceFormat::Invocations)
    std::fprintf(stderr, "the minutes' requests are spread over their seconds with --seed %llu\n",
                 static_cast<unsigned long long>(seed));
  if (!flags.window.empty()) {
    auto const window = read_window(flags.window);
    if (!window) return window.error();
    trace = cut(*trace, *window);
    if (!trace) return with_context(trace.error(), flags.file);
  }
  if (flags.scale_to > 0) trace = scale_to(*trace, flags.scale_to);
  if (!trace) return with_context(trace.error(), flags.file);
  return trace;
}

}  // namespace ei::bench
