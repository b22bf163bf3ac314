#include "operator/backend/kube/protocol/neighbours.hpp"

#include "operator/backend/kube/protocol/election.hpp"
#include "runtime/core/json.hpp"

#include <utility>

namespace ei::kube {
namespace {

ObjectKey key_of(boost::json::value const& lease) {
  return {std::string(string_or(lease, "metadata.namespace")),
          std::string(string_or(lease, "metadata.name"))};
}

/// The value of an annotation, whose name holds dots.
std::string annotation(boost::json::value const& object, std::string_view name) {
  auto const* all = find_member(object, "metadata.annotations");
  auto const* value = all != nullptr && all->is_object() ? all->get_object().if_contains(name) : nullptr;
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

/// When it was made; two of one second are told apart by their names. RFC 3339 in UTC sorts as text.
std::pair<std::string, ObjectKey> age_of(boost::json::value const& lease) {
  return {std::string(string_or(lease, "metadata.creationTimestamp")), key_of(lease)};
}

}  // namespace

std::vector<Neighbour> Neighbours::look(boost::json::value const& list, SteadyTime now) {
  auto const* items = find_member(list, "items");
  if (items == nullptr || !items->is_array()) return {};
  boost::json::value const* own = nullptr;
  for (auto const& item : items->get_array()) {
    if (key_of(item) == own_) own = &item;
  }
  if (own != nullptr) own_uid_ = string_or(*own, "metadata.uid");
  std::vector<Neighbour> found;
  std::map<ObjectKey, Seen> seen;
  for (auto const& item : items->get_array()) {
    if (&item == own) continue;
    auto const record = read_lease(item);
    auto const key = key_of(item);
    auto const before = seen_.find(key);
    bool const same = before != seen_.end() && before->second.version == record.resource_version;
    auto const& entry = seen[key] = same ? before->second : Seen{record.resource_version, now};
    if (record.holder.empty() || now - entry.since >= record.duration) continue;
    bool const earlier = own == nullptr || age_of(item) < age_of(*own);
    found.push_back({key, record.holder, annotation(item, kWatchesAnnotation), earlier});
  }
  seen_ = std::move(seen);
  return found;
}

std::string to_string(Neighbour const& neighbour) {
  auto const lease = neighbour.lease.namespace_name + "/" + neighbour.lease.name;
  if (!neighbour.watches_all())
    return "another release watches " + neighbour.watches + " too (its Lease is " + lease + ", held by " +
           neighbour.holder +
           "): two operators write the same objects there. Give each of them namespaces of its own";
  return "another release watches all namespaces and was there first (its Lease is " + lease + ", held by " +
         neighbour.holder +
         "): this one does nothing until that one is gone. Uninstall one of them, or give one namespaces of "
         "its own "
         "(--namespace, the chart's watchNamespaces)";
}

}  // namespace ei::kube
