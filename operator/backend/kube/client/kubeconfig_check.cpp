#include "operator/backend/kube/client/kubeconfig_check.hpp"

#include "runtime/http/url.hpp"
#include "runtime/process/files.hpp"

#include <unistd.h>

namespace ei::kube {
namespace {

/// A chain of certificates is a few kilobytes, a system's whole store 250.
constexpr std::size_t kMaxPemBytes = 4U << 20U;
/// As of every token that is shown to an API server.
constexpr std::size_t kMaxTokenBytes = 64U << 10U;

std::string pem_fault(PemSource const& source, std::string const& field, std::string_view kind) {
  if (source.empty()) return {};
  std::string const marks = std::string(kind) + "-----";
  if (source.path.empty()) {
    return source.text.find(marks) == std::string::npos
               ? field + "-data holds no " + std::string(kind) + " in PEM"
               : std::string();
  }
  auto const text = process::read_file(source.path, kMaxPemBytes);
  if (!text) return field + ": " + text.error().message;
  return text->find(marks) == std::string::npos
             ? field + " is " + source.path.string() + ", which holds no " + std::string(kind) + " in PEM"
             : std::string();
}

std::string token_fault(TokenFile const& token) {
  auto const text = process::read_file(token.path, kMaxTokenBytes);
  if (!text) return "tokenFile: " + text.error().message;
  bool const blank = text->find_first_not_of(" \t\r\n") == std::string::npos;
  return blank ? "tokenFile is " + token.path.string() + ", which is empty" : std::string();
}

std::string exec_fault(ExecPlugin const& plugin) {
  // A bare name is looked up in $PATH when it is run: that may still change.
  if (plugin.command.find('/') == std::string::npos || ::access(plugin.command.c_str(), X_OK) == 0) return {};
  auto fault = "exec.command is " + plugin.command + ", which cannot be run";
  if (!plugin.install_hint.empty()) fault += ": " + plugin.install_hint;
  return fault;
}

}  // namespace

std::string cluster_fault(Kubeconfig::Cluster const& cluster) {
  auto const url = http::parse_url(cluster.server);
  if (!url || (url->scheme != "https" && url->scheme != "http"))
    return "server is \"" + cluster.server + "\"; allowed: https://HOST or https://HOST:PORT";
  if (cluster.file.empty()) return {};
  return pem_fault(cluster.ca, "certificate-authority", "CERTIFICATE");
}

std::string user_fault(Kubeconfig::User const& user) {
  if (user.file.empty()) return {};
  if (auto fault = pem_fault(user.client_certificate, "client-certificate", "CERTIFICATE"); !fault.empty())
    return fault;
  if (auto fault = pem_fault(user.client_key, "client-key", "PRIVATE KEY"); !fault.empty()) return fault;
  if (auto const* file = std::get_if<TokenFile>(&user.token)) return token_fault(*file);
  if (auto const* plugin = std::get_if<ExecPlugin>(&user.token)) return exec_fault(*plugin);
  return {};
}

}  // namespace ei::kube
