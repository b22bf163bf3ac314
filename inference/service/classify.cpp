#include "inference/service/classify.hpp"

#include <boost/json.hpp>

#include "dispatcher/contract/answer/answer.hpp"
#include "dispatcher/contract/picture/inspect.hpp"
#include "inference/preprocess/transform.hpp"
#include "runtime/core/json.hpp"
#include "runtime/log/log.hpp"
#include "runtime/process/files.hpp"

namespace ei::inference {
namespace {

namespace json = boost::json;
namespace link = dispatcher::link;

json::object classify_file(Model& model, std::string const& path) {
  json::object line{{"file", path}};
  dispatcher::PictureLimits const limits;
  auto bytes = process::read_file(path, limits.max_bytes);
  if (!bytes) {
    line["error"] = bytes.error().message;
    return line;
  }
  auto const inspected = dispatcher::inspect_picture(*bytes, limits);
  if (auto const* const bad = std::get_if<dispatcher::BadPicture>(&inspected)) {
    line["error"] = bad->detail;
    return line;
  }
  link::Job job;
  job.items.push_back({link::ItemKind::Image, bytes->size(), 1});
  job.payload = std::move(*bytes);
  auto const result = answer_job(model, job);
  if (auto const* const error = std::get_if<link::ItemError>(&result.items.front())) {
    line["error"] = error->detail;
    return line;
  }
  line["top"] = dispatcher::top_of(std::get<std::vector<link::Prediction>>(result.items.front()));
  line["preprocess_ms"] = result.preprocess_ms;
  line["inference_ms"] = result.inference_ms;
  return line;
}

}  // namespace

int classify_files(ModelFiles const& files, std::vector<std::string> const& paths, std::FILE* out) {
  use_one_thread();
  use_one_decoder_thread();
  auto model = build_model(files);
  if (!model) {
    log::error("cannot_load", {{"error", model.error().message}});
    return 1;
  }
  for (auto const& warning : model->classifier.warnings()) log::warn("model_doubt", {{"detail", warning}});
  int code = 0;
  for (auto const& path : paths) {
    auto const line = classify_file(*model, path);
    if (line.contains("error")) code = 1;
    std::fprintf(out, "%s\n", to_json_text(line).c_str());
  }
  return code;
}

}  // namespace ei::inference
