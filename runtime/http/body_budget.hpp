#pragma once

#include <cstddef>
#include <memory>

namespace ei::http {

/// Bytes of bodies that a server may hold at a time, of requests or of answers. A request's body counts in
/// full from the moment that it is announced. Use from one thread.
class BodyBudget {
 public:
  /// What one body holds; given back by the end of it.
  class Claim {
   public:
    explicit Claim(std::shared_ptr<BodyBudget> budget) : budget_(std::move(budget)) {}
    ~Claim() { give_back(); }
    Claim(Claim const&) = delete;
    Claim& operator=(Claim const&) = delete;

    /// Raises the claim to `bytes`, never lowers it. False when the budget has no room for it.
    [[nodiscard]] bool raise_to(std::size_t bytes) {
      if (bytes <= bytes_) return true;
      if (bytes - bytes_ > budget_->left()) return false;
      budget_->used_ += bytes - bytes_;
      bytes_ = bytes;
      return true;
    }
    void give_back() {
      budget_->used_ -= bytes_;
      bytes_ = 0;
    }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

   private:
    std::shared_ptr<BodyBudget> budget_;
    std::size_t bytes_ = 0;
  };

  explicit BodyBudget(std::size_t limit) : limit_(limit) {}

  [[nodiscard]] std::size_t limit() const { return limit_; }
  [[nodiscard]] std::size_t used() const { return used_; }
  [[nodiscard]] std::size_t left() const { return limit_ - used_; }

 private:
  std::size_t limit_;
  std::size_t used_ = 0;
};

}  // namespace ei::http
