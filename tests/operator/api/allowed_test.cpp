#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "operator/api/allowed.hpp"

using namespace ei;
using namespace ei::api;

namespace {

std::string const kDigest = "sha256:" + std::string(64, 'a');

std::string told(Spec const& spec, Allowed const& allowed = {}) {
  return to_string(refusals(spec, allowed));
}

Spec with_uri(std::string uri) {
  Spec spec;
  spec.model.uri = std::move(uri);
  return spec;
}

}  // namespace

TEST_CASE("images: a prefix ends where a part of the reference ends") {
  struct Row {
    std::string prefix;
    std::string image;
    bool fits;
    std::string why;
  };
  for (auto const& row : {
           Row{"r.example/team", "r.example/team/x:1", true, "below it"},
           Row{"r.example/team", "r.example/team/a/b/x", true, "further below"},
           Row{"r.example/team/", "r.example/team/x:1", true, "a final slash does not matter"},
           Row{"r.example/team", "r.example/team", true, "itself"},
           Row{"r.example/team", "r.example/team:1.2", true, "any tag of it"},
           Row{"r.example/team", "r.example/team@" + kDigest, true, "any digest of it"},
           Row{"r.example/team", "r.example/team:1@" + kDigest, true, "both"},
           Row{"r.example/team", "r.example/team-evil/x", false, "another name"},
           Row{"r.example/team", "r.example/teamevil", false, "another name"},
           Row{"r.example/team", "r.example/team.evil/x", false, "another name"},
           Row{"r.example/team", "r.example/team_evil/x", false, "another name"},
           Row{"r.example/team", "r.example/team@evil", false, "no digest"},
           Row{"r.example/team", "r.example/team@evil.com/x", false, "user info has no place here"},
           Row{"r.example/team", "r.example/team@sha256:abc", false, "a short digest"},
           Row{"r.example/team", "r.example/team:", false, "no tag"},
           Row{"r.example/team", "r.example/team:1/x", false, "a tag in the middle"},
           Row{"r.example/team", "r.example/team/../evil/x", false, "a step back"},
           Row{"r.example/team", "r.example/team/./x", false, "a step nowhere"},
           Row{"r.example/team", "r.example/team//x", false, "an empty part"},
           Row{"r.example/team", "r.example/team/", false, "an empty part at the end"},
           Row{"r.example/team", "r.example/team/X", false, "upper case, which no runtime takes"},
           Row{"r.example/team", "r.example/team/x y", false, "a blank"},
           Row{"r.example/team", "r.example/team/x\n", false, "a line's end"},
           Row{"r.example/team", "r.example/team/x%2f", false, "an escape"},
           Row{"r.example/team", "r.example/tea", false, "shorter"},
           Row{"r.example/team", "R.example/team/x", false, "another spelling"},
           Row{"r.example/team", "evil/r.example/team/x", false, "not at the beginning"},
           Row{"r.example/team", "https://r.example/team/x", false, "no reference at all"},
           Row{"r.example/team/", "r.example/team:1", false, "a folder is no image"},
           Row{"r.example/team/", "r.example/team", false, "a folder is no image"},
           Row{"r.example", "r.example/x:1", true, "a whole registry"},
           Row{"r.example", "r.example.evil.com/x", false, "another registry"},
           Row{"r.example", "r.example:5000/x", false, "another port is another registry"},
           Row{"r.example", "r.example:5000", false, "that is a repository of Docker Hub with a tag"},
           Row{"r.example:5000", "r.example:5000/x", true, "a registry with its port"},
           Row{"r.example:5000", "r.example:50001/x", false, "another port"},
           Row{"r.example:5000/team", "r.example:5000/team/x", true, "a port and a path"},
           Row{"localhost", "localhost/x", true, "a registry without a dot"},
           Row{"team", "team/x:1", true, "Docker Hub's in short"},
           Row{"team", "team:1", true, "Docker Hub's own in short"},
           Row{"team", "team.evil.com/x", false, "another registry"},
           Row{"team", "team:5000/x", false, "another registry, by its port"},
           Row{"r.example/team/x:1", "r.example/team/x:1", true, "one image"},
           Row{"r.example/team/x:1", "r.example/team/x:12", false, "another tag"},
           Row{"r.example/team/x:1", "r.example/team/x:1@" + kDigest, false, "a digest wins over the tag"},
           Row{"r.example/team/x:1", "r.example/team/x:1/y", false, "no image"},
           Row{"r.example/team/x@" + kDigest, "r.example/team/x@" + kDigest, true, "one digest"},
           Row{"*", "anything at all", true, "all of them"},
           Row{"", "x", false, "nothing"},
           Row{"/", "/x", false, "nothing"},
       }) {
    INFO(row.prefix << " <- " << row.image << ": " << row.why);
    CHECK(image_matches(row.prefix, row.image) == row.fits);
  }
}

