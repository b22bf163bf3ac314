#include "inference/service/model.hpp"

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <optional>

#include "inference/builtin/builtin.hpp"
#include "inference/checkpoint/checkpoint.hpp"
#include "inference/checkpoint/mapped_file.hpp"
#include "inference/checkpoint/random_weights.hpp"
#include "inference/checkpoint/torch_file.hpp"
#include "inference/fetch/fetch.hpp"
#include "inference/model/probes.hpp"
#include "inference/model/quantised_network.hpp"
#include "inference/preprocess/transform.hpp"
#include "inference/service/calibration_cache.hpp"
#include "runtime/crypto/digest.hpp"
#include "runtime/process/files.hpp"

namespace ei::inference {
namespace {

namespace link = dispatcher::link;
using Clock = std::chrono::steady_clock;

/// How the allocator treats large blocks. While loading: each by itself, so that the steps of unpacking leave
/// nothing behind (fp32 would peak 45 MB higher). While computing: from the heap, which is kept, so that the
/// activations of one picture do not fault in again for the next (a forward pass
/// allocates blocks of up to 3 MB).
void give_large_blocks_back() {
  ::mallopt(M_MMAP_THRESHOLD, 256 * 1024);
}
void keep_large_blocks() {
  ::mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);  // glibc's maximum
  ::mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
  ::malloc_trim(0);
}

/// 65,536 names of the longest kind, each with its number and quotes.
constexpr std::size_t kMaxLabelFile = 16U << 20U;
constexpr std::int64_t kImagenetClasses = 1000;

double elapsed_ms(Clock::time_point since) {
  return std::chrono::duration<double, std::milli>(Clock::now() - since).count();
}

/// `bytes`: the file that the tensors come from.
Result<Classifier> from_tensors(StateDict const& tensors, std::span<const std::byte> bytes,
                                ModelFiles const& files) {
  RoundingOptions rounding;
  rounding.min_agreement = files.min_agreement;
  std::filesystem::path kept;
  bool const wanted =
      files.precision == Precision::Int8 || (files.precision == Precision::Auto && files.min_agreement);
  if (wanted && !files.cache_dir.empty()) {
    kept = calibration_file(files.cache_dir, bytes, cpu_multiplies_int8());
    rounding.known = read_calibration(kept);
  }
  auto classifier = Classifier::from_state_dict(tensors, files.precision, rounding);
  if (classifier && classifier->calibration() && !rounding.known && !kept.empty())
    keep_calibration(kept, *classifier->calibration());
  return classifier;
}

Result<Classifier> load_file(std::filesystem::path const& path, ModelFiles const& files) {
  auto const file = MappedFile::open(path);
  if (!file) return file.error();
  if (detect_format(file->bytes()) == FileFormat::TorchScript) {
    if (files.unchecked) {
      return make_error(ErrorKind::Invalid,
                        "the download is TorchScript, which is a program: it is run only with the SHA-256 of "
                        "the file that is meant (spec.model.sha256, --sha256)");
    }
    return Classifier::from_torchscript(path, files.precision);
  }
  auto const tensors = read_checkpoint(file->bytes());
  if (!tensors) return with_context(tensors.error(), path.string());
  return from_tensors(*tensors, file->bytes(), files);
}

Result<Classifier> load_classifier(ModelFiles const& files) {
  if (auto const* const file = std::get_if<FromFile>(&files.weights)) return load_file(file->path, files);
  if (auto const* const random = std::get_if<FromRandom>(&files.weights)) {
    // Noise for tests: nothing of it is kept.
    RoundingOptions rounding;
    rounding.min_agreement = files.min_agreement;
    return Classifier::from_state_dict(random_resnet18(random->seed, random->classes).tensors,
                                       files.precision, rounding);
  }
  auto const tensors = read_checkpoint(shapes_weights());
  if (!tensors) return with_context(tensors.error(), "builtin://shapes");
  auto classifier = from_tensors(*tensors, shapes_weights(), files);
  forget_shapes_weights();
  return classifier;
}

/// The first digits of the SHA-256 of the weights' file; of random weights, of what they are made from.
Result<std::string> version_of(ModelFiles const& files) {
  auto const first = [](std::string_view digest) {
    return std::string(digest.substr(0, link::kModelVersionDigits));
  };
  if (auto const* const file = std::get_if<FromFile>(&files.weights)) {
    if (!files.sha256.empty()) return first(files.sha256);
    auto const digest = sha256_of_file(file->path);
    if (!digest) return digest.error();
    return first(*digest);
  }
  if (auto const* const random = std::get_if<FromRandom>(&files.weights)) {
    return first(crypto::sha256_hex("builtin://random?seed=" + std::to_string(random->seed) +
                                    "&classes=" + std::to_string(random->classes)));
  }
  auto const bytes = shapes_weights();
  return first(crypto::sha256_hex({reinterpret_cast<char const*>(bytes.data()), bytes.size()}));
}

Result<Labels> load_labels(ModelFiles const& files, std::int64_t classes) {
  if (files.labels) {
    if (auto const* const file = std::get_if<FromFile>(&*files.labels)) {
      auto const text = process::read_file(file->path, kMaxLabelFile);
      if (!text) return text.error();
      auto labels = parse_labels(*text);
      if (!labels) return with_context(labels.error(), file->path.string());
      return labels;
    }
    return parse_labels(std::holds_alternative<FromShapes>(*files.labels) ? shapes_labels()
                                                                          : imagenet_labels());
  }
  if (std::holds_alternative<FromShapes>(files.weights)) return parse_labels(shapes_labels());
  if (classes == kImagenetClasses && std::holds_alternative<FromFile>(files.weights))
    return parse_labels(imagenet_labels());
  return numbered_labels(classes);
}

/// The pictures of a job, normalised, and for each item result where its picture is in there, or its error.
struct Prepared {
  std::vector<float> pictures;
  std::vector<std::variant<std::size_t, link::ItemError>> places;
};

bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

/// A normalised pixel lies between -2.2 and 2.7, a raw one of 16 bits below 65,536. What is far beyond
/// overflows in sane networks too, and that would blame the weights for the client's tensor.
constexpr float kLargestInput = 1e6F;

/// What is wrong with a client's tensor; empty when nothing is.
std::string fault_of(std::span<const float> tensor) {
  for (std::size_t i = 0; i < tensor.size(); ++i) {
    float const value = tensor[i];
    if (std::abs(value) <= kLargestInput) continue;  // false for a NaN
    if (!std::isfinite(value))
      return "the tensor holds values that are not finite, the first at element " + std::to_string(i);
    char text[32];
    std::snprintf(text, sizeof text, "%g", static_cast<double>(value));
    return "the tensor holds " + std::string(text) + " at element " + std::to_string(i) +
           "; allowed are values of a normalised picture, at most 1e6 in size";
  }
  return {};
}

/// One normalised picture, as the client made it.
void prepare_tensor(std::string_view bytes, Prepared& prepared) {
  auto const start = prepared.pictures.size();
  prepared.pictures.resize(start + kPictureElements);
  std::memcpy(prepared.pictures.data() + start, bytes.data(), link::kTensorBytes);
  // Checked here, as the network's maxima would let a NaN vanish and answer at random.
  auto fault = fault_of(std::span(prepared.pictures).subspan(start));
  if (fault.empty()) {
    prepared.places.emplace_back(start / kPictureElements);
    return;
  }
  prepared.pictures.resize(start);
  prepared.places.emplace_back(link::ItemError{400, std::move(fault)});
}

void prepare_picture(std::string_view file, Prepared& prepared) {
  auto const place = prepared.pictures.size() / kPictureElements;
  if (auto const appended = append_picture(file, prepared.pictures); !appended) {
    prepared.places.emplace_back(link::ItemError{appended.error().http_status, appended.error().message});
    return;
  }
  prepared.places.emplace_back(place);
}

Prepared prepare(link::Job const& job) {
  Prepared prepared;
  auto const parts = link::parts(job);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (job.items[i].kind == link::ItemKind::Image) {
      prepare_picture(parts[i], prepared);
      continue;
    }
    for (std::size_t n = 0; n < job.items[i].count; ++n) {
      prepare_tensor(parts[i].substr(n * link::kTensorBytes, link::kTensorBytes), prepared);
    }
  }
  return prepared;
}

