// What the comparisons with torchvision look at from outside: raw tensors of single steps.
//   inference_probe logits URI PRECISION IN OUT    float32 [n,3,224,224] in IN → float32 [n,classes] in OUT
//   inference_probe time URI PRECISION COUNT       milliseconds of COUNT forward passes, one a line
//   inference_probe serve URI PRECISION            says "ready PRECISION"; for each COUNT that it reads, the
//                                                  milliseconds of COUNT passes in one line
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "inference/service/model.hpp"

namespace {

using namespace ei;
using namespace ei::inference;

std::string read(std::string const& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(std::string const& path, std::vector<float> const& values) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<char const*>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof(float)));
}

Model load(std::string const& uri, std::string const& precision) {
  ModelFiles files;
  std::visit(
      [&](auto const& source) {
        if constexpr (requires { files.weights = source; }) files.weights = source;
      },
      parse_model_uri(uri).value());
  files.precision = parse_precision(precision).value();
  return build_model(files).value();
}

double pass_ms(Model& model) {
  static std::vector<float> const picture(kPictureElements, 0.5F);
  auto const start = std::chrono::steady_clock::now();
  model.classifier.outputs(picture).value();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> const arguments(argv + 1, argv + argc);
  use_one_thread();
  if (arguments.size() == 5 && arguments[0] == "logits") {
    auto model = load(arguments[1], arguments[2]);
    auto const bytes = read(arguments[3]);
    std::vector<float> pictures(bytes.size() / sizeof(float));
    std::memcpy(pictures.data(), bytes.data(), pictures.size() * sizeof(float));
    write(arguments[4], model.classifier.outputs(pictures).value());
    return 0;
  }
  if (arguments.size() == 4 && arguments[0] == "time") {
    auto model = load(arguments[1], arguments[2]);
    for (int run = 0; run < std::stoi(arguments[3]); ++run) std::printf("%.3f\n", pass_ms(model));
    return 0;
  }
  if (arguments.size() == 3 && arguments[0] == "serve") {
    auto model = load(arguments[1], arguments[2]);
    std::printf("ready %s\n", std::string(to_string(model.classifier.precision())).c_str());
    std::fflush(stdout);
    for (std::string line; std::getline(std::cin, line);) {
      for (int run = std::stoi(line); run > 0; --run) std::printf("%.4f ", pass_ms(model));
      std::printf("\n");
      std::fflush(stdout);
    }
    return 0;
  }
  std::fprintf(stderr,
               "usage: inference_probe logits URI PRECISION IN OUT | time URI PRECISION COUNT | "
               "serve URI PRECISION\n");
  return 2;
}
