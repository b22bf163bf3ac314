#pragma once

#include "operator/scaling/decision.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace ei::scaling {

/// What was measured, as a sentence: `31.5 requests/s arrive, one takes 0.021 s; 12 wait, …`.
std::string measured_in_words(Inputs const& inputs);

/// What one term asked for, before any limit.
struct Asked {
  std::string_view name;   ///< of a Term, or `Held`, `Recurring`
  std::string_view words;  ///< the same for a sentence
  int workers = 0;
};

/// The terms that asked for something.
std::vector<Asked> asked_for(Inputs const& inputs);

/// What each term asked for and which won: `load 3, backlog 5; Backlog won`. Empty where none asked.
std::string terms_in_words(Inputs const& inputs, std::string_view term);

/// What kept the answer from being the winning term's number, by the name of a Limit.
std::string limit_in_words(std::string_view limit);

}  // namespace ei::scaling
