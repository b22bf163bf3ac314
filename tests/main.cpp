#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

#if CATCH_VERSION_MAJOR >= 3
// Catch2 3 has its main in a library; this one needs no other object of it.
int main(int argc, char** argv) {
  return Catch::Session().run(argc, argv);
}
#endif
