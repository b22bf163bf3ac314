#include "operator/commands.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <vector>

#include "operator/api/parse.hpp"
#include "operator/backend/kube/client/client.hpp"
#include "operator/backend/kube/protocol/event_series.hpp"
#include "operator/show/explain.hpp"
#include "operator/show/row.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/version.hpp"
#include "runtime/process/program.hpp"

namespace ei {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

constexpr std::string_view kPlugin = "kubectl-eis";
/// Somebody waits for the answer; an API server that is well gives it at once.
constexpr milliseconds kPatience{15'000};
/// Services of one page; kubectl's own.
constexpr int kPage = 500;
/// Decisions of one service that fit a screen, and that anybody would read.
constexpr std::size_t kLast = 3;
constexpr std::size_t kMostLast = 10'000;
/// A terminal that does not tell its width, or a pipe: formulas are not cut.
constexpr int kWide = 400;

struct Asked {
  fs::path kubeconfig;
  std::string context;
  std::string namespace_name;
  bool everywhere = false;
  std::string log;
  show::LogQuery query{{}, {}, kLast, false};
};

std::string_view program_of(char** argv) {
  std::string_view const path = argv[0] == nullptr ? "" : argv[0];
  return path.substr(path.rfind('/') + 1);
}

int fail(std::string const& message) {
  std::cerr << "error: " << message << "\n";
  return 1;
}

void print(std::vector<std::string> const& lines) {
  for (auto const& line : lines) std::cout << line << "\n";
}

kube::ClientOptions client_options() {
  kube::ClientOptions options;
  options.user_agent = kPlugin;
  options.timeout = kPatience;
  return options;
}

int explain_log(Asked const& asked) {
  std::ifstream file;
  if (asked.log != "-") {
    file.open(asked.log);
    if (!file) return fail("--log " + asked.log + ": " + std::strerror(errno));
  }
  auto query = asked.query;
  query.namespace_name = asked.namespace_name;
  auto const found = show::read_decisions(asked.log == "-" ? std::cin : file, query);
  if (!found) return fail(found.error().message);
  for (auto const& told : *found) print(show::explain(told));
  return 0;
}

/// What decisions rest on, by their ids.
using Explanations = std::map<std::string, api::Explanation>;

/// The newest last, as in a log.
void explain_status(std::string const& name, std::string const& space, api::Status const& status,
                    Explanations const& known, std::size_t last) {
  std::size_t const count = std::min(last, status.history.size());
  auto const tell = [&](api::DecisionRecord const& record) {
    auto const found = known.find(record.id);
    print(show::explain(
        show::told_of(name, space, record, found == known.end() ? api::Explanation{} : found->second)));
  };
  for (std::size_t i = count; i > 0; --i) tell(status.history[i - 1]);
  bool const shown =
      count > 0 && status.last_decision && status.history.front().id == status.last_decision->id;
  if (status.last_decision && !shown) tell(*status.last_decision);
  if (!status.last_decision && count == 0) std::cout << name << " has no decision yet\n";
  print(show::explain_state(status));
  for (auto const& advice : status.advice) print(show::explain_advice(advice));
}

/// Of changes of the count within the last hour: so long a cluster keeps Events. Without the right to read
/// them there is less to tell, which is said.
asio::awaitable<void> read_events(kube::Client& client, kube::ObjectKey key, Explanations& into) {
  kube::ListQuery query;
  query.limit = kPage;
  query.field_selector =
      "regarding.kind=" + std::string(kube::kInferenceServices.kind) + ",regarding.name=" + key.name;
  auto const page = co_await client.list_page(kube::kEvents, key.namespace_name, std::move(query));
  if (!page) {
    std::cerr << "Events of " << key.namespace_name << "/" << key.name << ": " << page.error().message
              << "; the inputs of earlier decisions are not shown\n";
    co_return;
  }
  auto const* items = find_member(*page, "items");
  if (items == nullptr || !items->is_array()) co_return;
  for (auto const& item : items->get_array()) {
    auto const* all = find_member(item, "metadata.annotations");
    if (all == nullptr || !all->is_object()) continue;
    auto const* id = all->get_object().if_contains(kube::kDecisionAnnotation);
    auto const* text = all->get_object().if_contains(kube::kExplanationAnnotation);
    if (id == nullptr || text == nullptr || !id->is_string() || !text->is_string()) continue;
    if (auto const read = parse_json(text->get_string()))
      into.insert_or_assign(std::string(id->get_string()), api::explanation_from_json(*read));
  }
}

asio::awaitable<int> explain_cluster(kube::Access access, Asked asked) {
  auto const executor = co_await asio::this_coro::executor;
  kube::ObjectKey const key{asked.namespace_name.empty() ? access.namespace_name : asked.namespace_name,
                            asked.query.name};
  kube::Client client(executor, std::move(access), client_options());
  auto const found = co_await client.get(kube::kInferenceServices, key);
  if (!found)
    co_return fail("InferenceService " + key.namespace_name + "/" + key.name + ": " + found.error().message);
  auto const* member = find_member(*found, "status");
  auto const status = member == nullptr ? api::Status{} : api::status_from_json(*member);
  Explanations known;
  if (!status.history.empty()) co_await read_events(client, key, known);
  if (auto const* last = find_member(*found, "status.lastDecision"); last != nullptr && status.last_decision)
    known.insert_or_assign(status.last_decision->id, api::explanation_from_json(*last));
  explain_status(key.name, key.namespace_name, status, known, asked.query.last);
  co_return 0;
}

asio::awaitable<int> top(kube::Access access, Asked asked) {
  auto const executor = co_await asio::this_coro::executor;
  std::string const one = asked.namespace_name.empty() ? access.namespace_name : asked.namespace_name;
  std::string const space = asked.everywhere ? std::string() : one;
  kube::Client client(executor, std::move(access), client_options());
  show::View view;
  view.now = std::chrono::system_clock::now();
  view.title = asked.everywhere ? "InferenceServices" : "InferenceServices of " + space;
  kube::ListQuery query;
  query.limit = kPage;
  do {
    auto const page = co_await client.list_page(kube::kInferenceServices, space, query);
    if (!page) co_return fail("InferenceServices: " + page.error().message);
    auto const* items = find_member(*page, "items");
    if (items == nullptr || !items->is_array()) co_return fail("the API server's list has no items");
    for (auto const& item : items->get_array()) {
      auto const* status = find_member(item, "status");
      view.rows.push_back(show::row_of(api::metadata_from_json(item).key(),
                                       status == nullptr ? api::Status{} : api::status_from_json(*status)));
    }
    auto const* metadata = find_member(*page, "metadata");
    query.continue_token = metadata == nullptr ? "" : std::string(string_or(*metadata, "continue"));
  } while (!query.continue_token.empty());
  // Every line of every service: it is printed once, and not over what stood there.
  print(show::render(view, {kWide, static_cast<int>(4 * view.rows.size()) + 16, isatty(STDOUT_FILENO) == 1}));
  co_return 0;
}

/// Hands over to inference-bench, which lies beside this program.
int replay(std::vector<std::string> const& given) {
  std::error_code wrong;
  auto const program = fs::read_symlink("/proc/self/exe", wrong).parent_path() / "inference-bench";
  std::vector<std::string> words{program.string(), "policy", "--replay"};
  words.insert(words.end(), given.begin(), given.end());
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execv(program.c_str(), arguments.data());
  return fail(program.string() + ": " + std::strerror(errno) + "; replay needs it beside this program");
}

void add_cluster_flags(CLI::App& app, Asked& asked) {
  app.add_option("-n,--namespace", asked.namespace_name, "Namespace; the context's own, unless given");
  app.add_option("--kubeconfig", asked.kubeconfig, "Instead of $KUBECONFIG or ~/.kube/config");
  app.add_option("--context", asked.context, "Context of the kubeconfig");
}

}  // namespace

bool is_command(int argc, char** argv) {
  if (program_of(argv) == kPlugin) return true;
  std::string_view const first = argc > 1 ? argv[1] : "";
  return first == "explain" || first == "top" || first == "replay";
}

int run_command(int argc, char** argv, FindAccess const& find_access) {
  bool const plugin = program_of(argv) == kPlugin;
  CLI::App app("Tells about InferenceServices.", plugin ? "kubectl eis" : "inference-operator");
  app.set_version_flag("--version", std::string(version()));
  app.require_subcommand(1);
  Asked asked;
  auto* const explaining = app.add_subcommand(
      "explain",
      "The last decisions about a service: what was measured, which rule won, and why not more or fewer");
  explaining->add_option("NAME", asked.query.name, "Name of the InferenceService")->required();
  add_cluster_flags(*explaining, asked);
  explaining->add_option("--last", asked.query.last, "How many changes of the count")
      ->check(CLI::Range(std::size_t{1}, kMostLast))
      ->capture_default_str();
  auto* const log = explaining->add_option(
      "--log", asked.log,
      "From this decision log (--decision-log) and not from a cluster; - for standard input");
  explaining->add_flag("--all", asked.query.all, "Also decisions that kept the count")->needs(log);
  auto* const topping = app.add_subcommand("top", "Queue, workers and last reason of every service");
  add_cluster_flags(*topping, asked);
  topping->add_flag("-A,--all-namespaces", asked.everywhere, "Of all namespaces");
  std::vector<std::string> replayed;
  auto* const replaying = app.add_subcommand(
      "replay", "A decision log through the policies again: inference-bench policy --replay LOG [OPTION]…");
  replaying->add_option("LOG", replayed, "The log, and options of inference-bench policy")->required();
  replaying->allow_extras();
  try {
    app.parse(argc, argv);
  } catch (CLI::ParseError const& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    if (replaying->parsed()) {
      for (auto const& more : replaying->remaining()) replayed.push_back(more);
      return replay(replayed);
    }
    if (!asked.log.empty()) return explain_log(asked);
    auto access = find_access(asked.kubeconfig, asked.context);
    if (!access) return fail(access.error().message);
    asio::io_context context(1);
    return process::run_to_end(context, explaining->parsed() ? explain_cluster(std::move(*access), asked)
                                                             : top(std::move(*access), asked));
  } catch (std::exception const& fault) {
    return fail(fault.what());
  }
}

}  // namespace ei
