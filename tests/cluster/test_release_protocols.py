"""HTTPS and gRPC as clients meet them: through a Service on a node with real pods, while what serves them is replaced."""

import json
import shlex
import subprocess

import pytest

from bench.processes import spawn
from bench.waiting import eventually
from tests.cluster.conftest import HERE
from tests.cluster.harness import tools
from tests.cluster.installed import installation, load, pictures, release, serve, service  # noqa: F401 (fixtures)
from tests.process.certificates import Authority
from tests.process.clients import triton_python

pytestmark = pytest.mark.alone

# What a client sees: the certificate's digest, or why it does not trust the server.
LOOK = """
import hashlib, socket, ssl, sys
address, name, authority = sys.argv[1:]
with socket.create_connection((address, 443), 10) as raw:
    try:
        with ssl.create_default_context(cafile=authority).wrap_socket(raw, server_hostname=name) as peer:
            print(hashlib.sha256(peer.getpeercert(True)).hexdigest())
    except ssl.SSLCertVerificationError as error:
        print(error.verify_message)
"""
ONE_WORKER = {"minReplicas": 1, "maxReplicas": 1}


@pytest.fixture(autouse=True)
def own_node(release):
    if not release.provisioned:
        pytest.skip("goes to a Service's address, which another cluster has inside")


def address_of(release, namespace, name):
    return release.get("service", name, "-n", namespace)["spec"]["clusterIP"]


def dispatchers_of(release, namespace, name):
    selector = f"elasticinference.dev/service={name},app.kubernetes.io/component=dispatcher"
    found = release.get("pods", "-n", namespace, "-l", selector)["items"]
    return {each["metadata"]["name"]: each["status"]["podIP"] for each in found if "deletionTimestamp" not in each["metadata"]}


def log_of(release, namespace, name, event):
    lines = release.kubectl("logs", f"deploy/{name}-dispatcher", "-n", namespace).splitlines()
    return [entry for entry in map(json.loads, lines) if entry["event"] == event]


def test_https_through_the_service_and_a_renewed_secret_without_a_lost_request(release, namespace, serve, load, tmp_path):
    name = "secured"
    host = f"{name}.{namespace}.svc"
    authority, stranger = Authority(tmp_path, "authority"), Authority(tmp_path, "stranger")
    names = f"DNS:{host},DNS:{name}-link.{namespace}.svc"
    first, second = (authority.issue(each, names) for each in ("first", "second"))

    def write(identity):
        """As cert-manager writes it."""
        release.apply({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": "secured-tls"},
            "stringData": {
                "tls.crt": identity.certificate.read_text(),
                "tls.key": identity.key.read_text(),
                "ca.crt": authority.certificate.read_text(),
            },
        }, namespace)

    write(first)
    serve(service(name, ONE_WORKER, dispatcher={"tls": {"secretName": "secured-tls"}}))
    address = address_of(release, namespace, name)

    def shown(to=authority, expected=host):
        return release.harness("exec", "--", "python3", "-c", LOOK, address, expected, to.certificate).strip()

    assert shown() == first.digest()
    assert "mismatch" in shown(expected="another.example")
    assert "issuer" in shown(to=stranger)
    # Ready is only who has a worker, and that one is linked by TLS: the link's port has nothing to say without.
    (pod, pod_address), = dispatchers_of(release, namespace, name).items()
    plain = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "5", f"http://{pod_address}:8002/link"]
    assert release.harness("exec", "--", "sh", "-c", shlex.join(plain)).strip() == "400"
    assert len(log_of(release, namespace, name, "worker_linked")) == 1

    secure = ("--name", host, "--ca", authority.certificate)
    running = [load(name, 2, 25, *secure), load(name, 1, 25, "--fresh", *secure)]
    write(second)
    # A kubelet looks at what it has mounted about once a minute, and at once where the pod changes.
    release.kubectl("annotate", "pod", pod, "-n", namespace, "looked-at=now")

    def renewed():
        assert shown() == second.digest()

    eventually(renewed, 150, 1)
    seen = [each.result() for each in running]
    assert [each["statuses"] for each in seen] == [{"200": 50}, {"200": 25}], seen
    assert log_of(release, namespace, name, "tls_certificate_renewed")
    # And nobody was replaced or linked anew for it.
    assert list(dispatchers_of(release, namespace, name)) == [pod]
    assert len(log_of(release, namespace, name, "worker_linked")) == 1


def test_grpc_through_the_service_loses_no_call_while_a_dispatcher_is_replaced(release, namespace, serve, pictures):
    name = serve(service("called", ONE_WORKER))
    target = f"{address_of(release, namespace, name)}:8003"
    asking = [tools.ensure(["grpcurl"])["grpcurl"], "-plaintext"]
    listed = release.harness("exec", "--", *asking, target, "list").split()
    assert "inference.GRPCInferenceService" in listed
    health = release.harness("exec", "--", *asking, target, "grpc.health.v1.Health/Check")
    assert json.loads(health) == {"status": "SERVING"}

    exec_there = [HERE / "cluster", "--dir", release.folder, "exec", "--"]
    command = [*exec_there, triton_python(), HERE / "grpc_load.py", target, pictures, "3", "40"]
    calling = spawn(command, stdout=subprocess.PIPE, text=True)
    try:
        before = dispatchers_of(release, namespace, name)
        patch = '{"spec": {"dispatcher": {"queueCapacity": 77}}}'
        release.kubectl("patch", "eis", name, "-n", namespace, "--type=merge", "-p", patch)

        def replaced():
            now = dispatchers_of(release, namespace, name)
            assert now and not before.keys() & now.keys()
            return now

        (successor,) = eventually(replaced, 60).values()
        seen = json.loads(calling.communicate(timeout=120)[0])
    finally:
        calling.kill()
    assert seen["codes"] == {"OK": 120}, seen
    assert seen["right"] >= 102 and seen["ready"], seen
    metrics = release.harness("exec", "--", "curl", "-s", "--max-time", "10", f"http://{successor}:9000/metrics")
    answered = [line for line in metrics.splitlines() if line.startswith("dispatcher_requests_total{") and "ModelInfer" in line]
    assert any('status="200"' in line and float(line.rsplit(" ", 1)[1]) > 0 for line in answered), answered
