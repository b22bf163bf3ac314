#include "dispatcher/contract/link/floats.hpp"
#include "dispatcher/contract/link/members.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>

#include "runtime/core/encoding.hpp"
#include "runtime/core/json.hpp"

namespace ei::dispatcher::link {
namespace {

namespace json = boost::json;

Error bad(std::string message) {
  return make_error(ErrorKind::Protocol, "worker link: " + std::move(message));
}

struct Type {
  std::string type;
};
template <class Fields>
void list_members(Fields& fields, Type& header) {
  fields.text("type", header.type, 32);
}

/// Of a result: whether its payload has every class's probability.
struct WithProbabilities {
  bool probabilities = false;
};
template <class Fields>
void list_members(Fields& fields, WithProbabilities& result) {
  fields("probabilities", result.probabilities);
}

struct Frame {
  json::value header;
  std::string type;
  std::string_view payload;
};

Result<Frame> split(std::string_view frame) {
  if (frame.size() < 4)
    return bad("a frame of " + std::to_string(frame.size()) + " bytes has no header length");
  std::size_t length = 0;
  for (int i = 0; i < 4; ++i)
    length = length << 8 | static_cast<unsigned char>(frame[static_cast<std::size_t>(i)]);
  if (length > kMaxHeaderBytes) {
    return bad("header length is " + std::to_string(length) + "; allowed: at most " +
               std::to_string(kMaxHeaderBytes));
  }
  if (length > frame.size() - 4) {
    return bad("header length is " + std::to_string(length) + " but the frame has only " +
               std::to_string(frame.size() - 4) + " bytes after it");
  }
  Frame out;
  out.payload = frame.substr(4 + length);
  if (out.payload.size() > kMaxPayloadBytes) {
    return bad("payload has " + std::to_string(out.payload.size()) + " bytes; allowed: at most " +
               std::to_string(kMaxPayloadBytes));
  }
  json::error_code failed;
  json::parse_options options;
  options.max_depth = 8;  // the deepest header is object > items > object > top > object
  json::value value = json::parse(frame.substr(4, length), failed, {}, options);
  if (failed) return bad("header is not JSON: " + failed.message());
  auto const type = read_fields<Type>(value, "header");
  if (!type) return bad(type.error().message);
  out.type = type->type;
  out.header = std::move(value);
  return out;
}

/// The message of this frame; `root` is what faults call it.
template <class Message>
Result<Message> read(Frame const& frame, std::string_view root) {
  auto message = read_fields<Message>(frame.header, root);
  if (!message) return bad(message.error().message);
  return message;
}

Result<FromWorker> job_result(Frame const& frame) {
  auto const flag = read<WithProbabilities>(frame, "result");
  auto result = read<JobResult>(frame, "result");
  if (!result) return result.error();
  if (!flag) return flag.error();
  for (auto& item : result->items) {
    auto* const top = std::get_if<std::vector<Prediction>>(&item);
    if (top == nullptr) continue;
    for (auto& each : *top) each.probability = std::clamp(each.probability, 0.0, 1.0);
  }
  const std::size_t row = 4 * result->items.size();
  if (!flag->probabilities && !frame.payload.empty()) {
    return bad("result has a payload of " + std::to_string(frame.payload.size()) +
               " bytes but probabilities is false");
  }
  if (flag->probabilities && (frame.payload.empty() || frame.payload.size() % row != 0)) {
    return bad("result payload has " + std::to_string(frame.payload.size()) + " bytes; allowed: float32 [" +
               std::to_string(result->items.size()) + ", classes]");
  }
  result->probabilities = floats(frame.payload);
  return FromWorker(std::move(*result));
}

Result<FromWorker> hello(Frame const& frame) {
  auto hello = read<Hello>(frame, "hello");
  if (!hello) return hello.error();
  if (!is_model_version(hello->model_version)) {
    auto const text = to_json_text(boost::json::value(hello->model_version));
    return bad("hello.model_version is " + std::string(clipped(text, 60)) + "; allowed: 1 to " +
               std::to_string(kModelVersionDigits) + " lower-case hexadecimal digits");
  }
  return FromWorker(std::move(*hello));
}

// What names a request is no part of the job: one that this worker cannot read, of a later dispatcher
// perhaps, is left out.
RequestTag readable(RequestTag const& given) {
  RequestTag tag;
  if (is_request_id(given.id)) tag.id = given.id;
  tag.traceparent = read_traceparent(given.traceparent).value_or("");
  if (!tag.traceparent.empty()) tag.tracestate = read_tracestate({given.tracestate});
  return tag;
}

Result<FromDispatcher> job(Frame const& frame) {
  auto job = read<Job>(frame, "job");
  if (!job) return job.error();
  std::size_t bytes = 0;
  std::size_t pictures = 0;
  for (std::size_t i = 0; i < job->items.size(); ++i) {
    auto& item = job->items[i];
    if (item.kind == ItemKind::Tensor && item.bytes != item.count * kTensorBytes) {
      return bad("job.items[" + std::to_string(i) + "].bytes is " + std::to_string(item.bytes) +
                 "; allowed: count times " + std::to_string(kTensorBytes));
    }
    item.tag = readable(item.tag);
    bytes += item.bytes;
    pictures += item.count;
  }
  if (pictures > kMaxItems) {
    return bad("job has " + std::to_string(pictures) + " pictures; allowed: at most " +
               std::to_string(kMaxItems));
  }
  if (bytes != frame.payload.size()) {
    return bad("job payload has " + std::to_string(frame.payload.size()) + " bytes but its items add up to " +
               std::to_string(bytes));
  }
  job->payload = std::string(frame.payload);
  return FromDispatcher(std::move(*job));
}

}  // namespace

bool is_model_version(std::string_view text) {
  return !text.empty() && text.size() <= kModelVersionDigits &&
         text.find_first_not_of("0123456789abcdef") == text.npos;
}

Result<FromWorker> decode_from_worker(std::string_view frame) {
  auto split_frame = split(frame);
  if (!split_frame) return split_frame.error();
  std::string const& type = split_frame->type;
  if (type == "result") return job_result(*split_frame);
  if (!split_frame->payload.empty()) return bad(type + " carries a payload; allowed: none");
  if (type == "hello") return hello(*split_frame);
  if (type == "ready") return FromWorker(Ready{});
  if (type == "standby") return FromWorker(Standby{});
  if (type == "bye") return FromWorker(Bye{});
  if (type == "overrun") {
    auto const overrun = read<Overrun>(*split_frame, "overrun");
    if (!overrun) return overrun.error();
    return FromWorker(*overrun);
  }
  return bad("header.type is \"" + type +
             "\"; allowed from a worker: hello, ready, standby, result, bye, overrun");
}

Result<FromDispatcher> decode_from_dispatcher(std::string_view frame) {
  auto split_frame = split(frame);
  if (!split_frame) return split_frame.error();
  if (split_frame->type == "job") return job(*split_frame);
  if (split_frame->type == "cancel") {
    auto cancel = read<Cancel>(*split_frame, "cancel");
    if (!cancel) return cancel.error();
    return FromDispatcher(*cancel);
  }
  return bad("header.type is \"" + split_frame->type + "\"; allowed from a dispatcher: job, cancel");
}

std::vector<std::string_view> parts(Job const& job) {
  std::vector<std::string_view> out;
  std::string_view rest = job.payload;
  for (auto const& item : job.items) {
    out.push_back(rest.substr(0, item.bytes));
    rest.remove_prefix(std::min(item.bytes, rest.size()));
  }
  return out;
}

}  // namespace ei::dispatcher::link