TEST_CASE(
    "a spec of defaults is allowed everywhere, and what a user's own machine allows is everything but "
    "metadata") {
  CHECK(told({}).empty());
  CHECK(told({}, everything_allowed()).empty());
  Spec spec;
  spec.worker.image = "evil:1";
  spec.worker.pods.tolerations = boost::json::array{boost::json::object{{"operator", "Exists"}}};
  spec.prometheus_query = "x";
  spec.model.uri = "pvc://claim/a";
  CHECK(told(spec, everything_allowed()).empty());
  spec.model.uri = "https://192.168.1.1/a.pth";
  CHECK(told(spec, everything_allowed()).empty());
  spec.model.uri = "https://169.254.169.254/a.pth";
  CHECK_THAT(told(spec, everything_allowed()), Catch::StartsWith("spec.model.uri: Forbidden"));
}

TEST_CASE("a refusal names the field, the value, what is allowed and who can change that") {
  Spec spec;
  spec.worker.image = "r.example/team-evil/x";
  Allowed allowed;
  allowed.worker_image = "elastic-inference/worker:0.1.0";
  allowed.images = {"r.example/team"};
  CHECK(told(spec, allowed) ==
        "spec.worker.image: Forbidden: \"r.example/team-evil/x\": allowed is elastic-inference/worker:0.1.0, "
        "the "
        "operator's own, and images under r.example/team; an administrator can allow it with the operator's "
        "--allow-image (the chart's allow.images)");
  spec.worker.image = "r.example/team/x";
  CHECK(told(spec, allowed).empty());
  spec.worker.image = "elastic-inference/worker:0.1.0";
  CHECK(told(spec, allowed).empty());
  spec.worker.image = "elastic-inference/worker:0.1.1";
  CHECK_FALSE(told(spec, allowed).empty());
}

