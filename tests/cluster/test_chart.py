"""The Helm chart with the real helm: rendering, its schema, and installs on a real API server."""

import filecmp
import json
import os
import pathlib
import shutil
import subprocess

import pytest
import yaml

from bench.waiting import eventually
from tests.cluster.conftest import CRD, ROOT

CHART = ROOT / "helm"

# name -> values; each must render to objects that the API server takes.
VARIANTS = {
    "defaults": {},
    "two replicas": {"replicas": 2, "topologySpreadConstraints": []},
    "no leader election": {"leaderElection": False},
    "namespaced": {"watchNamespaces": ["default"]},
    "priority": {"priorityClass": {"create": True, "name": "inference-operators", "value": 1000}},
    "pull secrets and registry": {"imageRegistry": "registry.example.com:5000/team", "imagePullSecrets": ["regcred"]},
    "digests": {"image": {"repository": "operator", "digest": "sha256:" + "0" * 64}},
    "all toggles": {
        "replicas": 3,
        "networkPolicy": {"enabled": True},
        "dashboards": {"enabled": True},
        "podLabels": {"team": "vision"},
        "podAnnotations": {"note": "x"},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "inference", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        "extraArgs": ["--log-level=debug"],
        "extraEnv": [{"name": "NO_COLOR", "value": "1"}],
        "prometheusUrl": "http://prometheus-operated.monitoring:9090",
        "serviceAccount": {"create": True, "name": "robot", "annotations": {"a": "b"}},
    },
    "services' own": {
        "services": {"imagePullSecrets": ["a", "b"], "priorityClass": "low", "networkPolicies": False, "serviceMonitors": False}
    },
    "nobody but who must be reached": {
        "prometheusUrl": "https://prometheus.example.com",
        "networkPolicy": {"egress": True, "modelNetworks": ["203.0.113.0/24"], "collectors": ["monitoring", "2001:db8::/32"], "apiServer": {"networks": ["10.0.0.1/32"], "ports": [6443]}},
    },
    "keys by a binding of its own": {"rbac": {"issuerDiscovery": True}},
    "permissions": {
        "allow": {
            "images": ["registry.example.com/team"],
            "modelSchemes": ["https", "pvc"],
            "modelHosts": ["models.example.com", "*.store.example.com:8443", "[fd00::1]:443"],
            "modelAddresses": ["private"], "claims": "elasticinference.dev/models=true", "tolerations": ["inference"],
            "tlsSecrets": ["eis-*"], "serviceAccounts": ["worker-*"], "priorityClasses": ["serving"], "annotations": [],
            "labels": ["team", "example.com/*"], "env": ["OMP_*"], "prometheusQuery": False,
            "webhookHosts": ["*.default.svc:8080"], "webhookAddresses": ["service"],
        }
    },
    "a lease of the operators' own": {"lease": {"create": False}},
    "no roles, no CRD": {"rbac": {"create": False}, "crd": {"install": False}},
    "an account of the user's": {"serviceAccount": {"create": False, "name": "robot"}},
    "not in the cluster's own roles": {"rbac": {"aggregate": False}},
    "no disruption budget": {"replicas": 2, "podDisruptionBudget": {"enabled": False}},
    "its own spread": {
        "topologySpreadConstraints": [
            {"maxSkew": 2, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
        ]
    },
    "another port": {"metrics": {"port": 9999}, "serviceMonitor": {"enabled": False}},
    "other names": {"nameOverride": "vision", "fullnameOverride": "vision-operator"},
}

OPERATOR = ("Deployment", "spec", "template", "spec")
EGRESS = ("NetworkPolicy", "spec", "egress")
CONTAINER = (*OPERATOR, "containers", 0)

# (why, values, path to something in the only object of a kind or None for that kind's absence, what is there)
ROWS = [
    ("an account is made", {}, (*OPERATOR, "serviceAccountName"), "eis-elastic-inference"),
    (
        "the user's account is used",
        {"serviceAccount": {"create": False, "name": "robot"}},
        (*OPERATOR, "serviceAccountName"),
        "robot",
    ),
    ("and not made", {"serviceAccount": {"create": False, "name": "robot"}}, ("ServiceAccount",), None),
    (
        "and gets the lease's role",
        {"serviceAccount": {"create": False, "name": "robot"}},
        ("RoleBinding", "subjects", 0, "name"),
        "robot",
    ),
    ("its policy limits who comes", {"networkPolicy": {"enabled": True}}, ("NetworkPolicy", "spec", "policyTypes"), ["Ingress"]),
    ("or who is reached", {"networkPolicy": {"egress": True}}, ("NetworkPolicy", "spec", "policyTypes"), ["Egress"]),
    (
        "or both",
        {"networkPolicy": {"enabled": True, "egress": True}},
        ("NetworkPolicy", "spec", "policyTypes"),
        ["Ingress", "Egress"],
    ),
    ("neither by itself", {}, ("NetworkPolicy",), None),
    (
        "programs that decide, by their ports",
        {"networkPolicy": {"egress": True, "webhookPorts": [8080]}},
        (*EGRESS, 3, "ports", 0, "port"),
        8080,
    ),
    ("the API server by its usual ports", {"networkPolicy": {"egress": True}}, (*EGRESS, 1, "ports", 1, "port"), 6443),
    (
        "or where it is",
        {"networkPolicy": {"egress": True, "apiServer": {"networks": ["10.0.0.1/32"], "ports": [8443]}}},
        (*EGRESS, 1),
        {"ports": [{"port": 8443, "protocol": "TCP"}], "to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]},
    ),
    (
        "and Prometheus by its port",
        {"networkPolicy": {"egress": True}, "prometheusUrl": "http://prometheus-operated.monitoring:9090/p"},
        (*EGRESS, 3, "ports", 0, "port"),
        9090,
    ),
    (
        "or its scheme's",
        {"networkPolicy": {"egress": True}, "prometheusUrl": "https://prometheus.example.com/p"},
        (*EGRESS, 3, "ports", 0, "port"),
        443,
    ),
    ("two replicas have a budget", {"replicas": 2}, ("PodDisruptionBudget", "spec", "maxUnavailable"), 1),
    ("one would block a drain with it", {"replicas": 1}, ("PodDisruptionBudget",), None),
    ("unless they shall not", {"replicas": 2, "podDisruptionBudget": {"enabled": False}}, ("PodDisruptionBudget",), None),
    (
        "resources are the user's",
        {"resources": {"requests": {"cpu": "200m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}},
        (*CONTAINER, "resources"),
        {"requests": {"cpu": "200m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
    ),
    ("time to end", {"terminationGracePeriodSeconds": 45}, (*OPERATOR, "terminationGracePeriodSeconds"), 45),
    ("when to pull", {"image": {"pullPolicy": "Always"}}, (*CONTAINER, "imagePullPolicy"), "Always"),
    ("and for the test", {"image": {"pullPolicy": "Always"}}, ("Pod", "spec", "containers", 0, "imagePullPolicy"), "Always"),
    ("another port is told", {"metrics": {"port": 9999}}, (*CONTAINER, "args", 0), "--metrics-port=9999"),
    ("and opened", {"metrics": {"port": 9999}}, (*CONTAINER, "ports", 0, "containerPort"), 9999),
    ("probes have their own", {}, (*CONTAINER, "args", 1), "--probe-port=8081"),
    ("which the kubelet asks", {}, (*CONTAINER, "livenessProbe", "httpGet", "port"), "probes"),
    ("also another", {"probes": {"port": 9998}}, (*CONTAINER, "ports", 1, "containerPort"), 9998),
    ("and served", {"metrics": {"port": 9999}}, ("Service", "spec", "ports", 0, "port"), 9999),
    ("operators are spread", {}, (*OPERATOR, "topologySpreadConstraints", 0, "topologyKey"), "kubernetes.io/hostname"),
    (
        "as the user says",
        {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]},
        (*OPERATOR, "topologySpreadConstraints"),
        [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
    ),
    ("the release's name comes first", {}, ("Deployment", "metadata", "name"), "eis-elastic-inference"),
    ("a name of its own", {"nameOverride": "vision"}, ("Deployment", "metadata", "name"), "eis-vision"),
    ("that the release has too", {"nameOverride": "ei"}, ("Deployment", "metadata", "name"), "eis"),
    ("selects", {"nameOverride": "vision"}, ("Service", "spec", "selector", "app.kubernetes.io/name"), "vision"),
    ("the whole name", {"fullnameOverride": "op"}, ("Deployment", "metadata", "name"), "op"),
    ("is the lease's", {"fullnameOverride": "op"}, ("Lease", "metadata", "name"), "op"),
    (
        "a long one ends where a suffix still fits",
        {"nameOverride": "n" * 35 + "-op"},
        ("Deployment", "metadata", "name"),
        "eis-" + "n" * 35,
    ),
    ("operators can make the lease themselves", {"lease": {"create": False}}, ("Lease",), None),
    ("and then need the right to", {"lease": {"create": False}}, ("Role", "rules", 0, "verbs"), ["create"]),
    ("who leads alone needs no lease", {"leaderElection": False}, ("Lease",), None),
]


@pytest.fixture
def render(api, tmp_path):
    """helm template with these values -> the objects."""

    def render(values, *args):
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        text = api.helm("template", "eis", CHART, "--namespace", "default", "-f", file, *args)
        return [each for each in yaml.safe_load_all(text) if each]

    return render


def of_kind(objects, kind):
    return [each for each in objects if each["kind"] == kind]


def test_the_chart_is_clean(api):
    assert "0 chart(s) failed" in api.helm("lint", "--strict", CHART)


def test_the_charts_crd_is_the_crd():
    original = ROOT / "crds" / "elasticinference.dev_inferenceservices.yaml"
    copy = CHART / "files" / "inferenceservices.yaml"
    assert filecmp.cmp(original, copy, shallow=False), f"cp {original} {copy}"


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_taken_by_the_api_server(api, render, name):
    objects = render(VARIANTS[name])
    assert of_kind(objects, "Deployment")
    manifest = "\n---\n".join(map(json.dumps, objects))
    api.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=manifest)


@pytest.mark.parametrize("why, values, path, wanted", ROWS, ids=[row[0] for row in ROWS])
def test_a_value_is_where_it_belongs(render, why, values, path, wanted):
    kind, *rest = path
    found = of_kind(render(values), kind)
    if wanted is None:
        assert found == []
        return
    (value,) = found
    for key in rest:
        value = value[key]
    assert value == wanted


def test_the_clusters_own_roles_cover_the_services_unless_they_shall_not(render):
    def covering(values):
        labels = [each["metadata"]["labels"] for each in of_kind(render(values), "ClusterRole")]
        prefix = "rbac.authorization.k8s.io/aggregate-to-"
        return {key.removeprefix(prefix) for each in labels for key in each if key.startswith(prefix)}

    assert covering({}) == {"view", "edit", "admin"}
    assert covering({"rbac": {"aggregate": False}}) == set()
    assert covering({"watchNamespaces": ["a"]}) == set()


def test_an_account_that_is_not_made_must_be_named(api):
    done = api.run("helm", "template", "eis", CHART, "--set", "serviceAccount.create=false", check=False)
    assert done.returncode != 0
    assert "serviceAccount.name is needed" in done.stderr


def test_two_releases_in_a_namespace_have_a_lease_each(api):
    def lease_of(release):
        text = api.helm("template", release, CHART, "--namespace", "default")
        objects = [each for each in yaml.safe_load_all(text) if each]
        (lease,) = of_kind(objects, "Lease")
        assert "spec" not in lease, "it is the operators'"
        name = lease["metadata"]["name"]
        (container,) = of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"]["containers"]
        assert f"--lease-name={name}" in container["args"]
        (role,) = of_kind(objects, "Role")
        assert [rule["resourceNames"] for rule in role["rules"] if "update" in rule["verbs"]] == [[name]]
        return name

    assert lease_of("one") != lease_of("two")


def test_the_operator_learns_its_prometheus(render):
    def environment(values):
        (deployment,) = of_kind(render(values), "Deployment")
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        return {each["name"]: each.get("value") for each in container["env"]}

    assert "PROMETHEUS_URL" not in environment({})
    assert environment({"prometheusUrl": "https://prometheus/p"})["PROMETHEUS_URL"] == "https://prometheus/p"


def test_a_service_monitor_is_made_on_request(render):
    (monitor,) = of_kind(render({"serviceMonitor": {"enabled": True, "labels": {"release": "prom"}}}), "ServiceMonitor")
    (service,) = [each for each in of_kind(render({}), "Service")]
    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


@pytest.mark.parametrize(
    "values, says",
    [
        ({"replicas": -1}, "/replicas"),
        ({"replcas": 1}, "replcas"),
        ({"image": {"repository": ""}}, "/image/repository"),
        ({"image": {"repository": "x", "digest": "latest"}}, "/image/digest"),
        ({"logLevel": "loud"}, "/logLevel"),
        ({"watchNamespaces": ["Not_A_Namespace"]}, "/watchNamespaces/0"),
        ({"priorityClass": {"create": True}}, "/priorityClass/name"),
        ({"metrics": {"port": 80}}, "/metrics/port"),
        ({"prometheusUrl": "prometheus:9090"}, "/prometheusUrl"),
        ({"networkPolicy": {"modelNetworks": ["download.pytorch.org"]}}, "/networkPolicy/modelNetworks/0"),
        ({"networkPolicy": {"collectors": ["http://collector:4318"]}}, "/networkPolicy/collectors/0"),
        ({"networkPolicy": {"apiServer": {"ports": []}}}, "/networkPolicy/apiServer/ports"),
        ({"networkPolicy": {"egress": True}, "services": {"networkPolicies": False}}, "networkPolicy.egress needs services.networkPolicies"),
        ({"allow": {"images": ["a b"]}}, "/allow/images/0"),
        ({"allow": {"modelSchemes": ["http"]}}, "/allow/modelSchemes/0"),
        ({"allow": {"modelHosts": ["https://a.example"]}}, "/allow/modelHosts/0"),
        ({"allow": {"modelAddresses": ["metadata"]}}, "/allow/modelAddresses/0"),
        ({"allow": {"webhookAddresses": ["metadata"]}}, "/allow/webhookAddresses/0"),
        ({"allow": {"claims": "a b"}}, "/allow/claims"),
        ({"allow": {"tolerations": [""]}}, "/allow/tolerations/0"),
        ({"allow": {"tlsSecrets": ["*-tls"]}}, "/allow/tlsSecrets/0"),
    ],
)
def test_wrong_values_are_refused_by_name(api, tmp_path, values, says):
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    done = api.run("helm", "template", "eis", CHART, "-f", file, check=False)
    assert done.returncode != 0
    assert says in done.stderr


def test_pods_keep_the_restricted_standard(api, render, namespace):
    api.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    objects = render({})
    specs = [each["spec"]["template"]["spec"] for each in of_kind(objects, "Deployment")]
    specs += [each["spec"] for each in of_kind(objects, "Pod")]
    assert len(specs) == 2
    for spec in specs:
        spec.pop("serviceAccountName", None)
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": spec}
        api.kubectl("create", "-n", namespace, "--dry-run=server", "-f", "-", stdin=json.dumps(pod))


def test_a_namespaced_operator_asks_for_nothing_cluster_wide(render):
    objects = render({"watchNamespaces": ["a", "b"], "crd": {"install": False}})
    assert not of_kind(objects, "ClusterRole") and not of_kind(objects, "ClusterRoleBinding")
    assert [each["metadata"]["namespace"] for each in of_kind(objects, "Role")] == ["a", "b", "default"]
    args = of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert {"--namespace=a", "--namespace=b"} <= set(args)


def test_the_roles_hold_no_wildcards_and_no_way_up(render):
    for role in of_kind(render({}), "ClusterRole") + of_kind(render({}), "Role"):
        for rule in role["rules"]:
            assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]
            assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"])


def test_the_operator_knows_every_flag_that_the_chart_passes(render):
    folder = os.environ.get("EI_BIN")
    if not folder:
        pytest.skip("EI_BIN names no folder with inference-operator")
    program = pathlib.Path(folder) / "inference-operator"
    known = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=10).stdout
    objects = render({"watchNamespaces": ["a"], **VARIANTS["services' own"]})
    for flag in of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["args"]:
        assert flag.partition("=")[0] in known, flag


class TestLifeOfARelease:
    """Install, upgrade and uninstall against the API server; pods need a node and are tested there."""

    @pytest.fixture(autouse=True)
    def own_crd(self, api):
        if not api.provisioned:
            pytest.skip("would remove the CRD of a cluster that is not ours")
        api.kubectl("delete", "crd", CRD, "--ignore-not-found", "--timeout=30s")

    def test_upgrade_brings_a_newer_crd(self, api, namespace, tmp_path):
        older = tmp_path / "older"
        shutil.copytree(CHART, older)
        crd = older / "files" / "inferenceservices.yaml"
        crd.write_text(crd.read_text().replace("maximum: 1000\n", "maximum: 10\n"))
        api.helm("install", "eis", older, "-n", namespace)
        service = {
            "apiVersion": "elasticinference.dev/v1alpha1",
            "kind": "InferenceService",
            "metadata": {"name": "big"},
            "spec": {"scaling": {"maxReplicas": 11}},
        }
        api.kubectl("wait", "--for=condition=Established", f"crd/{CRD}", "--timeout=30s")
        with pytest.raises(AssertionError, match="maxReplicas"):
            api.apply(service, namespace)
        api.helm("upgrade", "eis", CHART, "-n", namespace)
        eventually(lambda: api.apply(service, namespace), 10)
        api.helm("uninstall", "eis", "-n", namespace)
        assert api.get("eis", "big", "-n", namespace)["spec"]["scaling"]["maxReplicas"] == 11, "kept at uninstall"

    def test_uninstall_leaves_nothing_behind(self, api, namespace):
        def everything():
            names = set()
            for scope in ("true", "false"):
                kinds = api.kubectl(
                    "api-resources", f"--namespaced={scope}", "--verbs=list", "-o", "name", "--cached=false"
                ).split()
                # Kubernetes' own bookkeeping, and what lists are not stored objects.
                kinds = [k for k in kinds if not k.startswith(("events", "componentstatuses", "apiservices."))]
                where = ("-n", namespace) if scope == "true" else ()
                names |= set(api.kubectl("get", ",".join(kinds), *where, "-o", "name", "--ignore-not-found").split())
            return names

        before = everything()
        values = ("--set", "crd.keep=false,replicas=2,priorityClass.create=true,priorityClass.name=op")
        api.helm("install", "eis", CHART, "-n", namespace, *values, "--set", "networkPolicy.enabled=true")
        assert len(everything() - before) > 8
        api.helm("uninstall", "eis", "-n", namespace)

        def nothing_new():
            assert everything() - before == set()

        eventually(nothing_new, 20)

    def test_a_crd_applied_by_hand_can_be_taken_over(self, api, namespace):
        api.kubectl("apply", "-f", ROOT / "crds" / "elasticinference.dev_inferenceservices.yaml")
        api.helm("install", "eis", CHART, "-n", namespace, "--take-ownership", "--force-conflicts")
        api.helm("uninstall", "eis", "-n", namespace)
        assert api.get("crd", CRD)["metadata"]["name"] == CRD