/// One picture at a time: on one core a batch is no faster, and its activations would not fit the caches.
Result<std::vector<float>> compute(Classifier& classifier, std::span<const float> pictures) {
  std::vector<float> outputs;
  for (; !pictures.empty(); pictures = pictures.subspan(kPictureElements)) {
    auto const row = classifier.outputs(pictures.first(kPictureElements));
    if (!row) return row.error();
    outputs.insert(outputs.end(), row->begin(), row->end());
  }
  return outputs;
}

/// The probabilities of one picture in place, or why there are none: the pictures are finite, so that it is
/// the weights' fault.
std::optional<link::ItemError> to_probabilities(Model& model, std::span<float> row) {
  if (!all_finite(row)) {
    ++model.nonfinite;
    return link::ItemError{500, "the model's scores for this picture are not finite: its weights are broken"};
  }
  make_probabilities(row, row.size(), model.classifier.output());
  return {};
}

link::ItemResult most_probable(Labels const& labels, std::span<const float> row, std::size_t top) {
  std::vector<std::size_t> order(row.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  top = std::min(top, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top), order.end(),
                    [&](auto a, auto b) { return row[a] != row[b] ? row[a] > row[b] : a < b; });
  std::vector<link::Prediction> predictions;
  for (std::size_t i = 0; i < top; ++i) {
    predictions.push_back({labels[order[i]], order[i], static_cast<double>(row[order[i]])});
  }
  return predictions;
}

}  // namespace