TEST_CASE("URIs: of weights and of labels alike") {
  struct Row {
    std::string uri;
    std::string says;  ///< empty: allowed
    std::string why;
  };
  Allowed allowed;
  allowed.claims.kind = ClaimRule::Kind::Any;
  for (auto const& row : {
           Row{"https://a.example/m.pth", "", "a public host"},
           Row{"https://a.example:8443/m", "", "any port, where any host is allowed"},
           Row{"https://127.evil.com/m", "", "a name, not an address"},
           Row{"https://127.0.0.1/m", "a loopback address", "the usual spelling"},
           Row{"https://2130706433/m", "a loopback address", "as one number"},
           Row{"https://0x7f.1/m", "a loopback address", "hexadecimal"},
           Row{"https://[::ffff:127.0.0.1]/m", "a loopback address", "IPv4-mapped"},
           Row{"https://localhost/m", "a loopback address", "by name"},
           Row{"https://10.0.0.1/m", "a private address", "RFC 1918"},
           Row{"https://[fd12::1]:8443/m", "a private address", "unique local"},
           Row{"https://169.254.169.254/latest", "a link-local, metadata or reserved address",
               "a cloud's metadata"},
           Row{"https://[fd00:ec2::254]/latest", "a link-local, metadata or reserved address",
               "EC2's over IPv6"},
           Row{"https://0/m", "a link-local, metadata or reserved address", "this machine, in short"},
           Row{"https://me:KEY@a.example/m", "user info", "a password in a resource"},
           Row{"https://a.example:0/m", "a port from 1", "no port"},
           Row{"https://a.example:x/m", "a port from 1", "no port"},
           Row{"https://[::1/m", "a host", "half an address"},
           Row{"http://a.example/m", "allowed schemes", "no TLS"},
           Row{"ftp://a.example/m", "allowed schemes", "unknown"},
           Row{"file:///model/a.pth", "", "the worker's own image"},
           Row{"file:///model/../etc/x", "no '.' or '..'", "out of the folder"},
           Row{"file:///model/%2e%2e/x", "no '.' or '..'", "the same, escaped"},
           Row{"file:///model/.%2E/x", "no '.' or '..'", "half escaped"},
           Row{"file:///..", "no '.' or '..'", "at the end"},
           Row{"file:///model/./x", "no '.' or '..'", "nowhere"},
           Row{"file:///model/..x", "", "a name that begins with dots"},
           Row{"file:///model/a%00b", "zero byte", "cut short by C"},
           Row{"file:///model/a%zz", "%XX", "a broken escape"},
           Row{"builtin://shapes", "", "built in"},
       }) {
    INFO(row.uri << ": " << row.why);
    auto const weights = told(with_uri(row.uri), allowed);
    Spec spec;
    spec.model.labels = row.uri;
    auto const labels = told(spec, allowed);
    CHECK(weights.empty() == row.says.empty());
    CHECK(labels.empty() == row.says.empty());
    CHECK_THAT(weights, Catch::Contains(row.says));
    CHECK_THAT(labels, Catch::Contains(row.says));
    if (!row.says.empty()) {
      CHECK_THAT(weights, Catch::StartsWith("spec.model.uri: "));
      CHECK_THAT(labels, Catch::StartsWith("spec.model.labels: "));
    }
    CHECK(weights.find("KEY") == std::string::npos);
  }
}

TEST_CASE("hosts, schemes and addresses are what the administrator lists") {
  Allowed allowed;
  allowed.hosts = {"a.example", "*.store.example:8443"};
  CHECK(told(with_uri("https://a.example/m"), allowed).empty());
  CHECK(told(with_uri("https://b.store.example:8443/m"), allowed).empty());
  CHECK_THAT(
      told(with_uri("https://a.example.evil.com/m"), allowed),
      Catch::Contains("allowed hosts are a.example, *.store.example:8443; an administrator can allow it"));
  CHECK_FALSE(told(with_uri("https://a.example:22/m"), allowed).empty());
  allowed.hosts = {};
  CHECK_THAT(told(with_uri("https://a.example/m"), allowed), Catch::Contains("no host is allowed"));
  allowed = {};
  allowed.addresses.private_ones = true;
  CHECK(told(with_uri("https://10.0.0.1/m"), allowed).empty());
  CHECK_FALSE(told(with_uri("https://127.0.0.1/m"), allowed).empty());
  allowed.schemes = {"builtin"};
  CHECK_THAT(
      told(with_uri("https://a.example/m?KEY"), allowed),
      Catch::Contains("\"https://a.example/m?[redacted]\": allowed schemes are builtin; an administrator"));
}

TEST_CASE("TorchScript from the network needs its digest, where the name says that it is that") {
  CHECK_THAT(told(with_uri("https://a.example/m.pt")),
             Catch::StartsWith("spec.model.sha256: Required value"));
  CHECK_THAT(told(with_uri("https://a.example/m.pt?KEY")), Catch::Contains("m.pt?[redacted]"));
  auto spec = with_uri("https://a.example/m.pt");
  spec.model.sha256 = std::string(64, 'a');
  CHECK(told(spec).empty());
  CHECK(told(with_uri("https://a.example/m.pth")).empty());
  CHECK(told(with_uri("file:///model/m.pt")).empty());
}

