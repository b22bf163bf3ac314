#include "runtime/core/version.hpp"

namespace ei {

std::string_view version() {
  return EI_VERSION;
}

}  // namespace ei
