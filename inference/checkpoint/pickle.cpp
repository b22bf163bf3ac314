#include "inference/checkpoint/pickle.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <optional>

#include "inference/checkpoint/pickle_opcodes.hpp"

namespace ei::inference::pickle {
namespace {

/// Opcodes in one pickle. A state dict of a ResNet18 has 5,000, with its optimiser 20,000; a value costs up
/// to 100 bytes here, so that the largest one takes 100 MB while it is read.
constexpr std::size_t kMaxSteps = 1'000'000;
/// Longer texts are kept empty: no tensor or key has such a name, and NumPy's arrays are such texts.
constexpr std::uint64_t kMaxText = 64U * 1024;
/// A module's and a class's name.
constexpr std::size_t kMaxLine = 1024;

/// Thrown inside this file only, so that every pop and read need not be checked at its call;
/// read() turns it around.
struct Broken {
  std::string what;
};

class Machine {
 public:
  explicit Machine(std::span<const std::byte> bytes) : bytes_(bytes) {}

  Document run() {
    for (std::size_t steps = 0; step(byte()); ++steps) {
      if (steps == kMaxSteps) throw Broken{"has more than 1,000,000 opcodes"};
    }
    document_.root = pop();
    document_.consumed = at_;
    return std::move(document_);
  }

  [[nodiscard]] std::size_t at() const { return at_; }

 private:
  // --- input ---
  std::span<const std::byte> take(std::uint64_t count) {
    if (count > bytes_.size() - at_) throw Broken{"ends in the middle of a value"};
    auto const taken = bytes_.subspan(at_, count);
    at_ += count;
    return taken;
  }
  unsigned char byte() { return std::to_integer<unsigned char>(take(1)[0]); }
  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string text(std::uint64_t count) {
    auto const taken = take(count);
    if (count > kMaxText) return {};
    return {reinterpret_cast<char const*>(taken.data()), taken.size()};
  }
  std::string line() {
    std::string result;
    for (char c = 0; (c = static_cast<char>(byte())) != '\n';) {
      if (result.size() == kMaxLine) throw Broken{"names a class by more than 1,024 bytes"};
      result += c;
    }
    return result;
  }
  std::int64_t long_integer(std::uint64_t count) {
    auto const taken = take(count);
    if (count == 0) return 0;
    std::uint64_t value = 0;
    bool const negative = (std::to_integer<unsigned>(taken.back()) & 0x80U) != 0;
    if (negative) value = ~std::uint64_t{0};
    // Legacy files open with an 80-bit magic number: the low 64 bits tell it apart well enough.
    std::memcpy(&value, taken.data(), std::min<std::uint64_t>(count, sizeof value));
    return std::bit_cast<std::int64_t>(value);
  }
  double big_endian_double() {
    auto const taken = take(8);
    std::uint64_t bits = 0;
    for (auto const b : taken) bits = (bits << 8U) | std::to_integer<std::uint64_t>(b);
    return std::bit_cast<double>(bits);
  }

  // --- stack ---
  template <class T>
  Node* make(T value) {
    return &document_.nodes.emplace_back(Node{std::move(value)});
  }
  void push(Node* node) { stack_.push_back(node); }
  Node* pop() {
    Node* const node = top();
    stack_.pop_back();
    return node;
  }
  Node* top() {
    if (stack_.empty() || stack_.back() == nullptr) throw Broken{"takes a value from an empty stack"};
    return stack_.back();
  }
  /// Everything above the last mark, which is removed too. A mark is a null entry.
  std::vector<Ref> pop_to_mark() {
    auto const mark = std::find(stack_.rbegin(), stack_.rend(), nullptr);
    if (mark == stack_.rend()) throw Broken{"looks for a mark that was never set"};
    std::vector<Ref> items(mark.base(), stack_.end());
    stack_.erase(mark.base() - 1, stack_.end());
    return items;
  }
  void push_tuple(std::size_t count) {
    std::vector<Ref> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    push(make(List{std::move(items)}));
  }
  void put(std::uint64_t key) { memo_[key] = top(); }
  void get_memo(std::uint64_t key) {
    auto const found = memo_.find(key);
    if (found == memo_.end()) throw Broken{"refers to a value that was never stored"};
    push(found->second);
  }

