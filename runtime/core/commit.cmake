# Writes OUT, which says the commit that SOURCE is at: COMMIT where it is given, none where SOURCE is no git checkout of its own.
#   cmake -DSOURCE=DIR -DOUT=FILE [-DCOMMIT=TEXT] -P commit.cmake
if(NOT COMMIT)
  # A copy within somebody else's repository is not at that one's commit.
  execute_process(COMMAND git -C ${SOURCE} rev-parse --show-prefix
    OUTPUT_VARIABLE prefix OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed AND NOT prefix)
    execute_process(COMMAND git -C ${SOURCE} rev-parse --short=12 HEAD
      OUTPUT_VARIABLE COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
endif()
if(NOT COMMIT MATCHES "^[-0-9A-Za-z._]*$")
  message(FATAL_ERROR "EI_COMMIT is '${COMMIT}'; allowed: letters, digits, '-', '.' and '_'")
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT [[
#include "runtime/core/version.hpp"

std::string_view ei::commit() {
  return "@COMMIT@";
}
]] @ONLY)
