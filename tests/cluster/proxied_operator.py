"""The operator as a process against a bare API server, with a proxy between the two.

The proxy counts requests, refuses some, cuts connections, and says when to kill.
"""

import contextlib
import json
import os
import signal

import pytest

from bench.processes import spawn
from bench.waiting import eventually
from tests.cluster.faulty_proxy import FaultyProxy
from tests.cluster.operator_process import MONITOR_CRD, PROGRAM, bare_server

KINDS = "services,deployments,poddisruptionbudgets,networkpolicies,configmaps"
CHILDREN = 9


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A bare API server of our own, which may be stopped."""
    with bare_server(tmp_path_factory.mktemp("operator") / "state") as own:
        yield own


@pytest.fixture
def space(server):
    """A namespace for one test, and only it is watched."""
    name = f"test-{os.urandom(4).hex()}"
    server.kubectl("create", "namespace", name)
    return name


@pytest.fixture
def monitors(server):
    """The Prometheus operator's API, for one test."""
    server.kubectl("apply", "-f", "-", stdin=json.dumps(MONITOR_CRD))
    server.kubectl("wait", "--for=condition=Established", "crd", MONITOR_CRD["metadata"]["name"], "--timeout=30s")
    yield
    server.kubectl("delete", "crd", MONITOR_CRD["metadata"]["name"])


@pytest.fixture
def proxy(server):
    with FaultyProxy(server.kubeconfig) as running:
        yield running


@contextlib.contextmanager
def operator(proxy, space, folder, name="operator-0", *flags, worker_image="w:1"):
    flags = ["--namespace", space, "--metrics-port", "0", "--dispatcher-image", "d:1", "--worker-image", worker_image, *flags]
    env = dict(os.environ, POD_NAME=name, POD_NAMESPACE=space)
    folder.mkdir(exist_ok=True)
    command = [PROGRAM, "--kubeconfig", proxy.kubeconfig(folder, space), *flags]
    process = spawn(command, log=folder / f"{name}.log", append=True, env=env)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(15)


def create(server, space, name, **spec):
    body = {"apiVersion": "elasticinference.dev/v1alpha1", "kind": "InferenceService", "metadata": {"name": name}}
    server.apply({**body, "spec": spec}, space)


def children(server, space):
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in server.get(KINDS, "-n", space)["items"]}


def wait_for_children(server, space, services=1):
    def all_there():
        found = children(server, space)
        assert len(found) == CHILDREN * services, sorted(found)
        for each in server.get("eis", "-n", space)["items"]:
            assert each["status"]["observedGeneration"] == each["metadata"]["generation"]
        return found

    return eventually(all_there, 20)


def essence(objects):
    """What two runs must agree on: everything but identities and times."""
    seen = {}
    for name, each in objects.items():
        owner = each["metadata"]["ownerReferences"][0]["uid"]
        each = json.loads(json.dumps(each).replace(owner, "THE-OWNER"))
        meta = each["metadata"]
        # A digest of the rest of the template, which names the owner.
        each.get("spec", {}).get("template", {}).get("metadata", {}).pop("annotations", None)
        seen[name] = {
            "labels": meta["labels"],
            "owners": len(meta["ownerReferences"]),
            "spec": {k: v for k, v in each.get("spec", {}).items() if k not in ("clusterIP", "clusterIPs")},
            "data": each.get("data"),
        }
    return seen


def expect(condition):
    assert condition


def condition(server, space, name, kind):
    conditions = server.get("eis", name, "-n", space)["status"]["conditions"]
    return next(each for each in conditions if each["type"] == kind)


def notes(server, space, reason):
    events = server.get("events.events.k8s.io", "-n", space)["items"]
    return [each["note"] for each in events if each["reason"] == reason]
