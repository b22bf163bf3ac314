// What the comparisons with Pillow look at from outside: the tensors of picture files. A program of its own,
// as one that links LibTorch takes ten times as long to start as a picture takes to decode.
//   picture_probe OUT FILE…    float32 [3,224,224] of each picture in OUT, one after the other; prints "ok"
//                              or the status and reason for each
//   picture_probe --time COUNT FILE    milliseconds from the file's bytes to the tensor, COUNT times, a line
//   each
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "inference/preprocess/transform.hpp"

namespace {

std::string read(std::string const& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

int time_picture(int count, std::string const& bytes) {
  for (; count > 0; --count) {
    std::vector<float> values;
    auto const start = std::chrono::steady_clock::now();
    if (!ei::inference::append_picture(bytes, values)) return 1;
    auto const elapsed = std::chrono::steady_clock::now() - start;
    std::printf("%.4f\n", std::chrono::duration<double, std::milli>(elapsed).count());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> const arguments(argv + 1, argv + argc);
  if (arguments.size() < 2) {
    std::fputs("usage: picture_probe OUT FILE...\n", stderr);
    return 2;
  }
  ei::inference::use_one_decoder_thread();
  if (arguments.size() == 3 && arguments[0] == "--time")
    return time_picture(std::stoi(arguments[1]), read(arguments[2]));
  std::vector<float> values;
  for (auto file = arguments.begin() + 1; file != arguments.end(); ++file) {
    auto const result = ei::inference::append_picture(read(*file), values);
    std::puts(result ? "ok"
                     : (std::to_string(result.error().http_status) + " " + result.error().message).c_str());
  }
  std::ofstream out(arguments[0], std::ios::binary);
  out.write(reinterpret_cast<char const*>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof(float)));
  return out ? 0 : 1;
}
