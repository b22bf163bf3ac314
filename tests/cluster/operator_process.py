"""The operator as a process against a bare API server, and what the server's audit log says that it did."""

import contextlib
import json
import os
import pathlib

from bench.processes import spawn
from tests.cluster.conftest import CRD_FILE, ROOT, Cluster

PROGRAM = pathlib.Path(os.environ.get("EI_BIN", ROOT / "build" / "release" / "bin")) / "inference-operator"

# Enough of the Prometheus operator's API for the operator to find it served.
MONITOR_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
    "spec": {
        "group": "monitoring.coreos.com",
        "scope": "Namespaced",
        "names": {"kind": "ServiceMonitor", "plural": "servicemonitors", "singular": "servicemonitor"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


@contextlib.contextmanager
def bare_server(folder, *flags):
    """A bare API server of our own, which may be stopped, with the CRD."""
    assert PROGRAM.exists(), f"{PROGRAM} is not built; set EI_BIN to the folder with the programs"
    own = Cluster(os.path.join(folder, "admin.kubeconfig"), str(folder))
    own.harness("up", "--bare", *flags, timeout=3600)
    try:
        own.kubectl("apply", "--server-side", "-f", CRD_FILE)
        own.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        yield own
    finally:
        own.harness("down")


@contextlib.contextmanager
def operator(kubeconfig, folder, name, namespace, *flags, leader_elect=True, dispatcher_image="d:1"):
    """Runs it with this kubeconfig; its log is FOLDER/NAME.log."""
    assert PROGRAM.exists(), f"{PROGRAM} is not built; set EI_BIN to the folder with the programs"
    command = [PROGRAM, "--kubeconfig", kubeconfig, "--metrics-port", "0", *flags]
    command += ["--dispatcher-image", dispatcher_image, "--worker-image", "w:1", *(["--leader-elect"] if leader_elect else [])]
    env = dict(os.environ, POD_NAMESPACE=namespace, POD_NAME=name)
    process = spawn(command, log=pathlib.Path(folder) / f"{name}.log", env=env)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(15)


def with_token(server, token, file, namespace):
    """A kubeconfig of the same server for a service account's token."""
    config = json.loads(pathlib.Path(server.kubeconfig).read_text())
    config["users"][0]["user"] = {"token": token}
    config["contexts"][0]["context"]["namespace"] = namespace
    file.write_text(json.dumps(config))
    return file


class Audit:
    """The part of the audit log that is written from now on."""

    def __init__(self, server):
        self.path = pathlib.Path(server.folder) / "logs" / "audit.log"
        self.start = self.path.stat().st_size if self.path.exists() else 0

    def entries(self, user):
        """The requests of one user for stored objects, in order."""
        with open(self.path, encoding="utf-8") as log:
            log.seek(self.start)
            for line in log:
                entry = json.loads(line) if line.endswith("\n") else {}
                if entry.get("user", {}).get("username") == user and "objectRef" in entry:
                    yield entry


def resource_of(entry):
    """`deployments`, `inferenceservices/status`, …"""
    target = entry["objectRef"]
    return "/".join(filter(None, (target["resource"], target.get("subresource"))))
