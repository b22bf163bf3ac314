#pragma once

#include "operator/backend/kube/client/client.hpp"
#include "operator/backend/kube/protocol/election.hpp"
#include "runtime/async/event.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <string>

namespace ei::kube {

/// Runs for one Lease. The client must be this election's own: its may_write must be empty, and a busy
/// operator's rate limit must not delay a renewal.
class Leader {
 public:
  Leader(boost::asio::any_io_executor executor, Client& client, ObjectKey lease, Elector::Options options);

  /// Elects and renews until cancelled.
  boost::asio::awaitable<void> run();

  /// Waits until this process leads.
  boost::asio::awaitable<void> wait_gained();
  /// Waits until this process, which led, does not lead any more.
  boost::asio::awaitable<void> wait_lost();
  /// Lets another take over at once; call after run() was cancelled.
  boost::asio::awaitable<void> release();

  /// What every write asks right before it is sent.
  bool may_write() const;
  std::string const& holder() const { return elector_.holder(); }

 private:
  boost::asio::awaitable<Elector::Input> perform(Elector::Read const& action);
  boost::asio::awaitable<Elector::Input> perform(Elector::Write const& action);
  void tell(bool led_before);

  Client& client_;
  ObjectKey lease_;
  Elector elector_;
  Event changed_;
};

}  // namespace ei::kube
