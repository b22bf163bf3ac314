#include "operator/simulation/ray.hpp"

#include <catch2/catch.hpp>

using namespace ei::simulation;

namespace {

int after(Ray& ray, int ticks, double ongoing, int current) {
  for (int i = 0; i < ticks; ++i) current = ray.decide(ongoing, current);
  return current;
}

}  // namespace

TEST_CASE("Ray Serve scales up once it has wanted to for thirty seconds") {
  Ray ray{RaySettings{}};
  CHECK(after(ray, 30, 7, 1) == 1);
  CHECK(ray.decide(7, 1) == 4);  // ceil(7/2)
}

TEST_CASE("Ray Serve scales down once it has wanted to for ten minutes") {
  Ray ray{RaySettings{}};
  CHECK(after(ray, 600, 1, 5) == 5);
  CHECK(ray.decide(1, 5) == 1);
}

TEST_CASE("Ray Serve forgets a wish that was not kept up") {
  Ray ray{RaySettings{}};
  CHECK(after(ray, 10, 8, 2) == 2);
  CHECK(after(ray, 60, 0, 2) == 2);  // the mean falls below the target within the look-back
  CHECK(after(ray, 25, 8, 2) == 2);
}

TEST_CASE("Ray Serve keeps its bounds") {
  Ray ray{RaySettings{}};
  CHECK(after(ray, 31, 1000, 1) == 6);
  Ray idle{RaySettings{}};
  CHECK(after(idle, 601, 0, 6) == 1);
}
