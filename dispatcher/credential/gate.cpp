#include "dispatcher/credential/gate.hpp"

#include <chrono>
#include <utility>

#include "runtime/crypto/digest.hpp"
#include "runtime/log/log.hpp"
#include "runtime/process/program.hpp"

namespace ei::dispatcher {
namespace {

constexpr std::string_view kScheme = "Bearer ";

/// Read for every link: a file that is replaced by hand counts from then on.
bool is_token_of(std::filesystem::path const& file, std::string_view shown) {
  if (file.empty()) return false;
  auto const token = process::read_token(file);
  return token && crypto::equal_secrets(*token, shown);
}

std::int64_t seconds_since_1970() {
  auto const now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

Error refused(std::string reason) {
  return make_error(ErrorKind::Unauthorized, std::move(reason));
}

}  // namespace

LinkGate::LinkGate(GateOptions options)
    : options_(std::move(options)), keys_file_(options_.keys_file, kMaxKeysBytes) {}

Result<LinkGate> LinkGate::make(GateOptions options) {
  LinkGate gate(std::move(options));
  if (auto const token = process::read_token(gate.options_.token_file); !token) return token.error();
  if (auto const keys = gate.refresh_keys(); !keys) return keys.error();
  return gate;
}

Result<void> LinkGate::refresh_keys() {
  if (options_.keys_file.empty()) return boost::system::in_place_value;
  auto text = keys_file_.read_if_changed();
  if (!text) return text.error();
  if (!*text) return boost::system::in_place_value;
  auto keys = TrustedKeys::parse(**text);
  if (!keys) return with_context(keys.error(), options_.keys_file.string());
  keys_ = std::move(*keys);
  log::info("link_keys", {{"issuer", keys_->issuer()}, {"keys", keys_->size()}});
  return boost::system::in_place_value;
}

Result<std::string> LinkGate::admit(std::optional<std::string_view> authorization) {
  if (options_.open()) return std::string();
  if (!authorization || !authorization->starts_with(kScheme)) return refused("no token");
  auto const shown = authorization->substr(kScheme.size());
  if (is_token_of(options_.token_file, shown) || is_token_of(options_.former_token_file, shown))
    return std::string();
  if (options_.keys_file.empty()) return refused("wrong token");
  if (auto const fresh = refresh_keys(); !fresh)
    log::error("link_keys_unusable",
               {{"error", fresh.error().message}, {"detail", "the keys read before stay in force"}});
  auto const holder = verify_token(*keys_, options_.expected, shown, seconds_since_1970());
  if (!holder) return holder.error();
  return holder->pod;
}

}  // namespace ei::dispatcher
