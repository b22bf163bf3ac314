#pragma once

// The words of the simulation's room are the bench's own.
namespace ei::simulation {}
namespace ei::bench {
using namespace simulation;
}
