// The spans of a request: one of the server, and below it queue, hand-out, decode and forward.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "dispatcher/exchange/exchange.hpp"
#include "runtime/core/request_tag.hpp"
#include "runtime/http/server.hpp"
#include "runtime/trace/span.hpp"

namespace ei::trace {
class Exporter;
}

namespace ei::dispatcher {

/// Decides which requests are traced, and offers their spans to the exporter, which outlives it. One thread.
class Tracer {
 public:
  /// `ratio`: the part of the requests without a trace of their own that begin one, [0, 1].
  Tracer(trace::Exporter& exporter, double ratio);

  /// A request has come. Where it is traced, the server's span takes the client's place in its `traceparent`,
  /// so that it is the parent of what follows.
  void begin(RequestTag& tag);
  /// Its pictures were answered, which arrived at `arrived`.
  void answered(RequestTag const& tag, SteadyTime arrived, std::vector<Answer> const& answers);
  /// It has its answer, or its client left.
  void completed(http::Completed const& answer);

 private:
  trace::Exporter& exporter_;
  double ratio_;
  std::mt19937_64 random_;
};

}  // namespace ei::dispatcher
