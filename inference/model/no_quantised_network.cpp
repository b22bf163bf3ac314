// In place of quantised_network.cpp where there is no oneDNN 2 or 3.
#include <ATen/core/Tensor.h>

#include <stdexcept>

#include "inference/model/quantised_network.hpp"

namespace ei::inference {

struct QuantisedNetwork::Program {};

QuantisedNetwork::QuantisedNetwork(StateDict const&, Ranges const&) {
  throw std::logic_error("has_int8() was not asked");
}

at::Tensor QuantisedNetwork::operator()(at::Tensor const& pictures) const {
  return pictures;
}

bool cpu_multiplies_int8() {
  return false;
}

bool has_int8() {
  return false;
}

}  // namespace ei::inference
