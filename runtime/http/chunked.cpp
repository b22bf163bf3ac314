#include "runtime/http/chunked.hpp"

#include <algorithm>
#include <charconv>

#include "runtime/http/text.hpp"

namespace ei::http {
namespace {

// As Go's net/http (CVE-2023-39326): each chunk may bring 16 bytes of framing and two for each byte of its
// data; what is over that adds up to at most this. Else a body of a few bytes could come in gigabytes.
constexpr std::uint64_t kMaxExcess = 16 * 1024;
constexpr std::uint64_t kFreePerChunk = 16;

void skip_blanks(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
}

std::string_view take_token(std::string_view& text) {
  std::size_t size = 0;
  while (size < text.size() && is_token(text.substr(size, 1))) ++size;
  auto const token = text.substr(0, size);
  text.remove_prefix(size);
  return token;
}

// A quoted string; control characters cannot be in it, for no line has any.
bool skip_quoted(std::string_view& text) {
  text.remove_prefix(1);
  while (!text.empty() && text.front() != '"')
    text.remove_prefix(std::min<std::size_t>(text.front() == '\\' ? 2 : 1, text.size()));
  if (text.empty()) return false;
  text.remove_prefix(1);
  return true;
}

// *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )
bool are_extensions(std::string_view text) {
  while (!text.empty()) {
    skip_blanks(text);
    if (!text.starts_with(';')) return false;
    text.remove_prefix(1);
    skip_blanks(text);
    if (take_token(text).empty()) return false;
    auto rest = text;
    skip_blanks(rest);
    if (!rest.starts_with('=')) continue;
    text = rest.substr(1);
    skip_blanks(text);
    if (text.starts_with('"') ? !skip_quoted(text) : take_token(text).empty()) return false;
  }
  return true;
}

}  // namespace

Result<std::size_t> ChunkedReader::feed(std::string_view input, std::string& body, std::uint64_t& room,
                                        HeadBudget& budget) {
  std::size_t used = 0;
  while (used < input.size() && !done()) {
    auto const taken = step(input.substr(used), body, room, budget);
    if (!taken) return taken.error();
    used += *taken;
  }
  return used;
}

Result<std::size_t> ChunkedReader::step(std::string_view input, std::string& body, std::uint64_t& room,
                                        HeadBudget& budget) {
  switch (state_) {
    case State::Size:
      return feed_size(input, room);
    case State::Data: {
      auto const size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
      body.append(input.substr(0, size));
      room -= size;
      left_ -= size;
      if (left_ == 0) state_ = State::DataEnd;
      return size;
    }
    case State::DataEnd: {
      std::size_t end = 2;
      auto const taken = reader_.feed(input, end);
      // Over two bytes it is no line's end either.
      if (!taken || !reader_.line().empty())
        return http_fault(400, "malformed HTTP: a chunk is longer than its size");
      if (reader_.complete()) {
        reader_.restart();
        state_ = State::Size;
      }
      return *taken;
    }
    case State::Trailers: {
      auto const taken = trailers_.feed(input, budget);
      if (taken && trailers_.done()) state_ = State::Done;
      return taken;
    }
    case State::Done:
      break;
  }
  return std::size_t{0};
}

Result<std::size_t> ChunkedReader::feed_size(std::string_view input, std::uint64_t room) {
  auto const taken = reader_.feed(input, line_budget_);
  if (!taken && taken.error().http_status == 431)
    return http_fault(400, "malformed HTTP: a chunk's size line is too long");
  if (!taken || !reader_.complete()) return taken;
  if (auto read = take_size(reader_.line(), room); !read) return read.error();
  reader_.restart();
  line_budget_ = kMaxSizeLine;
  return taken;
}

Result<void> ChunkedReader::take_size(std::string_view line, std::uint64_t room) {
  // Some servers pad the size with blanks.
  if (folding_ == Folding::Join) line = trim(line);
  std::uint64_t size = 0;
  auto const read = std::from_chars(line.data(), line.data() + line.size(), size, 16);
  if (read.ec == std::errc::result_out_of_range) return http_fault(413, "the body is too large");
  auto const digits = static_cast<std::size_t>(read.ptr - line.data());
  if (read.ec != std::errc() || line.front() == '-' || !are_extensions(line.substr(digits)))
    return http_fault(400, "malformed HTTP: a chunk's size line");
  if (size > room) return http_fault(413, "the body is too large");
  excess_ += line.size() + 4;  // with both line ends
  excess_ -= std::min(excess_, kFreePerChunk + 2 * std::min(size, excess_));
  if (excess_ > kMaxExcess) return http_fault(400, "malformed HTTP: the chunks have more framing than data");
  left_ = size;
  state_ = size == 0 ? State::Trailers : State::Data;
  return boost::system::in_place_value;
}

}  // namespace ei::http
