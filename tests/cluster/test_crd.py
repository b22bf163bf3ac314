"""The InferenceService API as kubectl users meet it, on a real API server."""

import copy
import functools
import json

import pytest
import yaml

from bench.waiting import eventually
from tests.cluster.conftest import HERE, ROOT

CASES = yaml.safe_load((HERE / "cases.yaml").read_text())
CRD = yaml.safe_load((ROOT / "crds" / "elasticinference.dev_inferenceservices.yaml").read_text())
SAMPLES = sorted((ROOT / "crds" / "samples").glob("*.yaml"))


def service(name="example", spec=None):
    return {
        "apiVersion": "elasticinference.dev/v1alpha1",
        "kind": "InferenceService",
        "metadata": {"name": name},
        "spec": spec or {},
    }


def fields(schema, path=""):
    """Every field below a schema, as (path, schema)."""
    for name, child in schema.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from fields(child, f"{path}.{name}")
    if "items" in schema:
        yield from fields(schema["items"], f"{path}[]")


def test_every_field_has_a_description():
    schema = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    bare = [path for path, field in fields(schema) if not path.startswith(".metadata") and not field.get("description")]
    assert bare == []


def repeated(case):
    """The row's spec, with what `repeat` names made as long as it says by repeating its last character or item."""
    spec = copy.deepcopy(case["spec"])
    for path, length in case.get("repeat", {}).items():
        *groups, field = path.split(".")
        group = functools.reduce(dict.__getitem__, groups, spec)
        group[field] += group[field][-1:] * (length - len(group[field]))
    return spec


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_the_api_server_decides_by_the_table(crd, case):
    manifest = json.dumps(service(case.get("name", "example"), repeated(case)))
    done = crd.run(
        "kubectl", "create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=manifest, check=False
    )
    if "refused" in case:
        assert done.returncode != 0, "was accepted"
        assert case["refused"] in done.stderr
    else:
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_samples_are_accepted_strictly(crd, namespace, sample):
    crd.kubectl("create", "-n", namespace, "--dry-run=server", "--validate=strict", "-f", sample)


def test_the_full_sample_names_every_field():
    def names(value, path=""):
        for key, child in value.items():
            yield f"{path}.{key}"
            if isinstance(child, dict):
                yield from names(child, f"{path}.{key}")

    sample = yaml.safe_load((ROOT / "crds" / "samples" / "full.yaml").read_text())
    schema = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    # These are for other policies than the default: External, QueueRatio and Webhook. An affinity is a pod's own.
    wanted = {path for path, _ in fields(schema) if "[]" not in path and ".affinity." not in path}
    wanted -= {".replicas", ".scaling.prometheusQuery"} | {path for path in wanted if path.startswith(".scaling.webhook")}
    assert wanted - set(names(sample["spec"])) == set()


def test_defaults_are_filled_in(crd, namespace):
    crd.apply(service("defaults"), namespace)
    spec = crd.get("eis", "defaults", "-n", namespace)["spec"]
    assert spec == {
        "model": {"name": "resnet18", "uri": "builtin://shapes", "precision": "auto"},
        "scaling": {
            "policy": "Latency",
            "queueTarget": 50,
            "minReplicas": 1,
            "maxReplicas": 6,
            "standby": 0,
            "idleAfter": "5m",
            "cooldown": "150s",
            "latencyTarget": "500ms",
            "paused": False,
            "mode": "Act",
            "onMetricsLoss": "Hold",
        },
        "dispatcher": {
            "replicas": 1,
            "queueCapacity": 1000,
            "requestTimeout": "30s",
            "limits": {"maxBytes": 10485760, "maxPixels": 100000000},
            "batch": {"maxSize": 1, "maxDelay": "0ms"},
            "resources": {"cpu": "100m", "memory": "64Mi"},
        },
        "worker": {"resources": {"cpu": "1", "memory": "1Gi"}},
        "replicas": 1,
    }


def test_explain_tells_what_a_field_means(crd):
    text = eventually(lambda: crd.kubectl("explain", "eis.spec.scaling.policy"), 10)
    assert "Latency" in text and "QueueRatio" in text and "External" in text


def test_scale_writes_replicas_and_reads_status(crd, namespace):
    crd.apply(service("scaled"), namespace)
    status = {"status": {"replicas": 2, "selector": "elasticinference.dev/service=scaled"}}
    crd.kubectl(
        "patch", "eis", "scaled", "-n", namespace, "--subresource=status", "--type=merge", "-p", json.dumps(status)
    )
    crd.kubectl("scale", "eis/scaled", "-n", namespace, "--replicas=3")
    path = f"/apis/elasticinference.dev/v1alpha1/namespaces/{namespace}/inferenceservices/scaled/scale"
    scale = json.loads(crd.kubectl("get", "--raw", path))
    assert scale["spec"]["replicas"] == 3
    assert scale["status"] == {"replicas": 2, "selector": "elasticinference.dev/service=scaled"}


def test_get_prints_the_columns_and_wait_sees_conditions(crd, namespace):
    crd.apply(service("shown"), namespace)
    status = {
        "status": {
            "observedGeneration": 1,
            "replicas": 2,
            "desiredReplicas": 3,
            "queue": {"depth": 120, "inFlight": 2, "arrivalRate": 31.5, "oldestAge": "1s"},
            "lastDecision": {"id": "1", "from": 2, "to": 3, "reason": "Backlog", "formula": "120 waiting"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "Answering", "message": "all is well"}],
        }
    }
    crd.kubectl(
        "patch", "eis", "shown", "-n", namespace, "--subresource=status", "--type=merge", "-p", json.dumps(status)
    )
    head, row = crd.kubectl("get", "eis", "shown", "-n", namespace).splitlines()
    assert head.split() == ["NAME", "READY", "QUEUE", "REPLICAS", "DESIRED", "REASON", "AGE"]
    assert row.split()[:6] == ["shown", "True", "120", "2", "3", "Backlog"]
    crd.kubectl("wait", "-n", namespace, "--for=condition=Ready", "eis/shown", "--timeout=5s")
    assert "120 waiting" in crd.kubectl("describe", "eis", "shown", "-n", namespace)


def test_a_spec_change_moves_the_generation_and_a_status_change_does_not(crd, namespace):
    crd.apply(service("counted"), namespace)
    patch = ("patch", "eis", "counted", "-n", namespace, "--type=merge", "-p")
    crd.kubectl(*patch, '{"status": {"replicas": 9}}')  # not through /status: dropped
    crd.kubectl(*patch, '{"status": {"replicas": 2}}', "--subresource=status")
    assert crd.get("eis", "counted", "-n", namespace)["metadata"]["generation"] == 1
    crd.kubectl(*patch, '{"spec": {"scaling": {"maxReplicas": 9}}}')
    changed = crd.get("eis", "counted", "-n", namespace)
    assert changed["metadata"]["generation"] == 2
    assert changed["status"]["replicas"] == 2
