#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace ei::dispatcher {

/// A binary min-heap of (deadline, slot) whose members can be removed from the middle: it tells each slot's
/// position through `moved(slot, position)`. Ties are broken by slot, so the order never depends on history.
class DeadlineHeap {
 public:
  struct Node {
    std::chrono::steady_clock::time_point deadline;
    std::uint32_t slot;
    bool operator<(Node const& other) const {
      return deadline != other.deadline ? deadline < other.deadline : slot < other.slot;
    }
  };

  [[nodiscard]] bool empty() const { return nodes_.empty(); }
  [[nodiscard]] Node const& top() const { return nodes_.front(); }
  void reserve(std::size_t count) { nodes_.reserve(count); }

  template <class Moved>
  void push(Node node, Moved&& moved) {
    nodes_.push_back(node);
    rise(nodes_.size() - 1, moved);
  }

  template <class Moved>
  void remove(std::size_t position, Moved&& moved) {
    Node const last = nodes_.back();
    nodes_.pop_back();
    if (position == nodes_.size()) return;
    bool const up = last < nodes_[position];
    nodes_[position] = last;
    if (up) {
      rise(position, moved);
    } else {
      sink(position, moved);
    }
  }

 private:
  template <class Moved>
  void rise(std::size_t at, Moved&& moved) {
    Node const node = nodes_[at];
    while (at > 0) {
      std::size_t const parent = (at - 1) / 2;
      if (!(node < nodes_[parent])) break;
      place(at, nodes_[parent], moved);
      at = parent;
    }
    place(at, node, moved);
  }

  template <class Moved>
  void sink(std::size_t at, Moved&& moved) {
    Node const node = nodes_[at];
    for (;;) {
      std::size_t child = 2 * at + 1;
      if (child >= nodes_.size()) break;
      if (child + 1 < nodes_.size() && nodes_[child + 1] < nodes_[child]) ++child;
      if (!(nodes_[child] < node)) break;
      place(at, nodes_[child], moved);
      at = child;
    }
    place(at, node, moved);
  }

  template <class Moved>
  void place(std::size_t at, Node node, Moved&& moved) {
    nodes_[at] = node;
    moved(node.slot, static_cast<std::uint32_t>(at));
  }

  std::vector<Node> nodes_;
};

}  // namespace ei::dispatcher
