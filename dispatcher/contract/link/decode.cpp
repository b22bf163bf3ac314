#include "dispatcher/contract/link/floats.hpp"
#include "dispatcher/contract/link/protocol.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <limits>
#include <optional>
#include <span>

#include "runtime/core/encoding.hpp"

namespace ei::dispatcher::link {
namespace {

namespace json = boost::json;

Error bad(std::string message) {
  return make_error(ErrorKind::Protocol, "worker link: " + std::move(message));
}

// A header cannot grow a client's view of memory: what is quoted back in an error stays short.
std::string quoted(json::value const* value) {
  if (value == nullptr) return "missing";
  std::string text = json::serialize(*value);
  return text.size() > 80 ? std::string(clipped(text, 77)) + "..." : text;
}

// Reads typed fields of one JSON object; the first wrong one is remembered, later reads then give defaults.
class Fields {
 public:
  Fields(json::object const& object, std::string where) : object_(object), where_(std::move(where)) {}

  std::uint64_t number(const char* name, std::uint64_t low, std::uint64_t high) {
    auto const* value = object_.if_contains(name);
    std::optional<std::uint64_t> found;
    if (value != nullptr && value->is_uint64()) found = value->get_uint64();
    if (value != nullptr && value->is_int64() && value->get_int64() >= 0) {
      found = static_cast<std::uint64_t>(value->get_int64());
    }
    if (found && *found >= low && *found <= high) return *found;
    fail(name, value, "an integer in [" + std::to_string(low) + ", " + std::to_string(high) + "]");
    return low;
  }

  double real(const char* name, double low, double high) {
    auto const* value = object_.if_contains(name);
    std::optional<double> found;
    if (value != nullptr && value->is_number()) found = value->to_number<double>();
    if (found && std::isfinite(*found) && *found >= low && *found <= high) return *found;
    fail(name, value, "a number in [" + std::to_string(low) + ", " + std::to_string(high) + "]");
    return low;
  }

  bool boolean(const char* name) {
    auto const* value = object_.if_contains(name);
    if (value != nullptr && value->is_bool()) return value->get_bool();
    fail(name, value, "true or false");
    return false;
  }

  std::string text(const char* name, std::size_t max_bytes) {
    auto const* value = object_.if_contains(name);
    if (value != nullptr && value->is_string() && value->get_string().size() <= max_bytes) {
      return std::string(value->get_string());
    }
    fail(name, value, "a string of at most " + std::to_string(max_bytes) + " bytes");
    return {};
  }

  std::string model_version(const char* name) {
    auto const* value = object_.if_contains(name);
    if (value != nullptr && value->is_string() && is_model_version(value->get_string()))
      return std::string(value->get_string());
    fail(name, value, "1 to " + std::to_string(kModelVersionDigits) + " lower-case hexadecimal digits");
    return {};
  }

  std::string one_of(const char* name, std::span<std::string_view const> words) {
    auto const* value = object_.if_contains(name);
    std::string allowed;
    for (auto const word : words) {
      if (value != nullptr && value->is_string() && value->get_string() == word) return std::string(word);
      allowed += (allowed.empty() ? "" : ", ") + std::string(word);
    }
    fail(name, value, allowed);
    return {};
  }

  // The array's elements, every one an object; empty on error.
  std::vector<json::object const*> objects(const char* name, std::size_t low, std::size_t high) {
    auto const* value = object_.if_contains(name);
    std::vector<json::object const*> found;
    if (value != nullptr && value->is_array() && value->get_array().size() >= low &&
        value->get_array().size() <= high) {
      for (auto const& element : value->get_array()) {
        if (element.is_object()) found.push_back(&element.get_object());
      }
      if (found.size() == value->get_array().size()) return found;
    }
    fail(name, value, "an array of " + std::to_string(low) + " to " + std::to_string(high) + " objects");
    return {};
  }

  std::optional<Error> const& error() const { return error_; }

