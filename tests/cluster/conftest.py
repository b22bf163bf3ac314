"""Fixtures: an API server alone (`api`), or a whole cluster (`cluster`), once a session.

With KUBECONFIG set both are that cluster. Otherwise they are provisioned here by
`./cluster` and taken down at the end; `--cluster-dir` and `--api-dir` name state
folders of running ones to use instead (and to leave running).
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))

from harness import tools  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--cluster-dir", help="state folder of a cluster to use and to leave running")
    parser.addoption("--api-dir", help="state folder of a bare API server to use and to leave running")
    parser.addoption("--helm-values", help="values file naming images that a cluster of yours can pull")


class Cluster:
    """kubectl and helm on one cluster; `provisioned` when it is ours to break."""

    def __init__(self, kubeconfig: str, folder: str | None):
        self.kubeconfig = kubeconfig
        self.folder = folder
        self.provisioned = folder is not None
        self.tools = tools.ensure(["kubectl", "helm"])

    def run(self, program: str, *args, stdin=None, check=True, timeout=60) -> subprocess.CompletedProcess:
        env = dict(os.environ, KUBECONFIG=self.kubeconfig)
        done = subprocess.run(
            [self.tools[program], *map(str, args)],
            input=stdin,
            env=env,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode:
            raise AssertionError(f"{program} {' '.join(map(str, args))}: {done.stdout}{done.stderr}")
        return done

    def kubectl(self, *args, **options) -> str:
        return self.run("kubectl", *args, **options).stdout

    def helm(self, *args, **options) -> str:
        return self.run("helm", *args, **options).stdout

    def get(self, *args) -> dict:
        return json.loads(self.kubectl("get", *args, "-o", "json"))

    def apply(self, manifest: dict, namespace: str) -> str:
        return self.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(manifest))

    def harness(self, *args, timeout=600) -> str:
        """The `cluster` command on this state folder: exec, load, restart…"""
        done = subprocess.run(
            [str(HERE / "cluster"), "--dir", self.folder, *map(str, args)],
            capture_output=True,
            text=True,
            timeout=timeout,
            env={key: value for key, value in os.environ.items() if key != "KUBECONFIG"},
        )
        assert done.returncode == 0, f"cluster {' '.join(map(str, args))}: {done.stdout}{done.stderr}"
        return done.stdout


def eventually(check, deadline_s: float, interval_s: float = 0.25):
    """Repeats `check` until it passes; its last failure is the test's after the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        try:
            return check()
        except (AssertionError, KeyError, IndexError):
            if time.monotonic() > end:
                raise
        time.sleep(interval_s)


def _provide(option: str | None, tmp_path_factory, name: str, *up_args: str):
    given = os.environ.get("KUBECONFIG")
    if given and not option:
        yield Cluster(given, None)
        return
    folder = option or str(tmp_path_factory.mktemp(name) / "state")
    own = Cluster(os.path.join(folder, "admin.kubeconfig"), folder)
    if not option:
        # The first run builds Kubernetes: about six minutes on two busy cores.
        own.harness("up", *up_args, timeout=3600)
    try:
        yield own
    finally:
        if not option:
            own.harness("down", timeout=120)


@pytest.fixture(scope="session")
def api(request, tmp_path_factory):
    """etcd and an API server, nothing behind it."""
    yield from _provide(request.config.getoption("--api-dir"), tmp_path_factory, "api", "--bare")


@pytest.fixture(scope="session")
def cluster(request, tmp_path_factory):
    """A node that runs pods, with Services, DNS and metrics."""
    yield from _provide(request.config.getoption("--cluster-dir"), tmp_path_factory, "cluster")


@pytest.fixture
def namespace(request):
    """A fresh namespace on whichever of the two the test uses, deleted afterwards."""
    where = request.getfixturevalue("cluster" if "cluster" in request.fixturenames else "api")
    name = f"test-{os.urandom(4).hex()}"
    where.kubectl("create", "namespace", name)
    yield name
    where.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def crd(api):
    """The CRD on the API server."""
    api.kubectl("apply", "--server-side", "-f", ROOT / "crds" / "elasticinference.dev_inferenceservices.yaml")
    api.kubectl("wait", "--for=condition=Established", "crd/inferenceservices.elasticinference.dev", "--timeout=30s")
    return api
