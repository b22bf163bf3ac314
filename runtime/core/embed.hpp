#pragma once

// EI_EMBED(symbol, "path"): the bytes of a file from `symbol` to `symbol_end`, and a 0 after them. `.incbin`
// copies the file into the object without the compiler ever parsing it. 64 bytes: a cache line, which is more
// than any element type asks for. The object file must depend on the file (OBJECT_DEPENDS in CMake).
#define EI_EMBED(symbol, path)            \
  __asm__(                                \
      ".section .rodata\n"                \
      ".balign 64\n"                      \
      ".global " #symbol                  \
      "\n"                                \
      ".global " #symbol "_end\n" #symbol \
      ":\n"                               \
      ".incbin \"" path "\"\n" #symbol    \
      "_end:\n"                           \
      ".byte 0\n"                         \
      ".previous\n");                     \
  extern "C" char const symbol[];         \
  extern "C" char const symbol##_end[]
