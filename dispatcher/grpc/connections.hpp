#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <unordered_map>

#include "runtime/core/units.hpp"

namespace ei::dispatcher::grpc_front {

/// The connections that were handed to gRPC, which owns and closes them without a word. A descriptor that is
/// closed, or was given out again for something else, has another inode or none: so they are counted.
class Connections {
 public:
  /// 0: no cap on those of one address.
  Connections(std::size_t most, std::size_t most_per_address)
      : most_(most), most_per_address_(most_per_address) {}

  /// Whether there is room for one of that address, whatever has ended meanwhile.
  [[nodiscard]] bool room_for(std::string const& address, SteadyTime now);
  void add(int descriptor, std::string address);
  /// Those that are open now.
  [[nodiscard]] std::size_t open();

 private:
  struct Connection {
    ino_t inode = 0;
    std::string address;
  };
  void sweep();
  [[nodiscard]] bool fits(std::string const& address) const;

  std::size_t most_;
  std::size_t most_per_address_;
  std::unordered_map<int, Connection> connections_;  // by descriptor
  std::unordered_map<std::string, std::size_t> by_address_;
  SteadyTime swept_ = SteadyTime::min();
};

}  // namespace ei::dispatcher::grpc_front
