#include "operator/backend/kube/claims.hpp"

#include "runtime/async/clock.hpp"
#include "runtime/core/json.hpp"

#include <utility>

namespace ei::kube {
namespace {

namespace asio = boost::asio;

// A label is rarely taken away. One that is missing is given by somebody who then waits.
constexpr std::chrono::minutes kAllowedFor{5};
constexpr std::chrono::seconds kRefusedFor{10};
// More claims than services that there can be are names out of edits; the map starts over.
constexpr std::size_t kMaxKnown = 10'000;

std::map<std::string, std::string> labels_of(boost::json::value const& object) {
  std::map<std::string, std::string> labels;
  auto const* value = find_member(object, "metadata.labels");
  if (value == nullptr || !value->is_object()) return labels;
  for (auto const& [name, text] : value->get_object()) {
    if (text.is_string()) labels[std::string(name)] = std::string(text.get_string());
  }
  return labels;
}

}  // namespace

asio::awaitable<Result<std::optional<api::FieldError>>> Claims::refusal(std::string field, ObjectKey claim) {
  auto const now = steady_now();
  auto const known = read_.find(claim);
  if (known != read_.end()) {
    auto verdict = api::claim_refusal(rule_, field, claim.name, known->second.labels);
    bool const fresh = verdict ? now < known->second.at + kRefusedFor : now < known->second.at + kAllowedFor;
    if (fresh) co_return std::move(verdict);
  }
  auto object = co_await client_.get(kPersistentVolumeClaims, claim);
  if (!object && object.error().kind == ErrorKind::Forbidden) {
    api::FieldError error{
        field, "Forbidden: the operator may not look at the labels of PersistentVolumeClaim " + claim.name +
                   ": " + object.error().message};
    co_return std::optional(std::move(error));
  }
  if (!object && object.error().kind != ErrorKind::NotFound)
    co_return with_context(object.error(), "PersistentVolumeClaim " + claim.name);
  if (read_.size() > kMaxKnown) read_.clear();
  auto& read = read_[claim];
  read.at = now;
  read.labels.reset();
  if (object) read.labels = labels_of(*object);
  co_return api::claim_refusal(rule_, field, claim.name, read.labels);
}

bool Claims::known_allowed(api::Spec const& spec, std::string const& namespace_name) const {
  if (rule_.kind != api::ClaimRule::Kind::Labelled) return true;
  for (auto const& [claim, field] : api::claims_of(spec)) {
    auto const known = read_.find({namespace_name, claim});
    if (known == read_.end() || api::claim_refusal(rule_, field, claim, known->second.labels)) return false;
  }
  return true;
}

}  // namespace ei::kube
