#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "operator/advice/trial.hpp"
#include "operator/api/service.hpp"
#include "operator/page/services.hpp"
#include "runtime/core/result.hpp"

namespace ei::page {

/// The last hour of a service on a model of it, once as it is and once under other settings, so that a
/// setting is tried before it is applied. Pure, and made of steps of a few milliseconds at most.
class Tryout {
 public:
  /// `query` names fields of spec.scaling: `policy=QueueRatio&minReplicas=2&cooldown=60s`. Errors: Invalid,
  /// naming the field, its value and what is allowed, as the API would.
  [[nodiscard]] static Result<Tryout> begin(api::ServiceKey const& key, Known known, std::string_view query);

  /// False: it is done, and result() may be read.
  bool step();
  /// docs/page.md, "Trying other settings".
  [[nodiscard]] boost::json::object result() const;

 private:
  Tryout(api::ServiceKey key, Known known) : key_(std::move(key)), known_(std::move(known)) {}

  Result<void> read(std::string_view query);
  [[nodiscard]] boost::json::object measured() const;
  [[nodiscard]] boost::json::array timeline() const;

  api::ServiceKey key_;
  Known known_;
  double cores_ = 1;                     // of a worker
  boost::json::object changes_;          // of spec.scaling
  std::optional<advice::Trial> acting_;  // none where the acting policy decides elsewhere
  std::string why_none_;
  std::optional<advice::Trial> tried_;
  bool acting_done_ = false;
};

}  // namespace ei::page
