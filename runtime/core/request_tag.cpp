#include "runtime/core/request_tag.hpp"

#include <algorithm>

namespace ei {
namespace {

// A member of more than these goes first where room is short.
constexpr std::size_t kLongMember = 128;
// version, trace-id, parent-id and flags with three dashes.
constexpr std::size_t kTraceparent = 55;

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz";

bool is_of(std::string_view text, std::string_view allowed) {
  return text.find_first_not_of(allowed) == text.npos;
}

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_alphanumeric(char c) {
  return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

std::string_view without_blanks(std::string_view text) {
  auto const first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool is_id(std::string_view text) {
  return is_of(text, kHex) && text.find_first_not_of('0') != text.npos;
}

// Section 3.3.1.3.1: `key`, or `tenant@system`.
bool is_key(std::string_view key) {
  auto const rest_allowed = [](std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
      return is_lower_or_digit(c) || c == '_' || c == '-' || c == '*' || c == '/';
    });
  };
  auto const at = key.find('@');
  if (at == key.npos)
    return !key.empty() && key.size() <= 256 && is_of(key.substr(0, 1), kLower) && rest_allowed(key);
  auto const tenant = key.substr(0, at);
  auto const system = key.substr(at + 1);
  return !tenant.empty() && tenant.size() <= 241 && is_lower_or_digit(tenant.front()) &&
         rest_allowed(tenant) && !system.empty() && system.size() <= 14 &&
         is_of(system.substr(0, 1), kLower) && rest_allowed(system);
}

// Section 3.3.1.3.2; a blank at its end is none of its.
bool is_value(std::string_view value) {
  return !value.empty() && value.size() <= 256 && std::all_of(value.begin(), value.end(), [](char c) {
    return c >= ' ' && c <= '~' && c != ',' && c != '=';
  });
}

// False for an invalid one.
bool add_members(std::string_view header, std::vector<std::string_view>& members) {
  for (;;) {
    auto const comma = header.find(',');
    auto const member = without_blanks(header.substr(0, comma));
    if (!member.empty()) {
      auto const equals = member.find('=');
      if (equals == member.npos) return false;
      auto const key = member.substr(0, equals);
      if (!is_key(key) || !is_value(member.substr(equals + 1))) return false;
      bool const known = std::any_of(members.begin(), members.end(), [&](std::string_view other) {
        return other.substr(0, other.find('=')) == key;
      });
      if (known || members.size() == kMaxTracestateMembers) return false;
      members.push_back(member);
    }
    if (comma == header.npos) return true;
    header.remove_prefix(comma + 1);
  }
}

}  // namespace

bool is_request_id(std::string_view text) {
  constexpr std::string_view kMarks = "-._~:+/=@";
  return !text.empty() && text.size() <= kMaxRequestId && std::all_of(text.begin(), text.end(), [&](char c) {
    return is_alphanumeric(c) || kMarks.find(c) != kMarks.npos;
  });
}

std::optional<std::string> read_traceparent(std::string_view header) {
  header = without_blanks(header);
  if (header.size() < kTraceparent) return {};
  auto const version = header.substr(0, 2);
  if (!is_of(version, kHex) || version == "ff") return {};
  if (header.size() > kTraceparent && (version == "00" || header[kTraceparent] != '-')) return {};
  auto const trace_id = header.substr(3, 32);
  auto const parent_id = header.substr(36, 16);
  auto const flags = header.substr(53, 2);
  if (header[2] != '-' || header[35] != '-' || header[52] != '-') return {};
  if (!is_id(trace_id) || !is_id(parent_id) || !is_of(flags, kHex)) return {};
  bool const sampled = kHex.find(flags[1]) % 2 == 1;
  std::string out = "00-";
  out.append(trace_id).append("-").append(parent_id).append(sampled ? "-01" : "-00");
  return out;
}

std::string read_tracestate(std::vector<std::string_view> const& headers) {
  std::vector<std::string_view> members;
  for (auto const header : headers) {
    if (!add_members(header, members)) return {};
  }
  std::size_t size = members.size();  // a comma each, one too many
  for (auto const member : members) size += member.size();
  auto const drop = [&](auto from) {
    size -= from->size() + 1;
    members.erase(from);
  };
  while (size > kMaxTracestate + 1) {
    auto const large = std::find_if(members.begin(), members.end(),
                                    [](std::string_view member) { return member.size() > kLongMember; });
    drop(large == members.end() ? members.end() - 1 : large);
  }
  std::string out;
  for (auto const member : members) (out += out.empty() ? "" : ",") += member;
  return out;
}

}  // namespace ei