 private:
  void fail(const char* name, json::value const* value, std::string const& allowed) {
    if (!error_) error_ = bad(where_ + "." + name + " is " + quoted(value) + "; allowed: " + allowed);
  }

  json::object const& object_;
  std::string where_;
  std::optional<Error> error_;
};

struct Frame {
  json::object header;
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
  if (!value.is_object()) return bad("header is " + quoted(&value) + "; allowed: an object");
  out.header = std::move(value.get_object());
  Fields fields(out.header, "header");
  out.type = fields.text("type", 32);
  if (fields.error()) return *fields.error();
  return out;
}

Result<ItemResult> item_result(json::object const& object, std::string const& where) {
  Fields fields(object, where);
  if (auto const* error = object.if_contains("error")) {
    if (!error->is_object()) return bad(where + ".error is " + quoted(error) + "; allowed: an object");
    Fields inner(error->get_object(), where + ".error");
    ItemError out;
    out.status = static_cast<int>(inner.number("status", 400, 599));
    out.detail = inner.text("detail", 4096);
    if (inner.error()) return *inner.error();
    return ItemResult(std::move(out));
  }
  std::vector<Prediction> top;
  for (auto const* entry : fields.objects("top", 1, kMaxTop)) {
    Fields inner(*entry, where + ".top[" + std::to_string(top.size()) + "]");
    Prediction p;
    p.label = inner.text("label", 4096);
    p.index = inner.number("index", 0, kMaxClasses - 1);
    // A float32 softmax may exceed 1 by rounding.
    p.probability = std::clamp(inner.real("probability", -0.001, 1.001), 0.0, 1.0);
    if (inner.error()) return *inner.error();
    top.push_back(std::move(p));
  }
  if (fields.error()) return *fields.error();
  return ItemResult(std::move(top));
}

Result<FromWorker> job_result(Frame const& frame) {
  Fields fields(frame.header, "result");
  JobResult out;
  out.id = fields.number("id", 0, std::numeric_limits<std::uint64_t>::max());
  out.preprocess_ms = fields.real("preprocess_ms", 0, 1e9);
  out.inference_ms = fields.real("inference_ms", 0, 1e9);
  if (frame.header.contains("waited_ms")) out.waited_ms = fields.real("waited_ms", 0, 1e9);
  const bool probabilities = fields.boolean("probabilities");
  for (auto const* object : fields.objects("items", 1, kMaxItems)) {
    auto item = item_result(*object, "result.items[" + std::to_string(out.items.size()) + "]");
    if (!item) return item.error();
    out.items.push_back(std::move(*item));
  }
  if (fields.error()) return *fields.error();
  const std::size_t row = 4 * out.items.size();
  if (!probabilities && !frame.payload.empty()) {
    return bad("result has a payload of " + std::to_string(frame.payload.size()) +
               " bytes but probabilities is false");
  }
  if (probabilities && (frame.payload.empty() || frame.payload.size() % row != 0)) {
    return bad("result payload has " + std::to_string(frame.payload.size()) + " bytes; allowed: float32 [" +
               std::to_string(out.items.size()) + ", classes]");
  }
  out.probabilities = floats(frame.payload);
  return FromWorker(std::move(out));
}

Result<FromWorker> hello(Frame const& frame) {
  Fields fields(frame.header, "hello");
  Hello out;
  out.worker = fields.text("worker", 256);
  out.model = fields.text("model", 256);
  out.classes = fields.number("classes", 1, kMaxClasses);
  out.labels_sha256 = fields.text("labels_sha256", 64);
  out.slots = fields.number("slots", 1, kMaxItems);
  // A worker of an older version sends none of these.
  if (frame.header.contains("model_version")) out.model_version = fields.model_version("model_version");
  if (frame.header.contains("output")) out.output = fields.one_of("output", kOutputs);
  if (frame.header.contains("precision")) out.precision = fields.one_of("precision", kPrecisions);
  if (frame.header.contains("agreement")) out.agreement = fields.real("agreement", 0, 1);
  if (frame.header.contains("standby")) out.standby = fields.boolean("standby");
  if (fields.error()) return *fields.error();
  return FromWorker(std::move(out));
}

Result<FromWorker> overrun(Frame const& frame) {
  Fields fields(frame.header, "overrun");
  Overrun out;
  out.id = fields.number("id", 0, std::numeric_limits<std::uint64_t>::max());
  if (fields.error()) return *fields.error();
  return FromWorker(out);
}

// What names a request is no part of the job: one that this worker cannot read, of a later dispatcher
// perhaps, is left out.
RequestTag tag_of(json::object const& object) {
  auto const text = [&](char const* name) {
    auto const* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                  : std::string_view();
  };
  RequestTag tag;
  if (auto const id = text("request_id"); is_request_id(id)) tag.id = id;
  tag.traceparent = read_traceparent(text("traceparent")).value_or("");
  if (!tag.traceparent.empty()) tag.tracestate = read_tracestate({text("tracestate")});
  return tag;
}

Result<JobItem> job_item(json::object const& object, std::string const& where) {
  Fields fields(object, where);
  JobItem out;
  const std::string kind = fields.text("kind", 16);
  out.bytes = fields.number("bytes", 0, kMaxPayloadBytes);
  if (!fields.error() && kind != "image" && kind != "tensor") {
    return bad(where + ".kind is " + quoted(object.if_contains("kind")) + "; allowed: \"image\", \"tensor\"");
  }
  if (kind == "tensor") {
    out.kind = ItemKind::Tensor;
    out.count = fields.number("count", 1, kMaxItems);
    if (!fields.error() && out.bytes != out.count * kTensorBytes) {
      return bad(where + ".bytes is " + std::to_string(out.bytes) + "; allowed: count times " +
                 std::to_string(kTensorBytes));
    }
  }
  if (fields.error()) return *fields.error();
  out.tag = tag_of(object);
  return out;
}

Result<FromDispatcher> job(Frame const& frame) {
  Fields fields(frame.header, "job");
  Job out;
  out.id = fields.number("id", 0, std::numeric_limits<std::uint64_t>::max());
  out.top = fields.number("top", 1, kMaxTop);
  out.probabilities = fields.boolean("probabilities");
  out.deadline = std::chrono::milliseconds(
      fields.number("deadline_ms", 0, static_cast<std::uint64_t>(kMaxDeadline.count())));
  std::size_t bytes = 0;
  std::size_t pictures = 0;
  for (auto const* object : fields.objects("items", 1, kMaxItems)) {
    auto item = job_item(*object, "job.items[" + std::to_string(out.items.size()) + "]");
    if (!item) return item.error();
    bytes += item->bytes;
    pictures += item->count;
    out.items.push_back(*item);
  }
  if (fields.error()) return *fields.error();
  if (pictures > kMaxItems) {
    return bad("job has " + std::to_string(pictures) + " pictures; allowed: at most " +
               std::to_string(kMaxItems));
  }
  if (bytes != frame.payload.size()) {
    return bad("job payload has " + std::to_string(frame.payload.size()) + " bytes but its items add up to " +
               std::to_string(bytes));
  }
  out.payload = std::string(frame.payload);
  return FromDispatcher(std::move(out));
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
  if (type == "overrun") return overrun(*split_frame);
  return bad("header.type is \"" + type +
             "\"; allowed from a worker: hello, ready, standby, result, bye, overrun");
}

Result<FromDispatcher> decode_from_dispatcher(std::string_view frame) {
  auto split_frame = split(frame);
  if (!split_frame) return split_frame.error();
  if (split_frame->type == "job") return job(*split_frame);
  if (split_frame->type == "cancel") {
    Fields fields(split_frame->header, "cancel");
    Cancel out;
    out.id = fields.number("id", 0, std::numeric_limits<std::uint64_t>::max());
    if (fields.error()) return *fields.error();
    return FromDispatcher(out);
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
