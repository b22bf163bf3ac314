#include "operator/api/parse_advisors.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>

namespace ei::api {
namespace {

std::string words() {
  std::string text;
  for (auto const advisor : scaling::kAdvisors)
    text += (text.empty() ? "" : ", ") + std::string(scaling::name(advisor));
  return text;
}

}  // namespace

void read_advisors(ObjectReader& scaling, Spec& spec) {
  constexpr std::string_view kName = "advisors";
  auto const* const items = scaling.array(kName, {0, kMaxAdvisors});
  if (items == nullptr) return;
  for (auto const& item : *items) {
    auto const at = std::string(kName) + "[" + std::to_string(&item - items->begin()) + "]";
    auto const* const word = item.if_string();
    auto const* const advisor =
        std::find_if(std::begin(scaling::kAdvisors), std::end(scaling::kAdvisors),
                     [&](auto each) { return word != nullptr && scaling::name(each) == *word; });
    if (advisor == std::end(scaling::kAdvisors)) {
      scaling.fail(at, invalid_value(item, "one of " + words()));
    } else if (std::count(spec.advisors.begin(), spec.advisors.end(), *advisor) > 0) {
      scaling.fail(at, "Duplicate value: " + boost::json::serialize(item));
    } else {
      spec.advisors.push_back(*advisor);
    }
  }
  if (!items->empty() && !spec.prometheus_query.empty()) {
    scaling.fail(kName,
                 "Forbidden: needs measurements of arrivals and service times, which the operator does not "
                 "have with prometheusQuery");
  }
}

}  // namespace ei::api
