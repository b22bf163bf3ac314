#pragma once

#include "operator/backend/kube/protocol/resource.hpp"
#include "runtime/core/units.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ei::kube {

/// The reportingController of every operator's Events; the reportingInstance tells them apart.
inline constexpr std::string_view kEventController = "elasticinference.dev/operator";

/// One request of the events.k8s.io/v1 API: a new Event, or a merge patch of an existing one's series.
struct EventWrite {
  ObjectKey key;
  bool create = false;
  boost::json::object body;
  std::optional<SteadyTime> first_failed = {};  ///< when it could first not be written
};

/// What a new Event says, and of which object.
struct EventContent {
  ResourceType regarding;
  ObjectKey subject;
  std::string subject_uid;
  std::string type;    ///< Normal or Warning
  std::string reason;  ///< CamelCase
  std::string action;  ///< what the operator was doing: Scale, Reconcile …
  std::string note;    ///< cut where it is longer than an Event's may be
  std::string controller;
  std::string instance;
};

/// The note as an Event takes it: the API server refuses one of more than 1,024 bytes.
std::string cut_note(std::string const& note);

/// The write of a new Event beside its object. `serial` tells those of one microsecond apart.
EventWrite new_event(EventContent content, WallTime wall, std::uint64_t serial);

}  // namespace ei::kube