TEST_CASE("claims: none, by label or any, and class names on the claim of the weights") {
  Allowed allowed;
  CHECK_THAT(told(with_uri("pvc://claim/a"), allowed),
             Catch::Contains("no PersistentVolumeClaim is allowed; an administrator can allow it with the "
                             "operator's --allow-claim"));
  allowed.claims = parse_claim_rule("models=yes").value();
  auto spec = with_uri("pvc://claim/a");
  CHECK(told(spec, allowed).empty());
  CHECK(claims_of(spec) == std::map<std::string, std::string>{{"claim", "spec.model.uri"}});
  auto const refused = claim_refusal(allowed.claims, "spec.model.uri", "claim", {{{"models", "no"}}});
  REQUIRE(refused);
  CHECK_THAT(to_string(*refused), Catch::Contains("with the label models=yes"));
  CHECK(claim_refusal(allowed.claims, "f", "claim", {{{"other", "yes"}}}));
  CHECK(claim_refusal(allowed.claims, "f", "claim", std::nullopt));
  CHECK_FALSE(claim_refusal(allowed.claims, "f", "claim", {{{"models", "yes"}}}));
  CHECK_FALSE(claim_refusal(parse_claim_rule("models").value(), "f", "claim", {{{"models", ""}}}));
  spec.model.labels = "pvc://claim/labels.txt";
  CHECK(told(spec, allowed).empty());
  spec.model.labels = "pvc://other/labels.txt";
  CHECK_THAT(told(spec, allowed), Catch::Contains("must be on the claim of spec.model.uri"));
  spec.model.labels = "pvc://claim/../labels.txt";
  CHECK_THAT(told(spec, allowed), Catch::Contains("no '.' or '..'"));
  CHECK_FALSE(told(with_uri("pvc://claim/../../var/run/x"), allowed).empty());
  CHECK_FALSE(told(with_uri("pvc://claim/..%2f..%2fvar"), allowed).empty());
  CHECK(parse_claim_rule("none").value() == ClaimRule{});
  for (auto const* const wrong : {"", "=x", "a=", "a b", "a=b c", "a=b=c"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_claim_rule(wrong).has_value());
  }
}

TEST_CASE("tolerations go by their key, and one without a key tolerates all taints") {
  using boost::json::array;
  using boost::json::object;
  Spec spec;
  spec.worker.pods.tolerations =
      array{object{{"key", "gpu"}, {"operator", "Exists"}}, object{{"operator", "Exists"}}};
  Allowed allowed;
  CHECK_THAT(told(spec, allowed),
             Catch::Contains("spec.worker.tolerations[0].key: Forbidden: \"gpu\": no toleration is allowed"));
  allowed.toleration_keys = {"gpu"};
  CHECK_THAT(told(spec, allowed),
             Catch::StartsWith("spec.worker.tolerations[1].key: Forbidden: \"\": allowed keys are gpu; "));
  spec.worker.pods.tolerations = array{object{{"key", "gpu-evil"}}};
  CHECK_FALSE(told(spec, allowed).empty());
  spec.worker.pods.tolerations = array{object{{"key", ""}, {"operator", "Exists"}}};
  CHECK_FALSE(told(spec, allowed).empty());
  spec.worker.pods.tolerations = array{};
  CHECK(told(spec, {}).empty());
}

