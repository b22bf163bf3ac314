#include "operator/backend/kube/client/kubeconfig.hpp"

#include <catch2/catch.hpp>

#include <fstream>

using namespace ei::kube;
using ei::ErrorKind;

namespace {

/// A kubeconfig with one context "c", whose cluster and user have these lines.
std::string config(std::string const& cluster, std::string const& user) {
  auto const indent = [](std::string const& lines) {
    std::string out;
    std::size_t at = 0;
    while (at < lines.size()) {
      auto const end = std::min(lines.find('\n', at), lines.size());
      out += "    " + lines.substr(at, end - at) + "\n";
      at = end + 1;
    }
    return out;
  };
  return "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
         "contexts:\n- name: c\n  context: {cluster: k, user: u, namespace: team}\n"
         "clusters:\n- name: k\n  cluster:\n" +
         indent(cluster) + "users:\n- name: u\n  user:\n" + indent(user);
}

ei::Result<Access> access_of(std::string const& text, std::optional<std::string> context = std::nullopt) {
  auto parsed = parse_kubeconfig(text, "/etc/kube");
  if (!parsed) return parsed.error();
  return resolve_access(*parsed, context);
}

struct Directory {
  Directory() { std::filesystem::create_directories(path); }
  ~Directory() { std::filesystem::remove_all(path); }
  void write(std::string const& name, std::string const& text) const { std::ofstream(path / name) << text; }
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("kubeconfig_test." + std::to_string(::getpid()));
};

}  // namespace

TEST_CASE("a context gives the server, its trust, the credentials and the namespace") {
  auto const access =
      access_of(config("server: https://example:6443\ncertificate-authority: ca.crt\n"
                       "tls-server-name: kubernetes",
                       "client-certificate-data: Q0VSVA==\nclient-key-data: S0VZ\ntoken: t"));
  REQUIRE(access.has_value());
  CHECK(access->server == "https://example:6443");
  CHECK(access->ca.path == "/etc/kube/ca.crt");
  CHECK(access->tls_server_name == "kubernetes");
  CHECK(access->client_certificate.text == "CERT");
  CHECK(access->client_key.text == "KEY");
  CHECK(access->token == decltype(access->token){StaticToken{"t"}});
  CHECK(access->namespace_name == "team");
}

TEST_CASE("data wins over files, a token file over a token, absolute paths stay") {
  auto const access = access_of(
      config("server: https://e\ncertificate-authority: /x/ca.crt\ncertificate-authority-data: Q0E=",
             "token: t\ntokenFile: /run/token"));
  REQUIRE(access.has_value());
  CHECK(access->ca.text == "CA");
  CHECK(access->token == decltype(access->token){TokenFile{"/run/token"}});
}

TEST_CASE("an exec plugin is read whole") {
  auto const access =
      access_of(config("server: https://e",
                       "exec:\n  apiVersion: client.authentication.k8s.io/v1\n  command: ./login\n"
                       "  args: [--cluster, k]\n  env:\n  - {name: A, value: b}\n"
                       "  provideClusterInfo: true\n  installHint: get it\n"
                       "  interactiveMode: Never"));
  REQUIRE(access.has_value());
  auto const& plugin = std::get<ExecPlugin>(access->token);
  CHECK(plugin.command == "/etc/kube/./login");
  CHECK(plugin.arguments == std::vector<std::string>{"--cluster", "k"});
  CHECK(plugin.environment == std::vector<std::pair<std::string, std::string>>{{"A", "b"}});
  CHECK(plugin.provide_cluster_info);
  CHECK(plugin.install_hint == "get it");
}

TEST_CASE("what cannot be used is refused with the way out") {
  struct Row {
    char const* cluster;
    char const* user;
    char const* says;
    char const* why;
  };
  for (auto const& row : {
           Row{"server: https://e\nproxy-url: http://p", "token: t", "proxy-url", "no proxies"},
           Row{"server: https://e\ninsecure-skip-tls-verify: true\ncertificate-authority: x", "token: t",
               "contradict", "kubectl refuses it too"},
           Row{"tls-server-name: x", "token: t", "no server", "nothing to connect to"},
           Row{"server: https://e", "username: a\npassword: b", "basic auth", "removed from Kubernetes"},
           Row{"server: https://e", "auth-provider: {name: gcp}", "exec plugin", "removed from Kubernetes"},
           Row{"server: https://e", "token: t\nas: root", "impersonation", "would act as somebody else"},
           Row{"server: https://e", "client-key-data: S0VZ", "together", "half a pair"},
           Row{"server: https://e", "client-key-data: '!'", "base64", "broken data"},
           Row{"server: https://e", "exec: {apiVersion: client.authentication.k8s.io/v1alpha1x, command: }",
               "command", "no program"},
           Row{"server: https://e", "exec: {apiVersion: other/v1, command: x}", "apiVersion",
               "unknown protocol"},
           Row{"server: https://e",
               "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Always}",
               "terminal", "nobody there to type"},
       }) {
    INFO(row.why);
    auto const access = access_of(config(row.cluster, row.user));
    REQUIRE_FALSE(access.has_value());
    CHECK_THAT(access.error().message, Catch::Contains(row.says));
  }
}

