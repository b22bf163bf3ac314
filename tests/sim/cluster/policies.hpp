#pragma once

#include "operator/api/service.hpp"
#include "operator/scaling/settings.hpp"
#include "operator/simulation/rng.hpp"
#include "runtime/core/units.hpp"

#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace ei::sim {

/// The program behind every service's `spec.scaling.webhook`, in one of its moods at a time. It keeps what it
/// answered, for whoever checks that no other count is taken for its own.
class Policies {
 public:
  static constexpr std::string_view kUrl = "http://policy.default.svc/decide";

  /// What comes of one question.
  struct Reply {
    bool refused = false;  ///< nobody listens
    milliseconds delay{0};
    int status = 200;
    std::string body;
  };

  /// `calm` from the end of the faults on: it answers at once, and what is right.
  bool calm = false;

  explicit Policies(std::uint64_t seed) : rng_(seed) {}

  Reply reply(std::string const& question, SteadyTime now);

  /// Whether this count of a service, between bounds, may come of an answer that was given since `from`.
  bool answered(std::string const& service, std::int64_t count, scaling::Settings const& bounds,
                SteadyTime from) const;

 private:
  enum class Mood { Right, Late, Wild, Rubbish, Broken, Away };
  struct Asker {
    Mood mood = Mood::Right;
    SteadyTime changes{};
    SteadyTime busy{};                     ///< when requests waited or were computed last
    std::multimap<SteadyTime, int> given;  ///< answers, by when they were given
  };
  int right(boost::json::value const& question, Asker& asker, SteadyTime now);
  std::string rubbish();

  simulation::Rng rng_;
  std::map<std::string, Asker> askers_;
};

}  // namespace ei::sim
