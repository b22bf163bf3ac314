#include "runtime/log/failed_task.hpp"

#include "runtime/log/log.hpp"

namespace ei::log {

void failed_task(std::string const& name, std::string const& what) {
  error("task_failed", {{"task", name}, {"error", what}});
}

}  // namespace ei::log