TEST_CASE("an entry that cannot be used does no harm to a context that does not use it") {
  auto text = config("server: https://e", "token: t");
  text += "- name: other\n  user: {username: a, password: b}\n";
  CHECK(access_of(text).has_value());
}

TEST_CASE("names that lead nowhere are told") {
  auto const text = config("server: https://e", "token: t");
  CHECK_THAT(access_of(text, "x").error().message, Catch::Contains("no context \"x\""));
  CHECK_THAT(access_of("current-context: c\ncontexts: [{name: c, context: {cluster: k}}]").error().message,
             Catch::Contains("no cluster \"k\""));
  CHECK_THAT(access_of("{}").error().message, Catch::Contains("current-context"));
}

TEST_CASE("files that are no kubeconfig are refused") {
  for (auto const* text : {"- a", "clusters: 3", "a: [", "just text"}) {
    INFO(text);
    CHECK_FALSE(parse_kubeconfig(text, "/").has_value());
  }
}

TEST_CASE("of several files the first that names a thing wins, missing ones are skipped") {
  Directory const directory;
  directory.write("one", "current-context: c\nusers: [{name: u, user: {token: first}}]\n");
  directory.write("two", config("server: https://two", "token: second"));
  auto const access =
      kubeconfig_access({directory.path / "none", directory.path / "one", directory.path / "two"});
  REQUIRE(access.has_value());
  CHECK(access->server == "https://two");
  CHECK(access->token == decltype(access->token){StaticToken{"first"}});
  CHECK(kubeconfig_access({directory.path / "none"}).error().kind == ErrorKind::NotFound);
  CHECK(split_kubeconfig_list("/a::/b:") == std::vector<std::filesystem::path>{"/a", "/b"});
}

TEST_CASE("a pod finds its own access") {
  Directory const directory;
  CHECK_THAT(in_cluster_access("", "443", directory.path).error().message, Catch::Contains("--kubeconfig"));
  CHECK_THAT(in_cluster_access("10.0.0.1", "443", directory.path).error().message, Catch::Contains("token"));
  directory.write("token", "t");
  directory.write("namespace", "mine");
  auto const access = in_cluster_access("fd00::1", "443", directory.path);
  REQUIRE(access.has_value());
  CHECK(access->server == "https://[fd00::1]:443");
  CHECK(access->ca.path == directory.path / "ca.crt");
  CHECK(access->token == decltype(access->token){TokenFile{directory.path / "token"}});
  CHECK(access->namespace_name == "mine");
}

TEST_CASE("a value that can never work ends the start, with its file and field") {
  Directory const directory;
  directory.write("empty", "\n");
  directory.write("text", "no certificate");
  directory.write("ca.crt", "-----BEGIN CERTIFICATE-----\n");
  directory.write("user.key", "-----BEGIN EC PRIVATE KEY-----\n");
  struct Row {
    char const* cluster;
    char const* user;
    char const* says;
  };
  std::string const https = "server: https://e\n";
  auto const message = [&](std::string const& cluster, std::string const& user) {
    directory.write("config", config(cluster, user));
    auto const access = kubeconfig_access({directory.path / "config"});
    return access ? std::string() : access.error().message;
  };
  auto const place = (directory.path / "config").string();
  for (auto const& row : {
           Row{"server: ftp://e", "token: t", "cluster \"k\": server is \"ftp://e\"; allowed: https://HOST"},
           Row{"server: e:6443", "token: t", "cluster \"k\": server is \"e:6443\""},
           Row{"server: https://e\ncertificate-authority: none.crt", "token: t", "certificate-authority: "},
           Row{"server: https://e\ncertificate-authority: text", "token: t",
               "which holds no CERTIFICATE in PEM"},
           Row{"server: https://e\ncertificate-authority-data: Q0E=", "token: t",
               "certificate-authority-data holds no CERTIFICATE"},
           Row{"server: https://e", "client-certificate: ca.crt\nclient-key: text",
               "user \"u\": client-key is "},
           Row{"server: https://e", "tokenFile: none", "user \"u\": tokenFile: "},
           Row{"server: https://e", "tokenFile: empty", "which is empty"},
           Row{"server: https://e",
               "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./none, installHint: get it}",
               "which cannot be run: get it"},
       }) {
    INFO(row.says);
    CHECK_THAT(message(row.cluster, row.user), Catch::Contains(row.says) && Catch::Contains(place));
  }
  CHECK(message(https + "certificate-authority: ca.crt",
                "client-certificate: ca.crt\nclient-key: user.key") == "");
  CHECK(message(https, "exec: {apiVersion: client.authentication.k8s.io/v1, command: on-the-path}") == "");
}
