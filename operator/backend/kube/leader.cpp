#include "operator/backend/kube/leader.hpp"

#include "runtime/async/clock.hpp"
#include "runtime/async/task_group.hpp"
#include "runtime/core/json.hpp"
#include "runtime/log/log.hpp"

#include <algorithm>
#include <utility>

namespace ei::kube {

Leader::Leader(asio::any_io_executor executor, Client& client, ObjectKey lease, Elector::Options options)
    : client_(client),
      lease_(std::move(lease)),
      elector_(std::move(options)),
      changed_(std::move(executor)) {}

bool Leader::may_write() const {
  return elector_.may_write(steady_now());
}

asio::awaitable<void> Leader::run() {
  Elector::Input input = Elector::Started{};
  while (true) {
    bool const led = may_write();
    auto const step = elector_.step(input, steady_now(), wall_now());
    tell(led);
    if (step.delay > milliseconds(0)) co_await sleep_for(step.delay);
    elector_.sending(steady_now());
    if (auto const* write = std::get_if<Elector::Write>(&step.action)) {
      input = co_await perform(*write);
    } else {
      input = co_await perform(std::get<Elector::Read>(step.action));
    }
  }
}

asio::awaitable<Elector::Input> Leader::perform(Elector::Read const&) {
  auto found = co_await client_.get(kLeases, lease_);
  if (found) {
    Elector::Found answer{read_lease(*found)};
    co_return Elector::Input(std::move(answer));
  }
  if (found.error().kind == ErrorKind::NotFound) co_return Elector::Input(Elector::Missing{});
  log::warn("lease_unreadable", {{"lease", lease_.name}, {"error", found.error().message}});
  Elector::Failed failed{found.error()};
  co_return Elector::Input(std::move(failed));
}

asio::awaitable<Elector::Input> Leader::perform(Elector::Write const& action) {
  auto object = write_lease(action.record, lease_.namespace_name, lease_.name);
  Client::Value written = make_error(ErrorKind::Canceled, "not sent");
  if (action.record.resource_version.empty()) {
    written = co_await client_.create(kLeases, lease_.namespace_name, std::move(object));
  } else {
    written = co_await client_.replace(kLeases, lease_, std::move(object));
  }
  if (written) {
    Elector::Written answer{std::string(string_or(*written, "metadata.resourceVersion"))};
    co_return Elector::Input(std::move(answer));
  }
  log::warn("lease_not_written", {{"lease", lease_.name}, {"error", written.error().message}});
  Elector::Failed failed{written.error()};
  co_return Elector::Input(std::move(failed));
}

void Leader::tell(bool led_before) {
  bool const leads = may_write();
  if (leads == led_before) return;
  log::info(leads ? "leadership_gained" : "leadership_lost",
            {{"lease", lease_.namespace_name + "/" + lease_.name}, {"holder", elector_.holder()}});
  changed_.notify();
}

asio::awaitable<void> Leader::wait_gained() {
  (void)co_await until(changed_, [this] { return may_write(); });
}

asio::awaitable<void> Leader::wait_lost() {
  // Nobody tells when the deadline passes while a renewal hangs: this wakes at it.
  while (may_write()) co_await sleep_until(elector_.write_deadline());
}

asio::awaitable<void> Leader::release() {
  auto const release = elector_.release(steady_now(), wall_now());
  if (!release) co_return;
  auto object = write_lease(release->record, lease_.namespace_name, lease_.name);
  auto written = co_await client_.replace(kLeases, lease_, std::move(object));
  if (!written) log::warn("lease_not_released", {{"lease", lease_.name}, {"error", written.error().message}});
}

}  // namespace ei::kube
