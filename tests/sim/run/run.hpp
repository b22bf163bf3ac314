#pragma once

#include "tests/sim/api/server.hpp"
#include "tests/sim/cluster/agenda.hpp"
#include "tests/sim/cluster/deployments.hpp"
#include "tests/sim/cluster/load.hpp"
#include "tests/sim/cluster/node.hpp"
#include "tests/sim/cluster/policies.hpp"
#include "tests/sim/run/checks.hpp"
#include "tests/sim/run/faults.hpp"
#include "tests/sim/run/network.hpp"
#include "tests/sim/run/process.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ei::sim {

/// What came of one seed.
struct Outcome {
  std::string fault;         ///< empty: everything that must hold held
  std::uint64_t sent = 0;    ///< requests of all processes
  std::uint64_t digest = 0;  ///< of every request and when it came: equal seeds give equal digests
};

/// One run: a cluster in memory, operator processes, and the script of their troubles. All in virtual time;
/// the same script gives the same run.
class Run {
 public:
  /// `trace`: tells on standard output what happens.
  Run(Script script, bool trace);
  Outcome run();

 private:
  using What = Script::Moment::What;
  void tick(SteadyTime now);
  void perform(Script::Moment const& moment, SteadyTime now);
  void end_faults();
  void start_process(std::size_t place, SteadyTime now);
  void tend_processes(SteadyTime now);
  void poll_processes();
  SteadyTime next_time() const;
  SteadyTime end() const;
  SteadyTime next_knock() const;
  asio::awaitable<Result<bool>> await_arrivals(scrape::Awaited dispatcher, milliseconds longest);
  asio::awaitable<Result<http::Response>> post_question(std::string question, milliseconds deadline);

  void cut_streams();
  void create_service(std::size_t number);
  enum class Edit { Valid, Broken, Last };
  void edit_service(std::size_t number, Edit edit);
  void set_policy(boost::json::object& scaling, std::string drawn, simulation::Rng& rng);
  void put_foreign(std::size_t service, std::uint64_t number);
  void clear_foreign(std::size_t service);
  void edit_child(std::uint64_t number, bool remove);
  void send(std::string method, std::string target, boost::json::object const& body);
  WallTime wall() const;
  void tell(std::string const& what) const;
  std::vector<kube::ObjectKey> services() const;

  Script script_;
  bool trace_;
  simulation::Rng rng_;
  simulation::Rng webhook_rng_;  ///< of its own, so that what else is drawn is what it was without
  SteadyTime now_{};
  ApiServer api_;
  Agenda agenda_;
  Network network_;
  Deployments deployments_;
  Node node_;
  Load load_;
  Policies policies_;
  kube::ChildOptions children_;
  Checks checks_;
  struct Place {
    std::unique_ptr<Process> process;
    std::vector<std::unique_ptr<Process>> remains;  ///< crashed ones that unwind
    std::optional<SteadyTime> restarts;
    int starts = 0;
  };
  std::vector<Place> places_;
  SteadyTime crashed_at_{};
  SteadyTime knocked_{};  ///< when a request last came in the quiet
  std::uint64_t digest_ = 14695981039346656037ULL;
};

}  // namespace ei::sim
