#pragma once

#include "runtime/core/result.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ei::kube {

/// An object's labels, in the order of their keys. The keys are literals or interned: thousands of objects
/// have the same few.
using Labels = std::vector<std::pair<std::string_view, std::string>>;

/// The same text with the life time of the program. Only for what comes from a small set.
std::string_view intern(std::string_view text);

/// The value of a label, or null; `labels` is ordered by key.
std::string const* find_label(Labels const& labels, std::string_view key);

/// A label selector: every requirement must hold.
/// Grammar of the API server's `labelSelector`: `a=b`, `a==b`, `a!=b`, `a in (x,y)`, `a notin (x,y)`, `a`,
/// `!a`.
class Selector {
 public:
  enum class Operator { In, NotIn, Exists, Absent };
  struct Requirement {
    std::string key;
    Operator op = Operator::Exists;
    std::vector<std::string> values;

    bool operator==(Requirement const&) const = default;
  };

  Selector() = default;

  /// Errors: Invalid, naming the part that cannot be read. An empty text selects everything.
  static Result<Selector> parse(std::string_view text);

  /// As the API server does: `!=` and `notin` hold also for an object without the label.
  bool matches(Labels const& labels) const;

  std::vector<Requirement> const& requirements() const { return requirements_; }

  bool operator==(Selector const&) const = default;

 private:
  std::vector<Requirement> requirements_;
};

}  // namespace ei::kube
