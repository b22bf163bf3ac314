#include "inference/service/worker.hpp"

#include "inference/preprocess/transform.hpp"
#include "runtime/async/task_group.hpp"
#include "runtime/log/log.hpp"

namespace ei::inference {
namespace {

namespace link = dispatcher::link;

/// Work that waits for the one core, above which direct requests are refused. At 10 ms each the last one
/// waits 0.3 s: a queue longer than that belongs into the dispatcher.
constexpr std::size_t kMaxWaiting = 32;
/// Class names, not weights.
constexpr std::uint64_t kMaxLabelDownload = 16U << 20U;

std::size_t pictures_in(link::Job const& job) {
  std::size_t count = 0;
  for (auto const& item : job.items) count += item.count;
  return count;
}

link::JobResult too_late(link::Job const& job) {
  link::JobResult result;
  result.id = job.id;
  result.items.assign(pictures_in(job),
                      link::ItemError{504, "the deadline passed before the worker could begin"});
  // The codec wants the rows that were asked for; those of errors are empty anyway.
  return result;
}

}  // namespace

asio::awaitable<Result<ModelFiles>> fetch_files(asio::any_io_executor executor, LoadOptions options) {
  ModelFiles files;
  files.precision = options.precision;
  files.min_agreement = options.min_agreement;
  files.cache_dir = options.cache_dir;
  // Every file is checked against it below.
  files.sha256 = options.sha256;
  if (auto const* const network = std::get_if<FromNetwork>(&options.weights)) {
    FetchOptions fetching;
    fetching.cache_dir = options.cache_dir;
    fetching.sha256 = options.sha256;
    fetching.reach = options.reach;
    auto path = co_await fetch(executor, network->url, fetching);
    if (!path) co_return with_context(path.error(), "the model");
    files.weights = FromFile{*path};
    files.unchecked = options.sha256.empty();
  } else if (auto const* const file = std::get_if<FromFile>(&options.weights)) {
    if (auto const fine = check_file(file->path); !fine) co_return with_context(fine.error(), "the model");
    if (!options.sha256.empty()) {
      auto const digest = sha256_of_file(file->path);
      if (!digest) co_return digest.error();
      if (*digest != options.sha256) {
        co_return make_error(ErrorKind::Invalid, file->path.string() + " has the SHA-256 " + *digest +
                                                     ", expected is " + options.sha256);
      }
    }
    files.weights = *file;
  } else if (auto const* const random = std::get_if<FromRandom>(&options.weights)) {
    files.weights = *random;
  }
  if (!options.labels) co_return files;
  if (auto const* const network = std::get_if<FromNetwork>(&*options.labels)) {
    FetchOptions fetching;
    fetching.cache_dir = options.cache_dir;
    fetching.max_bytes = kMaxLabelDownload;
    fetching.reach = options.reach;
    auto path = co_await fetch(executor, network->url, fetching);
    if (!path) co_return with_context(path.error(), "the labels");
    files.labels = FromFile{*path};
  } else if (auto const* const file = std::get_if<FromFile>(&*options.labels)) {
    if (auto const fine = check_file(file->path); !fine) co_return with_context(fine.error(), "the labels");
    files.labels = *file;
  } else if (std::holds_alternative<FromImagenet>(*options.labels)) {
    files.labels = FromImagenet{};
  } else {
    files.labels = FromShapes{};
  }
  co_return files;
}

Worker::Worker(asio::any_io_executor executor, Metrics& metrics, milliseconds limit)
    : compute_(std::move(executor), kMaxWaiting), metrics_(metrics), limit_(limit) {
  metrics_.set_ready(false);
}

asio::awaitable<Result<void>> Worker::load(ModelFiles files) {
  auto const start = std::chrono::steady_clock::now();
  auto const built = std::make_shared<std::optional<Result<Model>>>();
  auto const warming = std::make_shared<milliseconds>(0);
  std::function<void()> work = [built, warming, files = std::move(files)] {
    use_one_thread();
    use_one_decoder_thread();
    built->emplace(build_model(files));
    if (!built->value()) return;
    auto const begun = std::chrono::steady_clock::now();
    if (auto const warm = warm_up(built->value().value()); !warm) built->emplace(warm.error());
    *warming = std::chrono::ceil<milliseconds>(std::chrono::steady_clock::now() - begun);
  };
  auto const done = co_await compute_.run(std::move(work));
  if (!done) co_return done.error();
  if (!built->value()) co_return built->value().error();
  model_ = std::make_shared<Model>(std::move(built->value().value()));
  forward_ = *warming / 2;  // it is two passes
  auto const elapsed = std::chrono::steady_clock::now() - start;
  metrics_.loaded(elapsed, output(), precision(), model_version());
  metrics_.set_ready(ready());
  for (auto const& warning : model_->classifier.warnings()) log::warn("model_doubt", {{"detail", warning}});
  if (auto const& calibration = model_->classifier.calibration()) {
    auto const& agreement = calibration->agreement;
    metrics_.agrees(agreement);
    log::info("int8_agreement", {{"top1", agreement.top1},
                                 {"largest_difference", agreement.largest_difference},
                                 {"pictures", agreement.pictures}});
  }
  log::info("model_ready", {{"classes", model_->labels.size()},
                            {"precision", precision()},
                            {"output", output()},
                            {"labels_sha256", model_->labels_sha256},
                            {"model_version", model_->version},
                            {"job_limit_ms", (limit_.count() > 0 ? limit_ : job_limit(1, forward_)).count()},
                            {"load_ms", std::chrono::duration<double, std::milli>(elapsed).count()}});
  co_return Result<void>();
}

void Worker::drain() {
  draining_ = true;
  metrics_.set_ready(false);
}

void Worker::set_standby(bool standby) {
  standby_ = standby;
  metrics_.set_standby(standby);
}

asio::awaitable<Result<link::JobResult>> Worker::answer(std::shared_ptr<link::Job const> job, Admit admit) {
  auto const received = std::chrono::steady_clock::now();
  auto const result = std::make_shared<link::JobResult>();
  auto const nonfinite = std::make_shared<std::size_t>(0);
  milliseconds const limit = limit_.count() > 0 ? limit_ : job_limit(pictures_in(*job), forward_);
  std::function<void()> work = [job, result, nonfinite, received, limit, watch = watch_, model = model_] {
    auto const begun = std::chrono::steady_clock::now();
    bool const late = job->deadline.count() > 0 && begun > received + job->deadline;
    watch->begin(job, limit);
    struct End {
      JobWatch& watch;
      ~End() { watch.end(); }
    } const end{*watch};
    *result = late ? too_late(*job) : answer_job(*model, *job);
    *nonfinite = model->nonfinite;
    result->waited_ms = std::chrono::duration<double, std::milli>(begun - received).count();
  };
  auto const done = co_await compute_.run(std::move(work), admit);
  if (!done) co_return done.error();
  metrics_.inferred(result->inference_ms / 1000, result->items.size());
  note_nonfinite(*nonfinite);
  co_return std::move(*result);
}

void Worker::note_nonfinite(std::size_t count) {
  if (count <= nonfinite_) return;
  if (nonfinite_ == 0) {
    log::error("model_broken", {{"detail", "a finite picture has scores that are not finite"},
                                {"labels_sha256", model_->labels_sha256}});
  }
  metrics_.nonfinite(count - nonfinite_);
  nonfinite_ = count;
  metrics_.set_ready(ready());
}

asio::awaitable<JobWatch::Overrun> Worker::overrun() {
  auto last = std::chrono::steady_clock::now();
  for (;;) {
    co_await sleep_for(JobWatch::kPeriod);
    auto const now = std::chrono::steady_clock::now();
    auto const overrun = watch_->tick(std::chrono::duration_cast<milliseconds>(now - last));
    last = now;
    if (!overrun) continue;
    fault_ = "a job has computed for " + format_duration(overrun->spent) + ", allowed are " +
             format_duration(overrun->limit) + ": this worker ends for its restart";
    metrics_.set_ready(false);
    co_return *overrun;
  }
}

}  // namespace ei::inference
