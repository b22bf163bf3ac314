#include <boost/json.hpp>

#include "dispatcher/contract/link/floats.hpp"
#include "dispatcher/contract/link/protocol.hpp"

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

json::object to_json(ItemResult const& item) {
  json::object out;
  if (auto const* error = std::get_if<ItemError>(&item)) {
    out["error"] = {{"status", error->status}, {"detail", error->detail}};
    return out;
  }
  json::array top;
  for (auto const& p : std::get<std::vector<Prediction>>(item)) {
    top.push_back({{"label", p.label}, {"index", p.index}, {"probability", p.probability}});
  }
  out["top"] = std::move(top);
  return out;
}

json::object job_header(Job const& job) {
  json::array items;
  for (auto const& item : job.items) {
    json::object object{{"kind", item.kind == ItemKind::Image ? "image" : "tensor"}, {"bytes", item.bytes}};
    if (item.kind == ItemKind::Tensor) object["count"] = item.count;
    for (auto const& [name, value] : {std::pair("request_id", &item.tag.id),
                                      {"traceparent", &item.tag.traceparent},
                                      {"tracestate", &item.tag.tracestate}}) {
      if (!value->empty()) object[name] = *value;
    }
    items.push_back(std::move(object));
  }
  return {{"type", "job"},
          {"id", job.id},
          {"items", std::move(items)},
          {"top", job.top},
          {"probabilities", job.probabilities},
          {"deadline_ms", job.deadline.count()}};
}

json::object header(Hello const& m) {
  json::object out{{"type", "hello"},
                   {"worker", m.worker},
                   {"model", m.model},
                   {"classes", m.classes},
                   {"labels_sha256", m.labels_sha256},
                   {"slots", m.slots},
                   {"model_version", m.model_version}};
  if (!m.output.empty()) out["output"] = m.output;
  if (!m.precision.empty()) out["precision"] = m.precision;
  if (m.agreement) out["agreement"] = *m.agreement;
  if (m.standby) out["standby"] = true;
  return out;
}
json::object header(Ready const&) {
  return {{"type", "ready"}};
}
json::object header(Standby const&) {
  return {{"type", "standby"}};
}
json::object header(Bye const&) {
  return {{"type", "bye"}};
}
json::object header(Overrun const& m) {
  return {{"type", "overrun"}, {"id", m.id}};
}
json::object header(JobResult const& m) {
  json::array items;
  for (auto const& item : m.items) items.push_back(to_json(item));
  return {{"type", "result"},
          {"id", m.id},
          {"items", std::move(items)},
          {"preprocess_ms", m.preprocess_ms},
          {"inference_ms", m.inference_ms},
          {"waited_ms", m.waited_ms},
          {"probabilities", !m.probabilities.empty()}};
}

}  // namespace

std::string encode(FromWorker const& message) {
  std::string payload;
  if (auto const* result = std::get_if<JobResult>(&message)) payload = float_bytes(result->probabilities);
  return join(std::visit([](auto const& m) { return header(m); }, message), {payload});
}

std::string encode(FromDispatcher const& message) {
  if (auto const* cancel = std::get_if<Cancel>(&message))
    return join({{"type", "cancel"}, {"id", cancel->id}}, {});
  auto const& job = std::get<Job>(message);
  return join(job_header(job), {job.payload});
}

std::string encode_job_head(Job const& job) {
  return join(job_header(job), {});
}

}  // namespace ei::dispatcher::link