  // --- containers and calls ---
  void append(std::vector<Ref> const& items) {
    if (auto* const list = std::get_if<List>(&top()->value)) {
      list->items.insert(list->items.end(), items.begin(), items.end());
    } else if (!std::holds_alternative<Call>(
                   top()->value)) {  // a list-like object of a class: its items are of no use
      throw Broken{"appends to what is no list"};
    }
  }
  void set_items(std::vector<Ref> const& items) {
    if (items.size() % 2 != 0) throw Broken{"sets a key without a value"};
    std::vector<std::pair<Ref, Ref>>* into = nullptr;
    if (auto* const dict = std::get_if<Dict>(&top()->value)) into = &dict->items;
    if (auto* const call = std::get_if<Call>(&top()->value)) into = &call->items;
    if (into == nullptr) throw Broken{"sets an item of what is no dictionary"};
    for (std::size_t i = 0; i < items.size(); i += 2) into->emplace_back(items[i], items[i + 1]);
  }
  void push_dict(std::vector<Ref> const& items) {
    push(make(Dict{}));
    set_items(items);
  }
  void call() {
    Ref const arguments = pop();
    Ref const callable = pop();
    push(make(Call{callable, arguments, {}, nullptr}));
  }
  void build() {
    Ref const state = pop();
    if (auto* const call = std::get_if<Call>(&top()->value)) call->state = state;
  }
  void stack_global() {
    Ref const name = pop();
    Ref const module = pop();
    auto const* const name_text = pickle::get<std::string>(name);
    auto const* const module_text = pickle::get<std::string>(module);
    if (name_text == nullptr || module_text == nullptr) throw Broken{"names a global by what is no text"};
    push(make(Global{*module_text + "." + *name_text}));
  }

  /// Runs one opcode; false at STOP.
  bool step(unsigned char op) {
    switch (op) {
      case kProto:
        if (byte() > 5) throw Broken{"has a protocol newer than 5"};
        return true;
      case kFrame:
        take(8);
        return true;
      case kStop:
        return false;
      case kMark:
        stack_.push_back(nullptr);
        return true;
      case kPop:
        if (stack_.empty()) throw Broken{"pops an empty stack"};
        stack_.pop_back();
        return true;
      case kPopMark:
        pop_to_mark();
        return true;
      case kDup:
        push(top());
        return true;
      case kBinPut:
        put(byte());
        return true;
      case kLongBinPut:
        put(number<std::uint32_t>());
        return true;
      case kMemoize:
        put(memo_.size());
        return true;
      case kBinGet:
        get_memo(byte());
        return true;
      case kLongBinGet:
        get_memo(number<std::uint32_t>());
        return true;
      default:
        return step_scalar(op) || step_container(op);
    }
  }

  bool step_scalar(unsigned char op) {
    switch (op) {
      case kNone:
        push(make(None{}));
        return true;
      case kNewTrue:
        push(make(true));
        return true;
      case kNewFalse:
        push(make(false));
        return true;
      case kBinInt:
        push(make(std::int64_t{number<std::int32_t>()}));
        return true;
      case kBinInt1:
        push(make(std::int64_t{byte()}));
        return true;
      case kBinInt2:
        push(make(std::int64_t{number<std::uint16_t>()}));
        return true;
      case kLong1:
        push(make(long_integer(byte())));
        return true;
      case kLong4:
        push(make(long_integer(number<std::uint32_t>())));
        return true;
      case kBinFloat:
        push(make(big_endian_double()));
        return true;
      case kShortBinString:
      case kShortBinBytes:
      case kShortBinUnicode:
        push(make(text(byte())));
        return true;
      case kBinString:
      case kBinBytes:
      case kBinUnicode:
        push(make(text(number<std::uint32_t>())));
        return true;
      case kBinBytes8:
      case kBinUnicode8:
      case kByteArray8:
        push(make(text(number<std::uint64_t>())));
        return true;
      default:
        return false;
    }
  }

  bool step_container(unsigned char op) {
    switch (op) {
      case kEmptyDict:
        push(make(Dict{}));
        return true;
      case kEmptyList:
      case kEmptySet:
      case kEmptyTuple:
        push(make(List{}));
        return true;
      case kList:
      case kFrozenSet:
      case kTuple:
        push(make(List{pop_to_mark()}));
        return true;
      case kTuple1:
        push_tuple(1);
        return true;
      case kTuple2:
        push_tuple(2);
        return true;
      case kTuple3:
        push_tuple(3);
        return true;
      case kDict:
        push_dict(pop_to_mark());
        return true;
      case kAppend: {
        Ref const item = pop();
        append({item});
        return true;
      }
      case kAddItems:
      case kAppends:
        append(pop_to_mark());
        return true;
      case kSetItem: {
        Ref const value = pop();
        Ref const key = pop();
        set_items({key, value});
        return true;
      }
      case kSetItems:
        set_items(pop_to_mark());
        return true;
      case kGlobal: {
        auto module = line();
        push(make(Global{module + "." + line()}));
        return true;
      }
      case kStackGlobal:
        stack_global();
        return true;
      case kReduce:
      case kNewObj:
        call();
        return true;
      case kNewObjEx:
        pop();
        call();
        return true;
      case kBuild:
        build();
        return true;
      case kBinPersId: {
        Ref const id = pop();
        push(make(Persistent{id}));
        return true;
      }
      default:
        throw Broken{"has an unknown opcode " + std::to_string(op)};
    }
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  Document document_;
  std::vector<Node*> stack_;
  std::map<std::uint64_t, Node*> memo_;
};

}  // namespace

Result<Document> read(std::span<const std::byte> bytes) {
  Machine machine(bytes);
  try {
    return machine.run();
  } catch (Broken const& broken) {
    return make_error(ErrorKind::Invalid,
                      "pickle: " + broken.what + " (at byte " + std::to_string(machine.at()) + ")");
  }
}

}  // namespace ei::inference::pickle
