"""Upgrades over the values of an older chart, a release's way to another namespace, and what `kubectl scale` says, on a real API server."""

import shutil

import pytest
import yaml

from bench.waiting import eventually
from tests.cluster.conftest import CRD, ROOT

CHART = ROOT / "helm"
# Blocks that earlier charts did not have.
NEWER = ("allow", "probes", "prometheusRule", "workerMonitor", "scaleWarning")


@pytest.fixture(autouse=True)
def own_crd(api):
    if not api.provisioned:
        pytest.skip("would remove the CRD of a cluster that is not ours")
    api.kubectl("delete", "crd", CRD, "--ignore-not-found", "--timeout=30s")


def test_an_upgrade_with_the_values_of_an_older_chart(api, namespace, tmp_path):
    older = tmp_path / "older"
    shutil.copytree(CHART, older)
    values = yaml.safe_load((older / "values.yaml").read_text())
    (older / "values.yaml").write_text(yaml.safe_dump({key: value for key, value in values.items() if key not in NEWER}))
    api.helm("install", "eis", older, "-n", namespace, "--set", "replicas=2")
    api.helm("upgrade", "eis", CHART, "-n", namespace, "--reuse-values")
    deployment = api.get("deployment", "eis-elastic-inference", "-n", namespace)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert deployment["spec"]["replicas"] == 2
    assert "--probe-port=8081" in container["args"] and "--allow-model-host=*" in container["args"]
    api.helm("uninstall", "eis", "-n", namespace)


def service(name, **scaling):
    return {
        "apiVersion": "elasticinference.dev/v1alpha1",
        "kind": "InferenceService",
        "metadata": {"name": name},
        "spec": {"scaling": scaling} if scaling else {},
    }


def test_a_release_moves_to_another_namespace_with_its_services(api, namespace):
    """The commands of docs/operations.md."""
    there = f"{namespace}-there"
    api.kubectl("create", "namespace", there)
    try:
        api.helm("install", "eis", CHART, "-n", namespace)
        api.kubectl("wait", "--for=condition=Established", f"crd/{CRD}", "--timeout=30s")
        eventually(lambda: api.apply(service("kept"), namespace), 10)
        api.helm("uninstall", "eis", "-n", namespace)
        refused = api.run("helm", "install", "eis", CHART, "-n", there, check=False)
        assert refused.returncode != 0 and CRD in refused.stderr, "the CRD is the former release's"
        api.helm("install", "eis", CHART, "-n", there, "--take-ownership")
        assert api.get("crd", CRD)["metadata"]["annotations"]["meta.helm.sh/release-namespace"] == there
        assert api.get("eis", "kept", "-n", namespace)["metadata"]["name"] == "kept"
        bound = api.get("clusterrolebinding", f"{there}-eis-elastic-inference")
        assert bound["subjects"][0]["namespace"] == there
        api.helm("uninstall", "eis", "-n", there)
    finally:
        api.kubectl("delete", "namespace", there, "--wait=false")


def test_who_scales_what_scales_itself_is_told(api, namespace):
    api.helm("install", "eis", CHART, "-n", namespace)
    api.kubectl("wait", "--for=condition=Established", f"crd/{CRD}", "--timeout=30s")
    eventually(lambda: api.apply(service("by-latency"), namespace), 10)
    api.apply(service("by-ratio", policy="QueueRatio"), namespace)
    api.apply(service("by-hand", policy="External"), namespace)

    def warning(name, replicas):
        done = api.run("kubectl", "scale", f"eis/{name}", f"--replicas={replicas}", "-n", namespace)
        assert api.get("eis", name, "-n", namespace)["spec"]["replicas"] == replicas, "nothing is refused"
        return done.stderr

    numbers = iter(range(1, 1000))

    def told():
        assert "its policy is Latency" in warning("by-latency", 2 + next(numbers) % 2)

    # The API server takes a moment to learn of a policy and of its parameters' kind.
    eventually(told, 60, 1)
    said = warning("by-ratio", 3)
    assert "its policy is QueueRatio, and spec.replicas counts under External alone" in said and "by-latency" not in said
    assert "Warning" not in warning("by-hand", 3)
    api.helm("uninstall", "eis", "-n", namespace)
