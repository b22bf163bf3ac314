#include "tests/sim/run/rates.hpp"

#include <algorithm>
#include <string_view>

namespace ei::sim {
namespace {

struct Limit {
  std::chrono::seconds span;
  std::size_t collections;
  std::size_t objects;
};

// Watches and lists of one kind. The back-off begins with 500 ms, a first listing after a calm is free, and a
// listing and the watch after it go together: at most 5 in a second. Where each stream brings an event and
// then breaks, every 500 ms begins anew: 20 in ten seconds.
//
// One object. The back-off begins with 5 ms and doubles: a child is tried 8 times in the first second, and
// each try may change the status. A status write that is lost begins a back-off of its own, which ends at the
// next try of the child: 1, 2, ... 7 writes fit between them. 8 + 28 are the most in a second; a loop without
// a back-off comes to a hundred, as a request takes 10 ms here. 29 in ten seconds were seen.
constexpr Limit kLimits[] = {{std::chrono::seconds(1), 6, 36}, {std::chrono::seconds(10), 24, 60}};

bool is_collection(std::string_view method, std::string_view target) {
  if (method != "GET") return false;
  auto const path = target.substr(0, target.find('?'));
  // The simulated operator watches all namespaces, so that only single objects have one in their path.
  return path.find("/namespaces/") == std::string_view::npos;
}

}  // namespace

void Rates::on_sent(std::string const& process, http::Request const& request, SteadyTime now) {
  auto const path = request.method + " " + request.target.substr(0, request.target.find('?'));
  auto& sent = sent_[{process, path}];
  sent.at[sent.count++ % kKept] = now;
  bool const collection = is_collection(request.method, request.target);
  for (auto const& limit : kLimits) {
    auto const most = collection ? limit.collections : limit.objects;
    if (sent.count <= most) continue;
    auto const before = sent.at[(sent.count - 1 - most) % kKept];
    if (now - before < limit.span && fault_.empty())
      fault_ = "hot loop: " + process + " sent " + std::to_string(most + 1) + " times " + path + " within " +
               std::to_string(limit.span.count()) + " s";
  }
}

}  // namespace ei::sim
