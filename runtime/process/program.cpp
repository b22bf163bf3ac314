#include "runtime/process/program.hpp"

#include <sys/resource.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/json/object.hpp>
#include <exception>

#include "runtime/core/json.hpp"
#include "runtime/log/log.hpp"
#include "runtime/process/files.hpp"

namespace ei::process {
namespace {

// A shared token is some dozens of characters; a signed one of a cluster has up to 4 KiB.
constexpr std::size_t kMaxTokenBytes = 6144;

}  // namespace

int run_to_end(asio::io_context& context, asio::awaitable<int> work) {
  int code = 1;
  asio::co_spawn(context, std::move(work), [&](std::exception_ptr fault, int result) {
    code = result;
    if (fault) {
      code = 1;
      try {
        std::rethrow_exception(fault);
      } catch (std::exception const& what) {
        log::error("failed", {{"error", what.what()}});
      }
    }
    context.stop();
  });
  context.run();
  return code;
}

void allow_many_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

std::size_t max_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return static_cast<std::size_t>(limit.rlim_cur);
}

Result<void> write_ports(std::filesystem::path const& file, Ports ports) {
  if (file.empty()) return boost::system::in_place_value;
  boost::json::object object;
  for (auto const& [name, port] : ports) object[name] = port;
  return write_file_atomically(file, to_json_text(object) + "\n");
}

Result<std::string> read_token(std::filesystem::path const& file) {
  if (file.empty()) return std::string();
  auto token = read_file(file, kMaxTokenBytes);
  if (!token) return token.error();
  auto const end = token->find_last_not_of(" \t\r\n");
  token->resize(end == std::string::npos ? 0 : end + 1);
  if (token->empty()) return make_error(ErrorKind::Invalid, file.string() + " is empty; a token is expected");
  return token;
}

}  // namespace ei::process
