#pragma once

#include "operator/backend/kube/client/client.hpp"
#include "operator/backend/kube/protocol/neighbours.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <set>
#include <string>

namespace ei::kube {

/// Looks for other releases in the cluster, and tells of them: in the log, and as Events of its own Lease.
class Lookout {
 public:
  /// `client` must outlive this, and its writes must not wait for leadership. `own` is the Lease of this
  /// release, `instance` this process among its operators.
  Lookout(Client& client, ObjectKey own, std::string instance)
      : client_(client), own_(own), neighbours_(std::move(own)), instance_(std::move(instance)) {}

  /// The release that was here first and watches all namespaces as this one does; nothing where there is
  /// none, or where this operator may not look. Errors: the server's own; then nobody knows.
  boost::asio::awaitable<Result<std::optional<Neighbour>>> earlier_release();

 private:
  boost::asio::awaitable<void> tell(Neighbour neighbour, std::string reason);

  Client& client_;
  ObjectKey own_;
  Neighbours neighbours_;
  std::string instance_;
  std::set<ObjectKey> logged_;
  std::set<ObjectKey> told_;  ///< by an Event that was written
  std::uint64_t events_ = 0;  ///< that were tried to write
  bool blind_told_ = false;
};

}  // namespace ei::kube
