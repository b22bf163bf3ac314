#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "inference/fetch/fetch.hpp"
#include "inference/service/compute.hpp"
#include "inference/service/metrics.hpp"
#include "inference/service/model.hpp"
#include "inference/service/source.hpp"
#include "inference/service/watch.hpp"

namespace ei::inference {

/// What to load, as the flags say it.
struct LoadOptions {
  ModelSource weights = FromShapes{};
  std::optional<LabelSource> labels;
  Precision precision = Precision::Auto;
  std::optional<double> min_agreement;  ///< with fp32, from which Auto takes int8, [0.5, 1]; none: never
  std::string sha256;                   ///< of the weights, from wherever they come; empty: not checked
  std::filesystem::path cache_dir;
  Reach reach;  ///< of downloads
};

/// Downloads what lies elsewhere and checks the digest of the weights. Errors: fetch()'s; check_file()'s;
/// Invalid (digest differs).
[[nodiscard]] asio::awaitable<Result<ModelFiles>> fetch_files(asio::any_io_executor executor,
                                                              LoadOptions options);

/// The model behind its compute thread: what the HTTP routes and the worker links share. One executor thread.
class Worker {
 public:
  /// `limit` of a job's computation; zero: job_limit().
  Worker(asio::any_io_executor executor, Metrics& metrics, milliseconds limit = milliseconds(0));

  /// Builds and warms the model up. Call once. Errors: build_model's.
  [[nodiscard]] asio::awaitable<Result<void>> load(ModelFiles files);

  /// Loaded, not leaving, and without an answer so far that shows broken weights.
  [[nodiscard]] bool ready() const { return accepts() && nonfinite_ == 0; }
  /// Loaded, not leaving and not stuck: jobs are answered, each for itself.
  [[nodiscard]] bool accepts() const { return model_ != nullptr && !draining_ && fault_.empty(); }
  /// Finite pictures whose scores were not finite.
  [[nodiscard]] std::size_t nonfinite() const { return nonfinite_; }
  /// What is wrong with this process, so that only its restart helps; empty: nothing.
  [[nodiscard]] std::string const& fault() const { return fault_; }
  [[nodiscard]] bool draining() const { return draining_; }
  void drain();
  /// Loaded and linked, but asks dispatchers for no job until its core is given to it.
  [[nodiscard]] bool standby() const { return standby_; }
  void set_standby(bool standby);

  /// What the worker says of itself on a link. Precondition: load() succeeded.
  [[nodiscard]] std::size_t classes() const { return model_->labels.size(); }
  [[nodiscard]] std::string const& labels_sha256() const { return model_->labels_sha256; }
  [[nodiscard]] std::string const& model_version() const { return model_->version; }

  /// `scores`, `probabilities` …: what the model's last layer gives; fp32, bf16 or int8.
  /// Precondition: accepts().
  [[nodiscard]] std::string_view output() const { return to_string(model_->classifier.output()); }
  [[nodiscard]] std::string_view precision() const { return to_string(model_->classifier.precision()); }

  /// How int8 agrees with fp32, where int8 was asked for or tried. Precondition: accepts().
  [[nodiscard]] std::optional<Calibration> const& calibration() const {
    return model_->classifier.calibration();
  }

  /// Computes one job after those before it. A job whose deadline has passed is not computed: its items are
  /// 504. Precondition: load() succeeded. Errors: TooMany (never when always admitted), Canceled.
  [[nodiscard]] asio::awaitable<Result<dispatcher::link::JobResult>> answer(
      std::shared_ptr<dispatcher::link::Job const> job, Admit admit = Admit::WhileRoom);

  /// Waits for a job that computes for longer than it may, and gives it. Its thread cannot be stopped: from
  /// then on fault() says so, and the process must end.
  [[nodiscard]] asio::awaitable<JobWatch::Overrun> overrun();

 private:
  ComputeThread compute_;
  Metrics& metrics_;
  std::shared_ptr<Model> model_;  ///< touched by the compute thread alone, but for its constant parts
  std::shared_ptr<JobWatch> watch_ = std::make_shared<JobWatch>();
  milliseconds limit_;
  milliseconds forward_{0};
  std::string fault_;
  bool draining_ = false;
  bool standby_ = false;
  std::size_t nonfinite_ = 0;

  void note_nonfinite(std::size_t count);
};

}  // namespace ei::inference
