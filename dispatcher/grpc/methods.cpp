#include "dispatcher/grpc/methods.hpp"

#include <health.pb.h>

#include <algorithm>
#include <utility>

#include "dispatcher/classify/classify.hpp"
#include "dispatcher/contract/form/submitted.hpp"
#include "dispatcher/grpc/convert.hpp"
#include "dispatcher/grpc/reflection.hpp"
#include "runtime/async/deadline.hpp"

namespace ei::dispatcher::grpc_front {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// A name and a version; protobuf makes at most forty times as much of it.
constexpr std::size_t kSmallMessage = 64 * 1024;

constexpr std::string_view kInferService = "inference.GRPCInferenceService";

Error failed(int http_status, ErrorKind kind, std::string message) {
  Error error = make_error(kind, std::move(message));
  error.http_status = http_status;
  return error;
}

// One message's bytes, which count in the budget as long as this lives.
struct Body {
  std::string bytes;
  std::unique_ptr<http::BodyBudget::Claim> claim;
};

asio::awaitable<Result<std::optional<Body>>> read_next(MethodContext& context, Call& call, std::size_t most,
                                                       milliseconds timeout) {
  auto read = co_await within(timeout, "the message", call.read());
  if (!read && read.error().kind == ErrorKind::Timeout)
    co_return failed(408, ErrorKind::Timeout, read.error().message);
  if (!read) co_return read.error();
  if (!*read) co_return std::optional<Body>();
  if ((*read)->size() > most) {
    co_return failed(413, ErrorKind::Invalid,
                     "the message has " + std::to_string((*read)->size()) + " bytes; allowed: at most " +
                         std::to_string(most));
  }
  std::optional<Body> body(std::in_place);
  body->claim = std::make_unique<http::BodyBudget::Claim>(context.options.bodies);
  if (!body->claim->raise_to((*read)->size())) {
    Error error = failed(429, ErrorKind::TooMany, "too many bodies are on their way");
    error.retry_after = std::chrono::seconds(1);
    co_return error;
  }
  body->bytes = std::move(**read);
  co_return body;
}

asio::awaitable<Result<Body>> read_only(MethodContext& context, Call& call, std::size_t most) {
  auto body = co_await read_next(context, call, most, context.options.body_timeout);
  if (!body) co_return body.error();
  if (!*body) co_return failed(400, ErrorKind::Invalid, "the call has no message; allowed: one");
  co_return std::move(**body);
}

template <class Message>
Result<Message> parse(std::string const& bytes) {
  Message out;
  if (out.ParseFromString(bytes)) return out;
  return failed(400, ErrorKind::Invalid, "the message is no " + out.GetTypeName());
}

void send_last(Call& call, google::protobuf::MessageLite const& message) {
  call.finish(grpc::Status::OK, message.SerializeAsString());
}

// gRPC has no way not to name a version.
std::optional<std::string> named_version(std::string const& version) {
  return version.empty() ? std::nullopt : std::optional(version);
}

// 404 for another model than ours, or a version of it that no worker has.
Result<void> check_named(MethodContext const& context, std::string const& name, std::string const& version) {
  return oip::check_model(context.options.model, served_versions(context.live), name, named_version(version));
}

asio::awaitable<Result<void>> infer(MethodContext& context, Call& call) {
  auto body = co_await read_only(context, call, max_message(context.options));
  if (!body) co_return body.error();
  auto message = read_infer(body->bytes);
  *body = {};  // its bytes are not needed while it waits
  if (!message) co_return message.error();
  auto const& options = context.options;
  if (auto const found = check_named(context, message->model, message->version); !found)
    co_return found.error();
  SteadyTime const deadline = std::min(call.deadline(), call.started() + options.request_timeout);
  auto version = named_version(message->version);
  auto const answers = co_await classify(context.live, message->request, options.picture, deadline,
                                         call.tag(), std::move(version));
  if (!answers) co_return answers.error();
  send_last(call, write_infer(options.model, *message, *answers));
  co_return Result<void>();
}

// A method whose answer is there at once.
template <class Asked, class Say>
asio::awaitable<Result<void>> at_once(MethodContext& context, Call& call, Say say) {
  auto const body = co_await read_only(context, call, kSmallMessage);
  if (!body) co_return body.error();
  auto const asked = parse<Asked>(body->bytes);
  if (!asked) co_return asked.error();
  auto const answer = say(context, *asked);
  if (!answer) co_return answer.error();
  send_last(call, *answer);
  co_return Result<void>();
}

Result<inference::ServerLiveResponse> server_live(MethodContext const&, inference::ServerLiveRequest const&) {
  inference::ServerLiveResponse out;
  out.set_live(true);
  return out;
}

Result<inference::ServerReadyResponse> server_ready(MethodContext const& context,
                                                    inference::ServerReadyRequest const&) {
  inference::ServerReadyResponse out;
  out.set_ready(inference_ready(context.live));
  return out;
}

Result<inference::ModelReadyResponse> named_model_ready(MethodContext const& context,
                                                        inference::ModelReadyRequest const& asked) {
  auto const found = check_named(context, asked.name(), asked.version());
  if (!found) return found.error();
  inference::ModelReadyResponse out;
  out.set_ready(model_ready(context.live));
  return out;
}

Result<inference::ServerMetadataResponse> about_server(MethodContext const&,
                                                       inference::ServerMetadataRequest const&) {
  return grpc_front::server_metadata();
}

Result<inference::ModelMetadataResponse> about_model(MethodContext const& context,
                                                     inference::ModelMetadataRequest const& asked) {
  auto const found = check_named(context, asked.name(), asked.version());
  if (!found) return found.error();
  return grpc_front::model_metadata(context.options.model, served_versions(context.live));
}

// The server as a whole is ready like HTTP's /readyz, while it takes requests: without workers they wait. The
// service that computes them is ready like /v2/health/ready.
HealthCheckResponse::ServingStatus health_of(MethodContext const& context, std::string const& service) {
  bool serving = false;
  if (service.empty()) {
    serving = !context.live.leaving();
  } else if (service == kInferService) {
    serving = inference_ready(context.live);
  } else {
    return HealthCheckResponse::SERVICE_UNKNOWN;
  }
  return serving ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

Result<HealthCheckResponse> check_health(MethodContext const& context, HealthCheckRequest const& asked) {
  HealthCheckResponse out;
  out.set_status(health_of(context, asked.service()));
  if (out.status() != HealthCheckResponse::SERVICE_UNKNOWN) return out;
  return failed(404, ErrorKind::NotFound,
                "there is no such service; allowed: \"\", \"" + std::string(kInferService) + "\"");
}

asio::awaitable<Result<void>> watch_health(MethodContext& context, Call& call) {
  auto body = co_await read_only(context, call, kSmallMessage);
  if (!body) co_return body.error();
  auto const asked = parse<HealthCheckRequest>(body->bytes);
  *body = {};
  if (!asked) co_return asked.error();
  std::optional<HealthCheckResponse::ServingStatus> sent;
  for (;;) {
    auto const status = health_of(context, asked->service());
    if (status != sent) {
      HealthCheckResponse message;
      message.set_status(status);
      std::string const bytes = message.SerializeAsString();
      if (auto written = co_await call.write(bytes); !written) co_return written.error();
      sent = status;
      continue;  // it may have changed while it was written
    }
    if (context.draining) co_return failed(503, ErrorKind::Unavailable, "this dispatcher is draining");
    if (!co_await context.health_changed.wait_or_cancel() || call.cancelled())
      co_return make_error(ErrorKind::Canceled, "the client left");
  }
}

asio::awaitable<Result<void>> reflect(MethodContext& context, Call& call) {
  for (;;) {
    // Clients such as grpcurl keep the stream open between questions, but not for long.
    auto body = co_await read_next(context, call, kSmallMessage, context.options.body_timeout);
    if (!body) co_return body.error();
    if (!*body) break;
    auto const asked = parse<grpc::reflection::v1::ServerReflectionRequest>((*body)->bytes);
    body->reset();
    if (!asked) co_return asked.error();
    std::string const bytes = reflection_answer(*asked).SerializeAsString();
    if (auto written = co_await call.write(bytes); !written) co_return written.error();
  }
  call.finish(grpc::Status::OK);
  co_return Result<void>();
}

using Handle = asio::awaitable<Result<void>> (*)(MethodContext&, Call&);

template <class Asked, auto say>
asio::awaitable<Result<void>> immediate(MethodContext& context, Call& call) {
  return at_once<Asked>(context, call, say);
}

struct Method {
  std::string_view path;
  Handle answer;
};

constexpr Method kMethods[] = {
    {"/inference.GRPCInferenceService/ModelInfer", infer},
    {"/inference.GRPCInferenceService/ServerLive", immediate<inference::ServerLiveRequest, server_live>},
    {"/inference.GRPCInferenceService/ServerReady", immediate<inference::ServerReadyRequest, server_ready>},
    {"/inference.GRPCInferenceService/ModelReady",
     immediate<inference::ModelReadyRequest, named_model_ready>},
    {"/inference.GRPCInferenceService/ServerMetadata",
     immediate<inference::ServerMetadataRequest, about_server>},
    {"/inference.GRPCInferenceService/ModelMetadata",
     immediate<inference::ModelMetadataRequest, about_model>},
    {"/grpc.health.v1.Health/Check", immediate<HealthCheckRequest, check_health>},
    {"/grpc.health.v1.Health/Watch", watch_health},
    {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", reflect},
    {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", reflect},
};

Method const* find_method(std::string_view path) {
  auto const* found = std::find_if(std::begin(kMethods), std::end(kMethods),
                                   [&](auto const& one) { return one.path == path; });
  return found == std::end(kMethods) ? nullptr : found;
}

}  // namespace

std::string_view known_method(std::string_view path) {
  auto const* method = find_method(path);
  return method == nullptr ? std::string_view() : method->path;
}

asio::awaitable<Result<void>> answer(MethodContext& context, Call& call) {
  if (auto const* method = find_method(call.method())) co_return co_await method->answer(context, call);
  co_return failed(501, ErrorKind::NotFound,
                   "there is no such method; server reflection lists those there are");
}

std::size_t max_message(GrpcOptions const& options) {
  return std::max(oip::kMaxBodyBytes, options.picture.max_bytes + kFormEnvelopeBytes);
}

}  // namespace ei::dispatcher::grpc_front
