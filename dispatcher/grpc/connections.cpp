#include "dispatcher/grpc/connections.hpp"

#include <sys/stat.h>

#include <optional>
#include <utility>

namespace ei::dispatcher::grpc_front {
namespace {

// A look at each of a thousand descriptors takes half a millisecond; a crowd that is refused must not cause
// one for each of its connections.
constexpr milliseconds kBetweenSweeps{50};

std::optional<ino_t> inode_of(int descriptor) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return std::nullopt;
  return status.st_ino;
}

}  // namespace

bool Connections::fits(std::string const& address) const {
  if (connections_.size() >= most_) return false;
  auto const found = by_address_.find(address);
  return most_per_address_ == 0 || found == by_address_.end() || found->second < most_per_address_;
}

bool Connections::room_for(std::string const& address, SteadyTime now) {
  if (fits(address)) return true;
  if (swept_ != SteadyTime::min() && now < swept_ + kBetweenSweeps) return false;
  swept_ = now;
  sweep();
  return fits(address);
}

void Connections::add(int descriptor, std::string address) {
  auto const inode = inode_of(descriptor);
  if (!inode) return;
  // The number was another connection's before: that one has ended.
  auto const former = connections_.find(descriptor);
  if (former != connections_.end()) {
    --by_address_[former->second.address];
    connections_.erase(former);
  }
  ++by_address_[address];
  connections_.emplace(descriptor, Connection{*inode, std::move(address)});
}

std::size_t Connections::open() {
  sweep();
  return connections_.size();
}

void Connections::sweep() {
  for (auto it = connections_.begin(); it != connections_.end();) {
    if (inode_of(it->first) == it->second.inode) {
      ++it;
      continue;
    }
    --by_address_[it->second.address];
    it = connections_.erase(it);
  }
  std::erase_if(by_address_, [](auto const& entry) { return entry.second == 0; });
}

}  // namespace ei::dispatcher::grpc_front
