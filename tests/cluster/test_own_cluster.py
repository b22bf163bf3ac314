"""What these tests do to a cluster of the user's own: nothing that stays, and nothing at all where it is in use."""

import os
import subprocess
import sys

import pytest

from tests.cluster.conftest import CRD, CRD_FILE, HERE, ROOT


@pytest.fixture
def server(api):
    """A bare API server that plays the user's cluster, without the CRD."""
    if not api.provisioned:
        pytest.skip("would change the cluster of KUBECONFIG by hand")
    api.kubectl("delete", "crd", CRD, "--ignore-not-found", "--timeout=30s")
    yield api
    api.kubectl("delete", "crd", CRD, "--ignore-not-found", "--timeout=30s")


def run_there(server, *tests):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    env = dict(os.environ, KUBECONFIG=server.kubeconfig)
    return subprocess.run(command, cwd=HERE, env=env, capture_output=True, text=True, timeout=120)


def test_the_crd_is_gone_after_the_tests_that_need_it(server):
    done = run_there(server, "test_crd.py", "-k", "defaults_are_filled_in or columns")
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout
    assert server.kubectl("get", "crd", CRD, "--ignore-not-found") == ""


def test_a_cluster_that_has_the_crd_is_left_alone(server):
    server.kubectl("apply", "--server-side", "-f", CRD_FILE)
    uid = server.get("crd", CRD)["metadata"]["uid"]
    done = run_there(server, "test_crd.py", "-k", "defaults_are_filled_in")
    assert done.returncode == 2 and f"has customresourcedefinition.apiextensions.k8s.io/{CRD}" in done.stdout, done.stdout
    assert server.get("crd", CRD)["metadata"]["uid"] == uid


def test_a_cluster_that_has_a_release_of_the_chart_is_left_alone(server, namespace):
    server.helm("install", "eis", ROOT / "helm", "-n", namespace, "--set", "crd.install=false")
    done = run_there(server, "test_crd.py", "-k", "defaults_are_filled_in")
    assert done.returncode == 2 and f"the release eis in namespace {namespace}" in done.stdout, done.stdout
    assert server.get("deploy", "eis-elastic-inference", "-n", namespace)
    server.helm("uninstall", "eis", "-n", namespace)


def test_a_kubernetes_that_is_not_pinned_is_refused_with_those_that_are(tmp_path):
    command = [HERE / "cluster", "--dir", tmp_path / "state", "up", "--bare"]
    env = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"} | {"EI_KUBERNETES": "1.30"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "EI_KUBERNETES is '1.30'; allowed: 1.35, 1.37" in done.stderr, done.stderr
