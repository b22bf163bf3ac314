#include "runtime/http/send_queue.hpp"

// Not with the C library's header of that name, whose tcp_info is older.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>

namespace ei::http {
namespace {

// An ordinary answer leaves at once; a thousand connections that take nothing hold 16 MiB.
constexpr int kMostUnsent = 16 * 1024;

}  // namespace

std::uint64_t acknowledged_bytes(int socket) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  bool const told = size >= offsetof(tcp_info, tcpi_bytes_acked) + sizeof(info.tcpi_bytes_acked);
  return told ? info.tcpi_bytes_acked : 0;
}

void keep_unsent_short(int socket) {
  ::setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kMostUnsent, sizeof(kMostUnsent));
}

}  // namespace ei::http