TEST_CASE("What pods ask for is allowed by name or by its beginning, for both programs") {
  struct Row {
    void (*ask)(Pods&);
    std::vector<std::string> Allowed::*list;
    char const* name;
    char const* field;
    char const* flag;
  };
  auto const row = GENERATE(values<Row>({
      {[](Pods& pods) { pods.service_account = "team-a"; }, &Allowed::service_accounts, "team-a",
       "serviceAccountName", "--allow-service-account"},
      {[](Pods& pods) { pods.priority_class = "team-a"; }, &Allowed::priority_classes, "team-a",
       "priorityClassName", "--allow-priority-class"},
      {[](Pods& pods) { pods.labels["team-a"] = "x"; }, &Allowed::labels, "team-a", "labels",
       "--allow-label"},
      {[](Pods& pods) { pods.annotations["team-a"] = "x"; }, &Allowed::annotations, "team-a", "annotations",
       "--allow-annotation"},
      {[](Pods& pods) {
         pods.env = {{"team-a", "x"}};
       },
       &Allowed::env, "team-a", "env[0].name", "--allow-env"},
  }));
  for (bool const worker : {true, false}) {
    Spec spec;
    row.ask(worker ? spec.worker.pods : spec.dispatcher.pods);
    Allowed allowed;
    allowed.*row.list = {};
    auto const field = std::string(worker ? "spec.worker." : "spec.dispatcher.") + row.field;
    CHECK_THAT(told(spec, allowed),
               Catch::StartsWith(field + ": Forbidden: \"team-a\": ") && Catch::Contains(row.flag));
    for (auto const* const other : {"team", "eam-a", "team-b*"}) {
      allowed.*row.list = {other};
      CHECK_THAT(told(spec, allowed), Catch::Contains(other));
    }
    for (auto const* const fine : {"team-a", "team-*", "*"}) {
      allowed.*row.list = {"other", fine};
      CHECK(told(spec, allowed).empty());
    }
    CHECK(told(spec, everything_allowed()).empty());
  }
}

TEST_CASE("The account and the PriorityClass that pods have anyway are always allowed") {
  Spec spec;
  spec.worker.pods.service_account = "default";
  spec.dispatcher.pods.priority_class = "serving";
  Allowed allowed;
  allowed.priority_class = "serving";
  CHECK(told(spec, allowed).empty());
}

TEST_CASE("Secrets for TLS go by their name or its beginning") {
  Spec spec;
  spec.dispatcher.tls.secret_name = "eis-vision";
  Allowed allowed;
  CHECK(told(spec, allowed).empty());
  for (auto const* const fine : {"eis-vision", "eis-*", "*"}) {
    allowed.tls_secrets = {"other", fine};
    CHECK(told(spec, allowed).empty());
  }
  allowed.tls_secrets = {"eis-visio", "eis-vision-*"};
  CHECK_THAT(
      told(spec, allowed),
      Catch::StartsWith("spec.dispatcher.tls.secretName: Forbidden: \"eis-vision\": allowed Secrets are "
                        "eis-visio, eis-vision-*; "));
  allowed.tls_secrets.clear();
  CHECK_THAT(told(spec, allowed), Catch::Contains("no Secret is allowed"));
  CHECK(told({}, allowed).empty());
}

TEST_CASE("queries can be switched off") {
  Spec spec;
  spec.prometheus_query = "sum(x)";
  Allowed allowed;
  CHECK(told(spec, allowed).empty());
  allowed.prometheus_query = false;
  CHECK_THAT(told(spec, allowed),
             Catch::StartsWith("spec.scaling.prometheusQuery: Forbidden: queries are switched off"));
}

TEST_CASE("Webhooks go by their host and, where it is spelled, by their address") {
  Spec spec;
  spec.webhook = {{"https://policy.example.com/decide", {}, ""}};
  Allowed allowed;
  CHECK(told(spec, allowed).empty());
  allowed.webhook_hosts = {"*.svc:8080"};
  CHECK_THAT(told(spec, allowed), Catch::Contains("spec.scaling.webhook.url"));
  CHECK_THAT(told(spec, allowed), Catch::Contains("--allow-webhook-host"));
  spec.webhook.front().url = "http://policy.default.svc:8080/";
  CHECK(told(spec, allowed).empty());
  spec.webhook.front().url = "http://policy.default.svc/";
  CHECK_FALSE(told(spec, allowed).empty());
  allowed.webhook_hosts = {"*"};
  CHECK(told(spec, allowed).empty());
  for (auto const* url :
       {"http://10.0.0.1/", "http://127.0.0.1:9000/", "http://[::1]/", "http://localhost/"}) {
    INFO(url);
    spec.webhook.front().url = url;
    CHECK_THAT(told(spec), Catch::Contains("--allow-webhook-address"));
    CHECK(told(spec, everything_allowed()).empty());
  }
  spec.webhook.front().url = "http://169.254.169.254/latest/";
  CHECK_THAT(told(spec, everything_allowed()), Catch::Contains("nothing is ever posted"));
}
