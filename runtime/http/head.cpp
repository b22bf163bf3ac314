#include "runtime/http/head.hpp"

#include <algorithm>
#include <utility>

#include "runtime/http/text.hpp"

namespace ei::http {
namespace {

bool is_tchar(char c) {
  bool const alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return alphanumeric || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

Error too_large() {
  return http_fault(431, "the request line and header fields are too large");
}

}  // namespace

Error http_fault(int status, std::string detail) {
  Error out = make_error(ErrorKind::Protocol, std::move(detail));
  out.http_status = status;
  return out;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_tchar);
}

Result<std::size_t> LineReader::feed(std::string_view input, std::size_t& budget) {
  std::size_t used = 0;
  while (used < input.size() && !complete_) {
    if (budget == 0) return too_large();
    --budget;
    char const c = input[used++];
    if (cr_ && c != '\n') return http_fault(400, "malformed HTTP: a carriage return without a line feed");
    if (c == '\n' && !cr_) return http_fault(400, "malformed HTTP: a line feed without a carriage return");
    if (c == '\n') {
      complete_ = true;
    } else if (c == '\r') {
      cr_ = true;
    } else if (is_control(c)) {
      return http_fault(400, "malformed HTTP: a control character");
    } else {
      line_ += c;
    }
  }
  return used;
}

void LineReader::restart() {
  line_.clear();
  cr_ = false;
  complete_ = false;
}

Result<std::size_t> FieldReader::feed(std::string_view input, HeadBudget& budget) {
  std::size_t used = 0;
  while (used < input.size() && !done_) {
    auto const taken = reader_.feed(input.substr(used), budget.bytes);
    if (!taken) return taken.error();
    used += *taken;
    if (!reader_.complete()) continue;
    if (auto read = take_line(reader_.line(), budget); !read) return read.error();
    reader_.restart();
  }
  return used;
}

Result<void> FieldReader::take_line(std::string_view line, HeadBudget& budget) {
  if (line.empty()) {
    flush();
    done_ = true;
    return boost::system::in_place_value;
  }
  if (line.front() == ' ' || line.front() == '\t') {
    if (folding_ == Folding::Refuse || last_.first.empty())
      return http_fault(400, "malformed HTTP: a field goes on in the next line, which is obsolete");
    last_.second += ' ';
    last_.second += trim(line);
    return boost::system::in_place_value;
  }
  flush();
  if (budget.fields == 0) return http_fault(431, "more than " + std::to_string(kMaxFields) + " fields");
  --budget.fields;
  auto const colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
    return http_fault(400, "malformed HTTP: a line that is no header field");
  last_ = {std::string(line.substr(0, colon)), std::string(trim(line.substr(colon + 1)))};
  return boost::system::in_place_value;
}

void FieldReader::flush() {
  if (last_.first.empty()) return;
  fields_.add(std::move(last_.first), std::move(last_.second));
  last_ = {};
}

}  // namespace ei::http
