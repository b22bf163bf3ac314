#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "inference/service/model.hpp"

namespace ei::inference {

/// Classifies picture files on the calling thread and prints one JSON object a line: `{"file","top":[…×5]}`
/// or
/// `{"file","error"}`. Returns the process's exit code: 0 when every file was classified.
[[nodiscard]] int classify_files(ModelFiles const& files, std::vector<std::string> const& paths,
                                 std::FILE* out);

}  // namespace ei::inference
