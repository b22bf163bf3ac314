"""Fixtures: an API server alone (`api`), or a whole cluster (`cluster`), once a session.

With KUBECONFIG set both are that cluster, which must have neither the CRD nor a
release of the chart: what is found at the end is what was there before. Otherwise
they are provisioned here by `./cluster` and taken down at the end; `--cluster-dir`
and `--api-dir` name state folders of running ones to use instead (and to leave
running).
"""

import json
import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

from tests.cluster.harness import tools

CRD = "inferenceservices.elasticinference.dev"
CRD_FILE = ROOT / "crds" / "elasticinference.dev_inferenceservices.yaml"


def pytest_addoption(parser):
    parser.addoption("--cluster-dir", help="state folder of a cluster to use and to leave running")
    parser.addoption("--api-dir", help="state folder of a bare API server to use and to leave running")
    parser.addoption(
        "--helm-values",
        default=os.environ.get("EI_HELM_VALUES"),
        help="values file naming images that a cluster of yours can pull (default: EI_HELM_VALUES)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """For `pytest -n 2 --dist loadgroup`: what needs the node goes to one process, one node being enough; the modules
    that need an API server alone, or nothing, go beside it, each whole."""
    for item in items:
        group = "node" if "cluster" in item.fixturenames else item.module.__name__
        item.add_marker(pytest.mark.xdist_group(group))


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


def refuse_one_in_use(theirs: Cluster) -> None:
    """Ends the run where the tests would meet InferenceServices or an operator that are not theirs."""
    found = theirs.kubectl("get", "crd", CRD, "--ignore-not-found", "-o", "name").split()
    releases = json.loads(theirs.helm("list", "--all-namespaces", "-o", "json"))
    found += [
        f"the release {each['name']} in namespace {each['namespace']}"
        for each in releases
        if each["chart"].startswith("elastic-inference-")
    ]
    if found:
        pytest.exit(
            f"the cluster of KUBECONFIG={theirs.kubeconfig} has {' and '.join(found)}: these tests install and remove "
            "both, so they run only where neither is; nothing was changed",
            returncode=2,
        )


@pytest.fixture(scope="session")
def theirs():
    """The cluster of KUBECONFIG, looked at once, before a test has changed anything."""
    given = Cluster(os.environ["KUBECONFIG"], None)
    refuse_one_in_use(given)
    return given


def _provide(request, option: str, name: str, *up_args: str):
    folder = request.config.getoption(option)
    if os.environ.get("KUBECONFIG") and not folder:
        yield request.getfixturevalue("theirs")
        return
    up = not folder
    if up:
        folder = str(request.getfixturevalue("tmp_path_factory").mktemp(name) / "state")
    own = Cluster(os.path.join(folder, "admin.kubeconfig"), folder)
    if up:
        # The first run builds Kubernetes: about six minutes on two busy cores.
        own.harness("up", *up_args, timeout=3600)
    try:
        yield own
    finally:
        if up:
            own.harness("down", timeout=120)


@pytest.fixture(scope="session")
def api(request):
    """etcd and an API server, nothing behind it."""
    yield from _provide(request, "--api-dir", "api", "--bare")


@pytest.fixture(scope="session")
def cluster(request):
    """A node that runs pods, with Services, DNS and metrics."""
    yield from _provide(request, "--cluster-dir", "cluster")


@pytest.fixture
def namespace(request):
    """A fresh namespace on whichever of the two the test uses, deleted afterwards."""
    where = request.getfixturevalue("cluster" if "cluster" in request.fixturenames else "api")
    name = f"test-{os.urandom(4).hex()}"
    where.kubectl("create", "namespace", name)
    yield name
    where.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def crd(api):
    """The CRD on the API server, and gone afterwards: helm takes over none that it has not made."""
    api.kubectl("apply", "--server-side", "-f", CRD_FILE)
    api.kubectl("wait", "--for=condition=Established", f"crd/{CRD}", "--timeout=30s")
    yield api
    api.kubectl("delete", "crd", CRD, "--timeout=60s", timeout=70)
