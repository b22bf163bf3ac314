#include "operator/backend/kube/lookout.hpp"

#include "runtime/async/clock.hpp"
#include "runtime/log/log.hpp"

#include <cstdio>
#include <utility>

namespace ei::kube {
namespace {

namespace asio = boost::asio;

// Leases with the operators' label: more than a cluster has releases.
constexpr int kMostLeases = 500;

std::string event_name(std::string const& lease) {
  auto const micros =
      std::chrono::duration_cast<std::chrono::microseconds>(wall_now().time_since_epoch()).count();
  char suffix[24];
  std::snprintf(suffix, sizeof suffix, ".%llx", static_cast<unsigned long long>(micros));
  return lease + suffix;
}

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
  if (!told_.insert(neighbour.lease).second) co_return;
  auto const note = to_string(neighbour);
  log::error(reason, {{"lease", neighbour.lease.namespace_name + "/" + neighbour.lease.name},
                      {"holder", neighbour.holder},
                      {"watches", neighbour.watches},
                      {"error", note}});
  boost::json::object metadata{{"name", event_name(own_.name)}, {"namespace", own_.namespace_name}};
  boost::json::object regarding{{"apiVersion", api_version(kLeases)},
                                {"kind", kLeases.kind},
                                {"namespace", own_.namespace_name},
                                {"name", own_.name},
                                {"uid", neighbours_.own_uid()}};
  boost::json::object body{{"apiVersion", api_version(kEvents)},
                           {"kind", kEvents.kind},
                           {"metadata", std::move(metadata)},
                           {"eventTime", format_rfc3339(wall_now())},
                           {"reportingController", "elasticinference.dev/operator"},
                           {"reportingInstance", instance_},
                           {"type", "Warning"},
                           {"reason", neighbour.watches_all() ? "AnotherRelease" : "ReleaseBeside"},
                           {"action", "Lead"},
                           {"note", note},
                           {"regarding", std::move(regarding)}};
  auto const written = co_await client_.create(kEvents, own_.namespace_name, std::move(body));
  if (!written) log::debug("event_not_written", {{"what", "create"}, {"error", written.error().message}});
}

}  // namespace ei::kube
