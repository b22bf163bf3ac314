#pragma once

#include <boost/json/object.hpp>
#include <deque>
#include <istream>
#include <string>
#include <string_view>
#include <vector>

#include "operator/api/status.hpp"
#include "runtime/core/result.hpp"

namespace ei::show {

/// One decision as it is told to people. From a status, or from a line of the decision log.
struct Told {
  std::string service;  ///< its name
  std::string namespace_name;
  api::DecisionRecord record;
  // In words, and empty where only a status tells of the decision.
  std::string measured = {};  ///< what it rests on
  std::string terms = {};     ///< what each term asked for, and which won
  std::string bound = {};     ///< what kept the answer from being that
  std::string why_not_more = {};
  std::string why_not_less = {};
};

/// With the sentences that a status or an Event tells beside the record.
[[nodiscard]] Told told_of(std::string service, std::string namespace_name, api::DecisionRecord record,
                           api::Explanation explanation);

/// The decision as sentences, one a line: the change with its reason, what was measured, what each term asked
/// for and which won, the bound, why not more and why not fewer. What a status does not say has no line.
[[nodiscard]] std::vector<std::string> explain(Told const& told);

/// What `status` says beside its decisions: the count, and each condition that is not as it should be.
[[nodiscard]] std::vector<std::string> explain_state(api::Status const& status);

/// What the acting policy has cost and what its advisors would have, a line for each.
[[nodiscard]] std::vector<std::string> explain_advice(api::Advice const& advice);

struct LogQuery {
  std::string name;
  std::string namespace_name;  ///< empty: of any
  std::size_t last = 3;        ///< decisions, the newest last
  bool all = false;            ///< also those that kept the count
};

/// The last decisions of a decision log that are asked for. Without `all` those that changed the count, and
/// the newest whatever it did. Errors: Invalid, naming the line; NotFound, naming the services there are.
[[nodiscard]] Result<std::deque<Told>> read_decisions(std::istream& log, LogQuery const& query);

}  // namespace ei::show