Result<Model> build_model(ModelFiles const& files) {
  // Before they are loaded: the pages of the built-in ones are given back after that.
  auto version = version_of(files);
  if (!version) return version.error();
  give_large_blocks_back();
  auto classifier = load_classifier(files);
  keep_large_blocks();
  if (!classifier) return classifier.error();
  // No dispatcher would let it in.
  if (classifier->classes() > static_cast<std::int64_t>(link::kMaxClasses)) {
    return make_error(ErrorKind::Invalid, "the model has " + std::to_string(classifier->classes()) +
                                              " classes; allowed: at most " +
                                              std::to_string(link::kMaxClasses));
  }
  auto given = load_labels(files, classifier->classes());
  if (!given) return given.error();
  auto labels = check_labels(std::move(*given), classifier->classes());
  if (!labels) return labels.error();
  auto digest = crypto::sha256_hex(join_labels(*labels));
  return Model{std::move(*classifier), std::move(*labels), std::move(digest), std::move(*version), 0};
}

Result<void> warm_up(Model& model) {
  auto const probes = probe_pictures();
  for (auto const* const probe : {&probes.front(), &probes.back()}) {
    auto const row = model.classifier.outputs(*probe);
    if (!row) return row.error();
    if (!all_finite(*row)) {
      return make_error(
          ErrorKind::Invalid,
          "the model's scores for a picture of finite values are not finite: its weights overflow "
          "float32 on the way through the network");
    }
  }
  return {};
}

link::JobResult answer_job(Model& model, link::Job const& job) {
  link::JobResult result;
  result.id = job.id;
  auto const start = Clock::now();
  auto const prepared = prepare(job);
  result.preprocess_ms = elapsed_ms(start);
  auto const computing = Clock::now();
  auto outputs = compute(model.classifier, prepared.pictures);
  result.inference_ms = elapsed_ms(computing);
  auto const classes = static_cast<std::size_t>(model.classifier.classes());
  if (job.probabilities) result.probabilities.resize(prepared.places.size() * classes);
  for (std::size_t i = 0; i < prepared.places.size(); ++i) {
    if (auto const* const error = std::get_if<link::ItemError>(&prepared.places[i])) {
      result.items.emplace_back(*error);
      continue;
    }
    if (!outputs) {
      result.items.emplace_back(link::ItemError{500, outputs.error().message});
      continue;
    }
    auto const row =
        std::span(*outputs).subspan(std::get<std::size_t>(prepared.places[i]) * classes, classes);
    if (auto broken = to_probabilities(model, row)) {
      result.items.emplace_back(std::move(*broken));
      continue;
    }
    result.items.push_back(most_probable(model.labels, row, job.top));
    if (job.probabilities) {
      std::copy(row.begin(), row.end(),
                result.probabilities.begin() + static_cast<std::ptrdiff_t>(i * classes));
    }
  }
  return result;
}

}  // namespace ei::inference
