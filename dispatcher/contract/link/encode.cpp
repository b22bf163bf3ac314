#include <boost/json/serialize.hpp>

#include "dispatcher/contract/link/floats.hpp"
#include "dispatcher/contract/link/members.hpp"

namespace ei::dispatcher::link {
namespace {

namespace json = boost::json;

std::string join(json::object const& header, std::vector<std::string_view> const& payload) {
  const std::string text = json::serialize(header);
  std::size_t total = 4 + text.size();
  for (const auto part : payload) total += part.size();
  std::string out;
  out.reserve(total);
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(text.size() >> shift & 0xff));
  out += text;
  for (const auto part : payload) out += part;
  return out;
}

template <class Message>
json::object header(std::string_view type, Message const& message) {
  FieldWriter fields;
  fields("type", type);
  list_members(fields, const_cast<Message&>(message));  // one list serves both directions
  return fields.take();
}

/// In the order of FromWorker's alternatives.
constexpr std::array<std::string_view, 6> kTypes = {"hello", "ready", "result", "bye", "overrun", "standby"};
static_assert(std::variant_size_v<FromWorker> == kTypes.size());

json::object header(FromWorker const& message) {
  auto const* const result = std::get_if<JobResult>(&message);
  auto written = std::visit([&](auto const& each) { return header(kTypes[message.index()], each); }, message);
  if (result != nullptr) written["probabilities"] = !result->probabilities.empty();
  return written;
}

}  // namespace

std::string encode(FromWorker const& message) {
  std::string payload;
  if (auto const* result = std::get_if<JobResult>(&message)) payload = float_bytes(result->probabilities);
  return join(header(message), {payload});
}

std::string encode(FromDispatcher const& message) {
  if (auto const* cancel = std::get_if<Cancel>(&message)) return join(header("cancel", *cancel), {});
  auto const& job = std::get<Job>(message);
  return join(header("job", job), {job.payload});
}

std::string encode_job_head(Job const& job) {
  return join(header("job", job), {});
}

}  // namespace ei::dispatcher::link
