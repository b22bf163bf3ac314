// One gRPC call, from gRPC's own threads to the executor's and back.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/support/byte_buffer.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "dispatcher/grpc/outbox.hpp"
#include "runtime/async/event.hpp"
#include "runtime/core/request_tag.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"

namespace ei::dispatcher::grpc_front {
namespace asio = boost::asio;

/// gRPC reports on threads of its own (OnReadDone …); each report is posted to the executor, where all the
/// rest happens. A call is kept alive by itself until gRPC has done with it.
class Call final : public ::grpc::ServerGenericBidiReactor, public std::enable_shared_from_this<Call> {
 public:
  /// `on_done` is called on the executor once gRPC has done with the call, last of all. The outbox, which
  /// outlives the call, counts what the client has not taken yet, and may give the call up.
  static std::shared_ptr<Call> make(asio::any_io_executor executor,
                                    ::grpc::GenericCallbackServerContext& context, Outbox& outbox,
                                    std::function<void()> on_done);

  [[nodiscard]] std::string const& method() const { return method_; }  ///< `/package.Service/Method`
  /// From the client's metadata, as of HTTP's headers; its id is in the answer's.
  [[nodiscard]] RequestTag const& tag() const { return tag_; }
  [[nodiscard]] RequestTag& tag() { return tag_; }
  [[nodiscard]] SteadyTime started() const { return started_; }
  /// The client's; Time::max() for none.
  [[nodiscard]] SteadyTime deadline() const { return deadline_; }

  /// Emits (terminal) when the client has left.
  [[nodiscard]] asio::cancellation_slot cancelled_slot() { return cancel_.slot(); }
  [[nodiscard]] bool cancelled() const { return cancelled_; }

  /// The next message's bytes, or none when the client has sent all. One read at a time. Errors: Canceled.
  [[nodiscard]] asio::awaitable<Result<std::optional<std::string>>> read();
  /// Sends a message that is not the last. One write at a time. Errors: Canceled.
  [[nodiscard]] asio::awaitable<Result<void>> write(std::string_view bytes);
  /// Ends the call, with `last` as its last message where there is one. Once.
  void finish(::grpc::Status status, std::optional<std::string_view> last = {});
  [[nodiscard]] bool finished() const { return finished_; }

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  Call(asio::any_io_executor executor, ::grpc::GenericCallbackServerContext& context, Outbox& outbox,
       std::function<void()> on_done);
  void sending(std::size_t bytes);
  void sent();
  void abort();
  // Runs `report` on the executor.
  template <class Report>
  void post(Report report);

  asio::any_io_executor executor_;
  std::string method_;
  RequestTag tag_;
  SteadyTime started_;
  SteadyTime deadline_;
  Outbox& outbox_;
  std::optional<Outbox::Place> waiting_;  // the message that gRPC has in its hands
  asio::steady_timer patience_;           // for that message to leave
  std::function<void()> on_done_;
  std::shared_ptr<Call> self_;
  asio::cancellation_signal cancel_;
  Event read_done_;
  Event write_done_;
  std::mutex core_mutex_;
  grpc_call* core_;  // null once gRPC has done with the call, which one of its threads hears
  std::optional<bool> read_ok_;
  std::optional<bool> write_ok_;
  ::grpc::ByteBuffer incoming_;
  ::grpc::ByteBuffer outgoing_;
  bool cancelled_ = false;
  bool finished_ = false;
};

}  // namespace ei::dispatcher::grpc_front
