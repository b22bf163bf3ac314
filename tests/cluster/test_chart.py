"""The Helm chart with the real helm: rendering, its schema, and installs on a real API server."""

import filecmp
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml

from conftest import ROOT, eventually

CHART = ROOT / "helm"
CRD = "inferenceservices.elasticinference.dev"

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
    "no roles, no CRD": {"rbac": {"create": False}, "crd": {"install": False}},
}


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


def test_dashboards_are_valid_json_and_name_only_known_metrics(render):
    (config,) = of_kind(render({"dashboards": {"enabled": True}}), "ConfigMap")
    (text,) = config["data"].values()
    used = set()
    for panel in json.loads(text)["panels"]:
        for target in panel["targets"]:
            used |= set(re.findall(r"\b(?:dispatcher|ml_app|eis_operator)_\w+", target["expr"]))
    sources = "".join(path.read_text() for room in ("dispatcher", "inference") for path in (ROOT / room).rglob("*.[ch]pp"))
    assert used
    assert [name for name in used if f'"{name.removesuffix("_bucket")}"' not in sources] == []


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
                kinds = [k for k in kinds if not k.startswith(("events", "leases.", "componentstatuses", "apiservices."))]
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
