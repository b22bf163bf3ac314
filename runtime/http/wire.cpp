#include "runtime/http/wire.hpp"

#include <array>
#include <chrono>
#include <cstdio>

#include "runtime/http/text.hpp"

namespace ei::http {
namespace {

void append_clean(std::string& out, std::string_view text) {
  for (char const c : text) {
    bool const control = static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    out += control && c != '\t' ? ' ' : c;
  }
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  append_clean(out, name);
  out += ": ";
  append_clean(out, value);
  out += "\r\n";
}

bool is_framing(std::string_view name) {
  return same_without_case(name, "Connection") || same_without_case(name, "Content-Length") ||
         same_without_case(name, "Transfer-Encoding");
}

}  // namespace

bool is_bodiless(int status) {
  return status < 200 || status == 204 || status == 304;
}

std::string response_head(Response const& response, ResponseHeadOptions const& options) {
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + " ";
  out += reason_phrase(response.status);
  out += "\r\n";
  if (!options.date.empty()) append_field(out, "Date", options.date);
  for (auto const& [name, value] : response.headers) {
    if (!is_framing(name)) append_field(out, name, value);
  }
  if (!is_bodiless(response.status)) {
    if (options.framing == Framing::Length)
      append_field(out, "Content-Length", std::to_string(options.body_size));
    if (options.framing == Framing::Chunked) append_field(out, "Transfer-Encoding", "chunked");
  }
  append_field(out, "Connection", options.keep_alive ? "keep-alive" : "close");
  return out + "\r\n";
}

std::string request_head(Request const& request, std::string const& host) {
  std::string out;
  append_clean(out, request.method);
  out += ' ';
  append_clean(out, request.target.empty() ? "/" : request.target);
  out += " HTTP/1.1\r\n";
  append_field(out, "Host", host);
  for (auto const& [name, value] : request.headers) {
    bool const ours = same_without_case(name, "Host") || same_without_case(name, "Content-Length") ||
                      same_without_case(name, "Transfer-Encoding");
    if (!ours) append_field(out, name, value);
  }
  bool const expects_body = request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (expects_body || !request.body.empty()) {
    append_field(out, "Content-Length", std::to_string(request.body.size()));
  }
  return out + "\r\n";
}

std::string chunk_size_line(std::size_t size) {
  std::array<char, 24> line{};
  std::snprintf(line.data(), line.size(), "%zx\r\n", size);
  return line.data();
}

std::string format_http_date(long long unix_seconds) {
  using namespace std::chrono;
  // Not strftime: its names follow the locale.
  static constexpr std::array<char const*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<char const*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  sys_seconds const time{seconds{unix_seconds}};
  auto const day = floor<days>(time);
  year_month_day const date{day};
  hh_mm_ss const clock{time - day};
  std::array<char, 64> out{};
  std::snprintf(out.data(), out.size(), "%s, %02u %s %04d %02d:%02d:%02d GMT",
                kDays[weekday{day}.c_encoding()], static_cast<unsigned>(date.day()),
                kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return out.data();
}

}  // namespace ei::http
