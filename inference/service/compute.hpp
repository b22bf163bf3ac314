#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <functional>
#include <memory>

#include "runtime/core/result.hpp"

namespace ei::inference {
namespace asio = boost::asio;

/// Whether work is refused when much waits already, or bounded by its sender.
enum class Admit { WhileRoom, Always };

/// A worker's exit code when its thread computes for ever: EX_SOFTWARE of sysexits.h.
inline constexpr int kStuckExit = 70;

/// The one thread that computes: first come, first served. run() from the executor's thread only.
class ComputeThread {
 public:
  /// While `capacity` pieces of work wait or run, only what is always admitted is taken.
  ComputeThread(asio::any_io_executor executor, std::size_t capacity);
  /// Finishes the work in progress, drops what waits. Ends the process with kStuckExit where that work does
  /// not end: a thread cannot be stopped.
  ~ComputeThread();
  ComputeThread(ComputeThread const&) = delete;
  ComputeThread& operator=(ComputeThread const&) = delete;

  /// Runs `work` on the thread and comes back on the executor. Cancelling the caller takes work back that has
  /// not begun, and waits for work that has. Errors: TooMany (capacity), Canceled, Io (`work` threw).
  [[nodiscard]] asio::awaitable<Result<void>> run(std::function<void()> work, Admit admit = Admit::WhileRoom);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ei::inference
