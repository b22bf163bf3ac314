#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/core/result.hpp"

namespace ei::inference::pickle {

struct Node;
using Ref = Node const*;

struct None {};
/// `module.name`, as a GLOBAL opcode names it. Never imported.
struct Global {
  std::string path;
};
struct List {  ///< lists, tuples and sets
  std::vector<Ref> items;
};
struct Dict {
  std::vector<std::pair<Ref, Ref>> items;
};
/// What a callable would have returned: kept as callable and arguments, never called.
struct Call {
  Ref callable = nullptr;
  Ref arguments = nullptr;
  std::vector<std::pair<Ref, Ref>> items;  ///< what SETITEM(S) would have put in (OrderedDict)
  Ref state = nullptr;                     ///< what BUILD would have handed over
};
/// A persistent identifier: how torch.save names a storage.
struct Persistent {
  Ref id = nullptr;
};

struct Node {
  std::variant<None, bool, std::int64_t, double, std::string, Global, List, Dict, Call, Persistent> value;
};

/// One value as data. Nothing named in a pickle is imported, constructed or called here: that is the point.
struct Document {
  std::deque<Node> nodes;  ///< owns every value; may hold cycles
  Ref root = nullptr;
  std::size_t consumed = 0;  ///< bytes up to and with the STOP opcode
};

/// Reads one pickle of protocol 2 to 5. Bounded: a million opcodes; texts over 64 KiB are kept empty. Nothing
/// recurses, however deep the values nest. Errors: Invalid (truncated, unknown opcode, broken stack, too
/// much), with the offset.
[[nodiscard]] Result<Document> read(std::span<const std::byte> bytes);

template <class T>
[[nodiscard]] T const* get(Ref node) {
  return node == nullptr ? nullptr : std::get_if<T>(&node->value);
}

}  // namespace ei::inference::pickle
