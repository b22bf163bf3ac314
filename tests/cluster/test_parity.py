"""The API server in memory, on which the control plane is simulated (tests/sim/api), held to a real one."""

import http.client
import json
import os
import pathlib
import subprocess

import yaml

from bench.processes import spawn
from bench.processes import spawn
from tests.cluster.conftest import HERE, ROOT
from tests.cluster.faulty_proxy import tls_of

ROWS = yaml.safe_load((HERE / "parity.yaml").read_text())
PROGRAM = pathlib.Path(os.environ.get("EI_BIN", ROOT / "build" / "release" / "bin")) / "control_plane_sim"


class Memory:
    """The server in memory, as a program that answers line by line."""

    def __enter__(self):
        self._process = spawn([PROGRAM, "--answer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(timeout=10)

    def __call__(self, method, target, kind, body):
        asked = {"method": method, "target": target, "type": kind, "body": body}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["status"], answer["body"]


class Real:
    def __init__(self, kubeconfig):
        url, context = tls_of(kubeconfig)
        self._connection = http.client.HTTPSConnection(url.split("//")[1], context=context, timeout=30)

    def __call__(self, method, target, kind, body):
        self._connection.request(method, target, body or None, {"Content-Type": kind})
        answer = self._connection.getresponse()
        content = answer.read()
        # An unknown path is answered in plain text.
        plain = not answer.headers["Content-Type"].startswith("application/json")
        return answer.status, {} if plain else json.loads(content)


def at(value, path):
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def play(ask, namespace):
    """What each row shows: status, reason of a failure, and the fields that it names."""
    kept = {"ns": namespace}
    shown = []
    for row in ROWS:
        text = json.dumps(row.get("body", "")) if "body" in row else ""
        target = row["path"]
        for name, value in kept.items():
            text, target = text.replace("{" + name + "}", value), target.replace("{" + name + "}", value)
        status, body = ask(row["method"], target, row.get("type", "application/json"), text)
        seen = {"why": row["why"], "status": status}
        if status >= 400:
            seen["reason"] = body.get("reason") or None
        else:
            seen |= {path: at(body, path) for path in row.get("show", [])}
        kept |= {name: at(body, path) for name, path in row.get("keep", {}).items()}
        shown.append(seen)
    return shown


def test_the_server_in_memory_answers_as_the_real_one(api, namespace):
    with Memory() as memory:
        expected, given = play(Real(api.kubeconfig), namespace), play(memory, namespace)
    different = [pair for pair in zip(given, expected) if pair[0] != pair[1]]
    assert different == [], "in memory, and in truth"
