#include "operator/backend/kube/lookout.hpp"

#include "operator/backend/kube/protocol/event.hpp"
#include "runtime/async/clock.hpp"
#include "runtime/log/log.hpp"

#include <utility>

namespace ei::kube {
namespace {

namespace asio = boost::asio;

// Leases with the operators' label: more than a cluster has releases.
constexpr int kMostLeases = 500;

}  // namespace

asio::awaitable<Result<std::optional<Neighbour>>> Lookout::earlier_release() {
  ListQuery query;
  query.label_selector = std::string(kOperatorLeaseLabel) + "=" + std::string(kOperatorLease);
  query.limit = kMostLeases;
  auto const list = co_await client_.list_page(kLeases, "", std::move(query));
  if (!list) {
    // Who may not look works all the same. Any other error says nothing about who else is there.
    if (list.error().kind != ErrorKind::Forbidden) co_return list.error();
    if (!blind_told_) log::warn("other_releases_not_looked_for", {{"error", list.error().message}});
    blind_told_ = true;
    co_return std::optional<Neighbour>();
  }
  std::optional<Neighbour> first;
  for (auto& each : neighbours_.look(*list, steady_now())) {
    if (!each.watches_all()) {
      co_await tell(std::move(each), "release_beside");
    } else if (each.earlier && !first) {
      first = std::move(each);
    }
  }
  if (first) co_await tell(*first, "another_release");
  co_return first;
}

asio::awaitable<void> Lookout::tell(Neighbour neighbour, std::string reason) {
  if (told_.contains(neighbour.lease)) co_return;
  auto const note = to_string(neighbour);
  if (logged_.insert(neighbour.lease).second) {
    log::error(reason, {{"lease", neighbour.lease.namespace_name + "/" + neighbour.lease.name},
                        {"holder", neighbour.holder},
                        {"watches", neighbour.watches},
                        {"error", note}});
  }
  EventContent content{kLeases,
                       own_,
                       neighbours_.own_uid(),
                       "Warning",
                       neighbour.watches_all() ? "AnotherRelease" : "ReleaseBeside",
                       "Lead",
                       note,
                       std::string(kEventController),
                       instance_};
  auto event = new_event(std::move(content), wall_now(), events_++);
  auto const written = co_await client_.create(kEvents, event.key.namespace_name, std::move(event.body));
  if (written) {
    told_.insert(neighbour.lease);
  } else {
    // With the next look it is tried again.
    log::debug("event_not_written", {{"what", "create"}, {"error", written.error().message}});
  }
}

}  // namespace ei::kube
