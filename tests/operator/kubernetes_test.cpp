#include "operator/kubernetes.hpp"

#include "runtime/metrics/registry.hpp"
#include "tests/operator/backend/kube/lease_of_release.hpp"

using namespace ei;
using namespace ei::kube;

namespace {

/// The way to the API server, on which listings of all Leases may get lost.
class LosingListings final : public Transport {
 public:
  LosingListings(std::shared_ptr<Transport> way, bool const& lost) : way_(std::move(way)), lost_(lost) {}
  asio::awaitable<Result<http::Response>> send(http::Request request, milliseconds timeout) override {
    bool const listing = request.target.starts_with(collection_path(kLeases, "") + "?");
    if (listing && lost_) co_return make_error(ErrorKind::Timeout, "no answer came in time");
    co_return co_await way_->send(std::move(request), timeout);
  }
  asio::awaitable<Result<std::unique_ptr<http::ResponseStream>>> open(http::Request request,
                                                                      milliseconds timeout) override {
    co_return co_await way_->open(std::move(request), timeout);
  }

 private:
  std::shared_ptr<Transport> way_;
  bool const& lost_;
};

/// The operator whole. What it does is seen by its metric: 1 while it decides.
struct Operated : MemoryApi {
  ObjectKey const other{"other", "first"};
  bool listings_lost = false;
  metrics::Registry registry;
  reconcile::OperatorMetrics metrics{registry};
  std::optional<KubernetesOperator> subject;
  std::optional<Result<void>> ended;

  ~Operated() {
    subject->stop();
    pass(60s);
    CHECK(ended.has_value());
  }
  void start() {
    KubernetesOptions options;
    options.access.server = "http://memory";
    options.dial = [this](std::string const& url,
                          http::TlsClientOptions const& tls) -> Result<std::shared_ptr<Transport>> {
      auto way = network.dial(peer)(url, tls);
      if (!way) return way;
      return std::shared_ptr<Transport>(std::make_shared<LosingListings>(std::move(*way), listings_lost));
    };
    options.lease_namespace = "own";
    options.lease_name = "release";
    options.identity = "release-0";
    subject.emplace(context.get_executor(), std::move(options), metrics, reconcile::Listener{});
    asio::co_spawn(context, subject->run(), [this](std::exception_ptr failed, Result<void> outcome) {
      if (failed) std::rethrow_exception(failed);
      ended = std::move(outcome);
    });
  }
  bool leads() const { return registry.exposition().find("\neis_operator_leader 1\n") != std::string::npos; }
};

}  // namespace

TEST_CASE_METHOD(Operated, "an operator is not ready before it has read what there is, and says so") {
  start();
  CHECK_THAT(subject->unready(), Catch::Contains("has not been read yet"));
  pass(5s);
  CHECK(subject->unready().empty());
  CHECK(leads());
}

TEST_CASE_METHOD(Operated, "an operator that makes way names the other release, also while it cannot look") {
  make_lease(*this, other, std::string(kAllNamespaces), 3600);
  start();
  pass(5s);
  CHECK_THAT(subject->unready(), Catch::Contains("other/first"));
  CHECK_FALSE(leads());
  listings_lost = true;
  pass(30s);
  CHECK_THAT(subject->unready(), Catch::Contains("other/first"));
  CHECK_FALSE(leads());
  listings_lost = false;
  REQUIRE(send("DELETE", object_path(kLeases, other)).status == 200);
  pass(10s);
  CHECK(subject->unready().empty());
  CHECK(leads());
}

TEST_CASE_METHOD(Operated, "an operator that cannot look for others does not begin until it has looked") {
  listings_lost = true;
  start();
  pass(30s);
  CHECK_FALSE(leads());
  CHECK_THAT(subject->unready(), Catch::Contains("another release"));
  listings_lost = false;
  pass(10s);
  CHECK(subject->unready().empty());
  CHECK(leads());
}

TEST_CASE_METHOD(Operated, "an operator at work goes on while it cannot look, and makes way once it sees") {
  start();
  pass(5s);
  REQUIRE(leads());
  listings_lost = true;
  pass(60s);
  CHECK(leads());
  CHECK_FALSE(ended.has_value());
  listings_lost = false;
  // Its own Lease is not there, so that any other is the older one.
  make_lease(*this, other, std::string(kAllNamespaces), 3600);
  pass(30s);
  REQUIRE(ended.has_value());
  REQUIRE(ended->has_error());
  CHECK_THAT(ended->error().message, Catch::Contains("other/first"));
}
