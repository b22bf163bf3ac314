#include "operator/scrape/arrivals.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

#include "dispatcher/contract/arrivals.hpp"
#include "runtime/async/clock.hpp"
#include "runtime/async/task_group.hpp"
#include "runtime/http/client.hpp"
#include "runtime/http/dial.hpp"
#include "runtime/http/parser.hpp"
#include "runtime/http/wire.hpp"
#include "runtime/log/failed_task.hpp"

namespace ei::scrape {
namespace {

namespace arrival = dispatcher::arrival;

/// Of one question. Each costs both sides a tenth of a millisecond; with ten thousand services 200 a second.
constexpr milliseconds kWait{50'000};
/// An answer that is due is on its way so long.
constexpr milliseconds kGrace{5'000};
/// A host that vanished is noticed within twice this, well before a client's usual 30 s are over.
constexpr milliseconds kSilence{6'000};
/// A question that has been open so long is connected: connecting takes no longer.
constexpr milliseconds kConnect{2'000};
/// Of an answer: a status line and some fields.
constexpr std::size_t kMostAnswer = 4096;
constexpr milliseconds kFirstPause{200};       // a dispatcher that restarts is back within a second
constexpr milliseconds kLongestPause{10'000};  // as often as the service is looked at anyway

std::string question_of(Awaited const& dispatcher, milliseconds wait) {
  std::string target = arrival::kPath;
  target.append("?").append(arrival::kKnown).append("=").append(std::to_string(dispatcher.arrivals));
  target.append("&").append(arrival::kWait).append("=").append(std::to_string(wait.count()));
  return target;
}

/// Has the kernel ask a peer that was silent for kSilence for a sign of life, three times within as long
/// again. Then, or when what was sent stays unconfirmed as long, the connection is lost.
void keep_alive(http::tcp::socket& socket) {
  constexpr int kQuestions = 3;
  constexpr int kSeconds = static_cast<int>(kSilence.count() / 1000);
  auto const set = [&](int option, int value) {
    // Without it deadlines still end the connection, only later.
    (void)::setsockopt(socket.native_handle(), IPPROTO_TCP, option, &value, sizeof value);
  };
  set(TCP_KEEPIDLE, kSeconds);
  set(TCP_KEEPINTVL, std::max(1, kSeconds / kQuestions));
  set(TCP_KEEPCNT, kQuestions);
  set(TCP_USER_TIMEOUT, 2'000 * kSeconds);
}

/// One exchange on a connection of its own. Unlike http::Client it sets no buffer aside while it waits:
/// thousands of these wait.
asio::awaitable<Result<bool>> ask_by_http(asio::any_io_executor executor, Awaited dispatcher,
                                          milliseconds wait) {
  auto const url = http::parse_url(dispatcher.metrics_url);
  if (!url) co_return url.error();
  auto const start = steady_now();
  http::TlsClientOptions const no_tls;
  http::AdmitAddress const any_address;
  std::shared_ptr<asio::ssl::context> const no_context;
  auto dialled = co_await http::dial(executor, *url, no_context, no_tls, start + kConnect, any_address);
  if (!dialled) co_return dialled.error();
  auto& connection = **dialled;
  keep_alive(connection.socket());
  http::Request request;
  request.target = question_of(dispatcher, wait);
  request.headers.set("Connection", "close");
  auto const deadline = start + wait + kGrace;
  auto const head = http::request_head(request, url->authority());
  std::string_view const no_body;
  std::function<SteadyTime()> const no_later;
  auto const written = co_await connection.write(head, no_body, deadline, no_later);
  if (!written) co_return written.error();
  http::ResponseParser answer(kMostAnswer, false);
  std::string bytes;
  while (!answer.header_done()) {
    auto const got = co_await connection.read_into(bytes, kMostAnswer, deadline);
    if (!got) co_return got.error();
    if (*got == 0)
      co_return make_error(ErrorKind::Unavailable, dispatcher.metrics_url + " closed the connection");
    auto const used = answer.feed(bytes);
    if (!used) co_return used.error();
    bytes.erase(0, *used);
  }
  int const status = answer.response().status;
  if (status == 200) co_return true;
  if (status == 204) co_return false;
  co_return http::error_from_response(answer.response());
}

}  // namespace

struct ArrivalWatch::State : std::enable_shared_from_this<State> {
  struct Question {
    Awaited dispatcher;
    bool wanted = true;
    bool answered = false;  ///< the one before, with nothing
    bool arrived = false;
    std::optional<SteadyTime> asked;
  };
  using QuestionPtr = std::shared_ptr<Question>;

  State(asio::any_io_executor ex, Tell teller, AwaitArrivals asker)
      : executor(ex),
        tell(std::move(teller)),
        ask(std::move(asker)),
        tasks(std::move(ex), log::failed_task) {}

  static asio::awaitable<void> follow(std::weak_ptr<State> weak, QuestionPtr question);

  asio::any_io_executor executor;
  Tell tell;
  AwaitArrivals ask;
  std::vector<QuestionPtr> questions;
  TaskGroup tasks;
};

// Holds no State while it waits, so that the watch may end meanwhile.
asio::awaitable<void> ArrivalWatch::State::follow(std::weak_ptr<State> weak, QuestionPtr question) {
  auto pause = kFirstPause;
  for (;;) {
    auto self = weak.lock();
    if (!self || !question->wanted) co_return;
    question->asked = steady_now();
    auto asking = self->ask ? self->ask(question->dispatcher, kWait)
                            : ask_by_http(self->executor, question->dispatcher, kWait);
    self.reset();
    auto const came = co_await std::move(asking);
    self = weak.lock();
    if (!self) co_return;
    if (came && *came) {
      question->arrived = true;
      std::erase(self->questions, question);
      self->tell(News::Arrived);
      co_return;
    }
    bool const stood = question->answered || steady_now() - *question->asked > kConnect;
    question->answered = came.has_value();
    if (came) {
      pause = kFirstPause;
      continue;
    }
    question->asked.reset();
    if (stood && question->wanted) self->tell(News::Lost);
    self.reset();
    co_await sleep_for(pause);
    pause = std::min(2 * pause, kLongestPause);
  }
}

ArrivalWatch::ArrivalWatch(asio::any_io_executor executor, Tell tell, AwaitArrivals ask)
    : state_(std::make_shared<State>(std::move(executor), std::move(tell), std::move(ask))) {}

ArrivalWatch::~ArrivalWatch() {
  state_->tell = [](News) {};
}

void ArrivalWatch::follow(std::vector<Awaited> const& dispatchers) {
  auto const is_asked = [](State::QuestionPtr const& each, Awaited const& dispatcher) {
    return each->wanted && each->dispatcher == dispatcher;
  };
  for (auto& each : state_->questions) {
    each->wanted = std::any_of(dispatchers.begin(), dispatchers.end(),
                               [&](auto const& dispatcher) { return is_asked(each, dispatcher); });
  }
  std::erase_if(state_->questions, [](auto const& each) { return !each->wanted; });
  for (auto const& dispatcher : dispatchers) {
    bool const asked = std::any_of(state_->questions.begin(), state_->questions.end(),
                                   [&](auto const& each) { return is_asked(each, dispatcher); });
    if (asked || dispatcher.metrics_url.empty()) continue;
    auto question = std::make_shared<State::Question>();
    question->dispatcher = dispatcher;
    state_->questions.push_back(question);
    state_->tasks.spawn("arrivals", [weak = std::weak_ptr<State>(state_), question] {
      return State::follow(weak, question);
    });
  }
}

bool ArrivalWatch::stands() const {
  auto const& questions = state_->questions;
  return !questions.empty() && std::all_of(questions.begin(), questions.end(), [](auto const& each) {
    return each->answered || (each->asked && steady_now() - *each->asked > kConnect);
  });
}

}  // namespace ei::scrape
