#pragma once

#include <string>

namespace ei::log {

/// What a TaskGroup does with a task that ended by an exception: such a task is a bug, and its line names it.
void failed_task(std::string const& name, std::string const& what);

}  // namespace ei::log
