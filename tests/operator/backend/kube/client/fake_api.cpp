#include "tests/operator/backend/kube/client/fake_api.hpp"

#include "runtime/async/task_group.hpp"
#include "runtime/http/client.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <catch2/catch.hpp>

#include <cstdio>
#include <sstream>

namespace ei::kube {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
constexpr auto use = asio::as_tuple(asio::use_awaitable);

asio::awaitable<std::optional<http::Request>> read_request(tcp::socket& socket, std::string& buffer) {
  auto dynamic = asio::dynamic_buffer(buffer);
  auto const [failed, head] = co_await asio::async_read_until(socket, dynamic, "\r\n\r\n", use);
  if (failed) co_return std::nullopt;
  http::Request request;
  std::istringstream lines(buffer.substr(0, head));
  std::string line;
  std::getline(lines, line);
  std::istringstream(line) >> request.method >> request.target;
  while (std::getline(lines, line) && line != "\r") {
    auto const colon = line.find(": ");
    if (colon != std::string::npos)
      request.headers.add(line.substr(0, colon), line.substr(colon + 2, line.size() - colon - 3));
  }
  buffer.erase(0, head);
  auto const length = std::stoul(std::string(request.headers.get("Content-Length").value_or("0")));
  if (buffer.size() < length) {
    auto const missing = length - buffer.size();
    auto const [cut, count] =
        co_await asio::async_read(socket, dynamic, asio::transfer_exactly(missing), use);
    if (cut) co_return std::nullopt;
  }
  request.body = buffer.substr(0, length);
  buffer.erase(0, length);
  co_return request;
}

asio::awaitable<void> serve(tcp::socket socket, std::function<FakeApi::Reply(http::Request const&)> script) {
  std::string buffer;
  while (auto const request = co_await read_request(socket, buffer)) {
    auto const reply = script(*request);
    for (auto const& part : reply.parts) {
      if (part.pause > milliseconds(0)) co_await sleep_for(part.pause);
      auto const [failed, count] = co_await asio::async_write(socket, asio::buffer(part.bytes), use);
      if (failed) co_return;
    }
    if (reply.close) co_return;
  }
}

}  // namespace

struct FakeApi::State {
  tcp::acceptor acceptor;
};

FakeApi::FakeApi(asio::io_context& io, Script script)
    : state_(new State{tcp::acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0))}),
      script_(std::move(script)) {
  asio::co_spawn(io, accept(), asio::detached);
}

FakeApi::~FakeApi() {
  state_->acceptor.close();
}

asio::awaitable<void> FakeApi::accept() {
  auto const state = state_;
  while (true) {
    auto [failed, socket] = co_await state->acceptor.async_accept(use);
    if (failed) co_return;
    auto answer = [this](http::Request const& request) {
      seen_.push_back(request.method + " " + request.target);
      requests_.push_back(request);
      return script_(request);
    };
    asio::co_spawn(state->acceptor.get_executor(), serve(std::move(socket), std::move(answer)),
                   asio::detached);
  }
}

Access FakeApi::access() const {
  Access access;
  access.server = "http://127.0.0.1:" + std::to_string(state_->acceptor.local_endpoint().port());
  return access;
}

int FakeApi::count(std::string_view part) const {
  int found = 0;
  for (auto const& line : seen_) found += line.find(part) != std::string::npos ? 1 : 0;
  return found;
}

FakeApi::Reply FakeApi::answer(int status, std::string body, std::string headers) {
  auto const head = "HTTP/1.1 " + std::to_string(status) + " " + std::string(http::reason_phrase(status)) +
                    "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
                    "\r\n" + headers + "\r\n";
  return {{Part{head + body, {}}}, false};
}

FakeApi::Reply FakeApi::failure(int status, std::string reason, std::string headers) {
  return answer(status,
                R"({"kind":"Status","apiVersion":"v1","status":"Failure","message":"scripted","reason":")" +
                    reason + R"(","code":)" + std::to_string(status) + "}",
                std::move(headers));
}

FakeApi::Part FakeApi::stream_head() {
  return {"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", {}};
}

FakeApi::Part FakeApi::chunk(std::string bytes, milliseconds pause) {
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return {size + bytes + "\r\n", pause};
}

void run_until_done(asio::io_context& io, std::function<asio::awaitable<void>()> work) {
  bool done = false;
  std::exception_ptr fault;
  asio::co_spawn(io, work(), [&](std::exception_ptr thrown) {
    done = true;
    fault = thrown;
    io.stop();
  });
  io.restart();
  io.run_for(std::chrono::seconds(10));
  if (fault) std::rethrow_exception(fault);
  REQUIRE(done);
}

}  // namespace ei::kube
