// What the comparisons with Pillow look at from outside: the tensors of picture files. A program of its own,
// as one that links LibTorch takes ten times as long to start as a picture takes to decode.
//   picture_probe OUT FILE…    float32 [3,224,224] of each picture in OUT, one after the other; prints "ok"
//   or
//                              the status and reason for each
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "inference/preprocess/transform.hpp"

int main(int argc, char** argv) {
  std::vector<std::string> const arguments(argv + 1, argv + argc);
  if (arguments.size() < 2) {
    std::fputs("usage: picture_probe OUT FILE...\n", stderr);
    return 2;
  }
  ei::inference::use_one_decoder_thread();
  std::vector<float> values;
  for (auto file = arguments.begin() + 1; file != arguments.end(); ++file) {
    std::ifstream in(*file, std::ios::binary);
    std::string const bytes{std::istreambuf_iterator<char>(in), {}};
    auto const result = ei::inference::append_picture(bytes, values);
    std::puts(result ? "ok"
                     : (std::to_string(result.error().http_status) + " " + result.error().message).c_str());
  }
  std::ofstream out(arguments[0], std::ios::binary);
  out.write(reinterpret_cast<char const*>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof(float)));
  return out ? 0 : 1;
}
