#include "dispatcher/grpc/call.hpp"

#include <grpc/grpc.h>
#include <grpcpp/support/slice.h>

#include <boost/asio/post.hpp>
#include <utility>
#include <vector>

#include "runtime/http/request_tag.hpp"

namespace ei::dispatcher::grpc_front {
namespace {

SteadyTime steady_deadline(::grpc::CallbackServerContext const& context, SteadyTime now) {
  auto const given = context.deadline();
  auto const system_now = std::chrono::system_clock::now();
  // A day: as long as any deadline of ours, and far below what overflows a clock.
  constexpr auto kLongest = std::chrono::hours(24);
  if (given >= system_now + kLongest) return SteadyTime::max();
  return now + std::chrono::duration_cast<SteadyTime::duration>(given - system_now);
}

::grpc::ByteBuffer buffer_of(std::string_view bytes) {
  ::grpc::Slice const slice(bytes.data(), bytes.size());
  return {&slice, 1};
}

std::string bytes_of(::grpc::ByteBuffer const& buffer) {
  std::vector<::grpc::Slice> slices;
  std::string out;
  if (!buffer.Dump(&slices).ok()) return out;
  out.reserve(buffer.Length());
  for (auto const& slice : slices) out.append(reinterpret_cast<char const*>(slice.begin()), slice.size());
  return out;
}

// gRPC gives several values of a name one by one.
RequestTag tag_of(::grpc::CallbackServerContext const& context) {
  http::Headers headers;
  for (auto const& [name, value] : context.client_metadata())
    headers.add(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
  return http::read_tag(headers);
}

Error client_left() {
  return make_error(ErrorKind::Canceled, "the client left");
}

}  // namespace

Call::Call(asio::any_io_executor executor, ::grpc::GenericCallbackServerContext& context, Outbox& outbox,
           std::function<void()> on_done)
    : executor_(executor),
      method_(context.method()),
      tag_(tag_of(context)),
      started_(std::chrono::steady_clock::now()),
      deadline_(steady_deadline(context, started_)),
      outbox_(outbox),
      patience_(executor, SteadyTime::max()),
      on_done_(std::move(on_done)),
      read_done_(executor),
      write_done_(executor),
      core_(context.c_call()) {
  context.AddInitialMetadata("x-request-id", tag_.id);
}

std::shared_ptr<Call> Call::make(asio::any_io_executor executor,
                                 ::grpc::GenericCallbackServerContext& context, Outbox& outbox,
                                 std::function<void()> on_done) {
  std::shared_ptr<Call> out(new Call(std::move(executor), context, outbox, std::move(on_done)));
  out->self_ = out;
  // At once, not with the answer: a call whose message is too large is ended by gRPC with a status alone.
  out->StartSendInitialMetadata();
  return out;
}

template <class Report>
void Call::post(Report report) {
  asio::post(executor_, [self = shared_from_this(), report = std::move(report)] { report(*self); });
}

asio::awaitable<Result<std::optional<std::string>>> Call::read() {
  read_ok_.reset();
  read_done_.clear();
  incoming_.Clear();
  StartRead(&incoming_);
  (void)co_await read_done_.wait_or_cancel();
  if (cancelled_ || !read_ok_) co_return client_left();
  if (!*read_ok_) co_return std::optional<std::string>();
  std::optional<std::string> bytes = bytes_of(incoming_);
  incoming_.Clear();
  co_return bytes;
}

asio::awaitable<Result<void>> Call::write(std::string_view bytes) {
  write_ok_.reset();
  write_done_.clear();
  outgoing_ = buffer_of(bytes);
  sending(bytes.size());
  StartWrite(&outgoing_);
  (void)co_await write_done_.wait_or_cancel();
  sent();
  if (cancelled_ || !write_ok_.value_or(false)) co_return client_left();
  co_return Result<void>();
}

void Call::finish(::grpc::Status status, std::optional<std::string_view> last) {
  if (finished_) return;
  finished_ = true;
  if (!last) return Finish(std::move(status));
  outgoing_ = buffer_of(*last);
  sending(last->size());
  StartWriteAndFinish(&outgoing_, {}, std::move(status));
}

void Call::sending(std::size_t bytes) {
  waiting_ = outbox_.add(bytes, std::chrono::steady_clock::now(), [this] { abort(); });
  patience_.expires_at((*waiting_)->deadline);
  patience_.async_wait([self = shared_from_this()](boost::system::error_code const& code) {
    if (!code && self->waiting_) self->outbox_.abort(*self->waiting_);
  });
}

void Call::sent() {
  patience_.cancel();
  if (waiting_) outbox_.remove(*std::exchange(waiting_, std::nullopt));
}

// Its client does not take what it asked for. gRPC drops the message, and reports later the call's end.
void Call::abort() {
  waiting_.reset();
  patience_.cancel();
  grpc_call* core = nullptr;
  {
    std::lock_guard const lock(core_mutex_);
    core = core_;
    if (core == nullptr) return;
    grpc_call_ref(core);
  }
  // Not under the lock: gRPC may report the end from in here.
  grpc_call_cancel(core, nullptr);
  grpc_call_unref(core);
}

void Call::OnReadDone(bool ok) {
  post([ok](Call& call) {
    call.read_ok_ = ok;
    call.read_done_.set();
  });
}

void Call::OnWriteDone(bool ok) {
  post([ok](Call& call) {
    call.write_ok_ = ok;
    call.write_done_.set();
  });
}

void Call::OnCancel() {
  post([](Call& call) {
    call.cancelled_ = true;
    call.cancel_.emit(asio::cancellation_type::terminal);
  });
}

void Call::OnDone() {
  {
    std::lock_guard const lock(core_mutex_);
    core_ = nullptr;
  }
  post([](Call& call) {
    call.sent();
    call.self_.reset();
    call.on_done_();
  });
}

}  // namespace ei::dispatcher::grpc_front
