"""A release of the chart, and what tests do with it: services, load from outside, what is told."""

import json
import os
import subprocess
import sys
from typing import NamedTuple

import pytest
import yaml

from bench.processes import spawn
from bench.processes import spawn
from tests.cluster.conftest import HERE, ROOT
from tests.cluster.core import worker_millicores


# The label of PersistentVolumeClaims that workers may read weights from.
CLAIMS = "tests-serve-models"


def small():
    """Two cores carry the node, the control plane and every worker: a worker gets a share, and the load is for that."""
    return {"resources": {"cpu": f"{worker_millicores()}m", "memory": "512Mi"}}


class Installation(NamedTuple):
    """Of names that nobody else has: the cluster may be one with other things on it."""

    release: str
    namespace: str

    @property
    def fullname(self):
        return f"{self.release}-elastic-inference"


@pytest.fixture(scope="module")
def installation():
    unique = os.urandom(4).hex()
    return Installation(f"eis-{unique}", f"test-operator-{unique}")


@pytest.fixture(scope="module")
def release(cluster, request, installation):
    """The operator, installed by helm; afterwards the cluster is as it was."""
    values = request.config.getoption("--helm-values")
    if cluster.provisioned:
        cluster.harness("load", "operator", "dispatcher", "worker", timeout=3600)
        images = {
            key: {"repository": f"localhost/elastic-inference/{name}", "tag": "test"}
            for key, name in (("image", "operator"), ("dispatcherImage", "dispatcher"), ("workerImage", "worker"))
        }
        values = "-"
    elif not values:
        pytest.skip("KUBECONFIG names a cluster that has not our images: push them and name them with --helm-values")
    name, system = installation
    cluster.kubectl("create", "namespace", system)
    try:
        cluster.helm(
            *("install", name, ROOT / "helm", "-n", system, "-f", values),
            *("--set", f"crd.keep=false,allow.claims={CLAIMS}", "--wait", "--timeout", "120s"),
            stdin=yaml.safe_dump(images) if values == "-" else None,
            timeout=150,
        )
        yield cluster
    finally:
        # The CRD came with the release, and every InferenceService is one of these tests'.
        uninstall(cluster, installation)
        cluster.kubectl("delete", "namespace", system, "--timeout=60s", timeout=90)


def uninstall(cluster, installation):
    name, system = installation
    cluster.helm("uninstall", name, "-n", system, "--ignore-not-found", "--wait", "--timeout", "60s", timeout=90)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Labelled pictures that the built-in model was not trained on: NAME-<class>.jpg."""
    folder = tmp_path_factory.mktemp("pictures")
    generator = ROOT / "inference" / "train" / "shapes.py"
    command = [sys.executable, generator, "--out", folder, "--count", "60", "--seed", "1000007", "--format", "jpeg"]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    return folder


def service(name, scaling, **spec):
    return {
        "apiVersion": "elasticinference.dev/v1alpha1",
        "kind": "InferenceService",
        "metadata": {"name": name},
        "spec": {"scaling": scaling, "worker": small(), **spec},
    }


class Load:
    """load.py on one service, in the background; `result` waits for it.

    On our own node it goes to the Service's address from the node's network. On
    another cluster it goes through kubectl port-forward, which holds on to one
    dispatcher's pod, so no test there may replace that.
    """

    def __init__(self, cluster, namespace, name, pictures, rate, seconds, *options):
        self.seconds, self.forward, prefix = seconds, None, []
        if cluster.provisioned:
            address = cluster.get("service", name, "-n", namespace)["spec"]["clusterIP"]
            prefix = [HERE / "cluster", "--dir", cluster.folder, "exec", "--"]
        else:
            command = [cluster.tools["kubectl"], "port-forward", "-n", namespace, f"service/{name}", ":80"]
            self.forward = spawn(command, stdout=subprocess.PIPE, text=True)
            address = f"127.0.0.1:{self.forward.stdout.readline().split(':')[1].split()[0]}"
        url = f"{'https' if '--name' in options else 'http'}://{address}"
        command = [*prefix, sys.executable, HERE / "load.py", url, pictures, str(rate), str(seconds), *options]
        self.process = spawn(command, stdout=subprocess.PIPE, text=True)

    def result(self):
        return json.loads(self.process.communicate(timeout=self.seconds + 90)[0])

    def end(self):
        for each in (self.process, self.forward):
            if each:
                each.kill()
                each.wait(10)


@pytest.fixture
def serve(release, namespace):
    """Applies a service and waits until it is Ready."""

    def serve(manifest, timeout_s=180):
        name = manifest["metadata"]["name"]
        release.apply(manifest, namespace)
        done = release.run(
            *("kubectl", "wait", "-n", namespace, "--for=condition=Ready", f"eis/{name}", f"--timeout={timeout_s}s"),
            timeout=timeout_s + 10,
            check=False,
        )
        assert done.returncode == 0, done.stderr + release.kubectl("describe", f"eis/{name}", "-n", namespace)
        return name

    return serve


@pytest.fixture
def load(cluster, namespace, pictures):
    started = []

    def load(name, rate, seconds, *options):
        started.append(Load(cluster, namespace, name, pictures, rate, seconds, *options))
        return started[-1]

    yield load
    for each in started:
        each.end()


def status_of(cluster, namespace, name):
    return cluster.get("eis", name, "-n", namespace).get("status", {})


def events_of(cluster, namespace, name):
    events = cluster.get("events.events.k8s.io", "-n", namespace)["items"]
    return {each["reason"]: each.get("note", "") for each in events if each["regarding"]["name"] == name}
