"""Credentials that change under a running operator: a service account's short-lived tokens, and the server's authority.

The operator runs as a process against a bare API server; the files are replaced as the kubelet replaces them.
"""

import json
import os
import pathlib
import time

import pytest

from bench.waiting import eventually
from tests.cluster.conftest import ROOT, Cluster
from tests.cluster.harness import pki
from tests.cluster.operator_process import Audit, operator

NAMESPACE = "credentials"
ACCOUNT = "robot"
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
CREDENTIAL = "authentication.kubernetes.io/credential-id"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A bare API server of our own, whose certificate may be replaced."""
    folder = str(tmp_path_factory.mktemp("credentials") / "state")
    own = Cluster(os.path.join(folder, "admin.kubeconfig"), folder)
    own.harness("up", "--bare", "--audit", timeout=3600)
    try:
        own.kubectl("apply", "--server-side", "-f", ROOT / "crds" / "elasticinference.dev_inferenceservices.yaml")
        own.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        own.kubectl("create", "namespace", NAMESPACE)
        own.kubectl("create", "serviceaccount", ACCOUNT, "-n", NAMESPACE)
        own.kubectl("create", "clusterrolebinding", ACCOUNT, "--clusterrole=cluster-admin", f"--serviceaccount={NAMESPACE}:{ACCOUNT}")
        yield own
    finally:
        own.harness("down")


def replace(file, text):
    """As the kubelet does it: readers see the old file or the new one."""
    partial = file.with_suffix(".new")
    partial.write_text(text)
    partial.rename(file)


class Token:
    """A ten-minute token, the shortest there is, that ends at once with the Secret it is bound to."""

    def __init__(self, server, name):
        self.server, self.name = server, name
        server.kubectl("create", "secret", "generic", name, "-n", NAMESPACE)
        bound = ("--bound-object-kind=Secret", f"--bound-object-name={name}")
        self.text = server.kubectl("create", "token", ACCOUNT, "-n", NAMESPACE, "--duration=10m", *bound).strip()

    def revoke(self):
        self.server.kubectl("delete", "secret", self.name, "-n", NAMESPACE)


def in_files(server, folder, token):
    """A kubeconfig that names a token's file and an authority's, as a pod has them; and the two."""
    token_file, ca_file, config_file = folder / "token", folder / "ca.crt", folder / "kubeconfig"
    config = json.loads(pathlib.Path(server.kubeconfig).read_text())
    config["users"][0]["user"] = {"tokenFile": str(token_file)}
    config["contexts"][0]["context"]["namespace"] = NAMESPACE
    del config["clusters"][0]["cluster"]["certificate-authority-data"]
    config["clusters"][0]["cluster"]["certificate-authority"] = str(ca_file)
    config_file.write_text(json.dumps(config))
    token_file.write_text(token.text)
    ca_file.write_text((pathlib.Path(server.folder) / "pki" / "cluster" / "ca.crt").read_text())
    return config_file, token_file, ca_file


def create(server, name):
    service = {"apiVersion": "elasticinference.dev/v1alpha1", "kind": "InferenceService", "metadata": {"name": name}}
    server.apply(service, NAMESPACE)


def served(server, name):
    return lambda: server.get("deploy", f"{name}-worker", "-n", NAMESPACE)


def credentials_of(audit):
    """The tokens that the operator's answered requests carried, in order."""
    used = []
    for entry in audit.entries(USER):
        (credential,) = entry["user"]["extra"][CREDENTIAL]
        if credential not in used:
            used.append(credential)
    return used


def test_a_new_token_is_taken_within_a_minute_and_at_once_when_the_old_one_is_refused(server, tmp_path):
    first, second, third = (Token(server, f"{name}-{os.urandom(3).hex()}") for name in ("first", "second", "third"))
    config, token_file, _ = in_files(server, tmp_path, first)
    audit = Audit(server)
    with operator(config, tmp_path, "tokens", NAMESPACE) as process:
        create(server, "one")
        eventually(served(server, "one"), 15)

        # The kubelet replaces a token at 80 % of its life: both are valid, and nobody says anything.
        replace(token_file, second.text)
        replaced = time.monotonic()

        def taken():
            assert len(credentials_of(audit)) == 2

        eventually(taken, 62, 0.5)
        print(f"taken after {time.monotonic() - replaced:.0f} s")

        # A token that is refused is read again at once: here the file is newer than what the operator holds.
        replace(token_file, third.text)
        second.revoke()
        time.sleep(11)  # the server remembers a token that it has found good for ten seconds
        create(server, "two")
        eventually(served(server, "two"), 5)
        assert len(credentials_of(audit)) == 3
        assert process.poll() is None
    server.kubectl("delete", "eis", "--all", "-n", NAMESPACE)


def test_a_broken_authority_file_is_ignored_and_a_new_authority_taken_within_a_minute(server, tmp_path):
    config, _, ca_file = in_files(server, tmp_path, Token(server, "steady"))
    old = ca_file.read_text()
    home = pathlib.Path(server.folder) / "pki" / "cluster"
    kept = {name: (home / name).read_text() for name in ("apiserver.crt", "apiserver.key")}
    address = json.loads(pathlib.Path(server.kubeconfig).read_text())["clusters"][0]["cluster"]["server"]
    # kubectl trusts both, as everybody does while authorities are being exchanged.
    both = Cluster(str(tmp_path / "admin.kubeconfig"), server.folder)
    new = pki.Authority(tmp_path / "authority", "another")
    admin = json.loads(pathlib.Path(server.kubeconfig).read_text())
    del admin["clusters"][0]["cluster"]["certificate-authority-data"]
    (tmp_path / "both.crt").write_text(old + new.cert.read_text())
    admin["clusters"][0]["cluster"]["certificate-authority"] = str(tmp_path / "both.crt")
    pathlib.Path(both.kubeconfig).write_text(json.dumps(admin))

    # A leader that reaches nobody for ten seconds ends, and its successor reads the file anew.
    with operator(config, tmp_path, "authority", NAMESPACE, leader_elect=False) as process:
        create(server, "three")
        eventually(served(server, "three"), 15)
        replace(ca_file, "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
        time.sleep(31)  # until it is read again
        create(server, "four")
        eventually(served(server, "four"), 5)

        try:
            certificate, key = new.issue("apiserver", "/CN=kube-apiserver", f"IP:{address.split('//')[1].split(':')[0]}")
            (home / "apiserver.key").write_text(pathlib.Path(key).read_text())
            (home / "apiserver.crt").write_text(pathlib.Path(certificate).read_text())
            server.harness("restart", "kube-apiserver")
            eventually(lambda: _assert(both.run("kubectl", "get", "--raw", "/readyz", check=False).returncode == 0), 60)
            # An authority that it does not know: the operator talks to nobody, and waits.
            create(both, "five")
            time.sleep(5)
            assert both.run("kubectl", "get", "deploy", "five-worker", "-n", NAMESPACE, check=False).returncode != 0
            replace(ca_file, new.cert.read_text())
            replaced = time.monotonic()
            eventually(served(both, "five"), 60)
            print(f"taken after {time.monotonic() - replaced:.0f} s")
            assert process.poll() is None
        finally:
            for name, text in kept.items():
                (home / name).write_text(text)
    both.kubectl("delete", "eis", "--all", "-n", NAMESPACE)


def _assert(condition):
    assert condition
