"""What people ask about decisions: explain, top and replay, and the same as a kubectl plugin."""
import http.server
import json
import ssl
import subprocess
import threading

import pytest
import yaml

from tests.process.certificates import Authority
from tests.process.programs import BIN

STATUS = {
    "observedGeneration": 1, "replicas": 3, "readyReplicas": 2, "desiredReplicas": 3, "queue": {"depth": 12},
    "lastDecision": {"id": "d-2", "time": "2026-01-01T12:00:05Z", "from": 3, "to": 3, "reason": "HoldingAfterLoad", "formula": "R = 0.8",
                     "measured": "12 wait", "terms": "the load 2", "bound": "nothing", "whyNotMore": "enough", "whyNotLess": "held"},
    "history": [{"id": "d-1", "time": "2026-01-01T12:00:00Z", "from": 2, "to": 3, "reason": "LoadRose", "formula": "R = 1.9"}],
    "conditions": [{"type": "Ready", "status": "True", "reason": "Serving", "message": ""},
                   {"type": "ScalingLimited", "status": "True", "reason": "AtMaximum", "message": "the load needs more"}],
}


EVENTS = {"items": [
    {"metadata": {"annotations": {"elasticinference.dev/decision": "d-1", "elasticinference.dev/explanation": '{"measured": "40 wait", "whyNotMore": "three do"}'}}},
    {"metadata": {"annotations": {"elasticinference.dev/decision": "d-0", "elasticinference.dev/explanation": "no JSON"}}},
    {"metadata": {}},
], "metadata": {}}


def service(name, status):
    return {"apiVersion": "elasticinference.dev/v1alpha1", "kind": "InferenceService",
            "metadata": {"name": name, "namespace": "vision"}, "spec": {}, "status": status}


@pytest.fixture(scope="module")
def api_server(tmp_path_factory):
    """A kubeconfig of an API server that knows two services of one namespace, in pages of one."""
    folder = tmp_path_factory.mktemp("api")
    authority = Authority(folder, "authority")
    identity = authority.issue("server", "IP:127.0.0.1")
    services = {"resnet18": service("resnet18", STATUS), "young": service("young", {"observedGeneration": -1})}
    at = "/apis/elasticinference.dev/v1alpha1/namespaces/vision/inferenceservices"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path, _, query = self.path.partition("?")
            found = services.get(path.removeprefix(at + "/"))
            if path == "/apis/events.k8s.io/v1/namespaces/vision/events" and "regarding.name%3Dresnet18" in query:
                found = EVENTS
            if path in (at, "/apis/elasticinference.dev/v1alpha1/inferenceservices"):
                page = "young" if "continue=more" in query else "resnet18"
                found = {"items": [services[page]], "metadata": {} if page == "young" else {"continue": "more"}}
            body = json.dumps(found or {"kind": "Status", "code": 404, "reason": "NotFound", "message": "it is not there"}).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = folder / "kubeconfig"
    config.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "it", "users": [{"name": "it", "user": {"token": "t"}}],
        "clusters": [{"name": "it", "cluster": {"server": f"https://127.0.0.1:{server.server_port}",
                                                "certificate-authority": str(authority.certificate)}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": "vision"}}]}))
    yield config
    server.shutdown()


def run(*words, program="inference-operator", **options):
    return subprocess.run([str(BIN / program), *map(str, words)], capture_output=True, text=True, timeout=60, **options)


def test_a_service_s_last_decisions_are_told_from_the_cluster(api_server):
    done = run("explain", "resnet18", "--kubeconfig", api_server)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "2026-01-01T12:00:00.000000Z  resnet18 goes from 2 to 3 workers: LoadRose (decision d-1)",
        "  measured:  40 wait",
        "  rule:      R = 1.9",
        "  not more:  three do",
        "2026-01-01T12:00:05.000000Z  resnet18 stays at 3 workers: HoldingAfterLoad (decision d-2)",
        "  measured:  12 wait",
        "  asked for: the load 2",
        "  rule:      R = 0.8",
        "  bound:     nothing",
        "  not more:  enough",
        "  not fewer: held",
        "now: 2 of 3 wanted workers are ready, 12 requests wait",
        "  ScalingLimited is True (AtMaximum): the load needs more",
    ]
    young = run("explain", "young", "--kubeconfig", api_server)
    assert young.returncode == 0 and "young has no decision yet" in young.stdout
    absent = run("explain", "vgg", "-n", "vision", "--kubeconfig", api_server)
    assert absent.returncode == 1 and "InferenceService vision/vgg: " in absent.stderr and "it is not there" in absent.stderr


@pytest.mark.parametrize("where", [[], ["-A"], ["--namespace", "vision"]])
def test_top_shows_every_service_of_every_page(api_server, where):
    done = run("top", *where, "--kubeconfig", api_server, program="kubectl-eis")
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.startswith("vision/")}
    assert set(rows) == {"vision/resnet18", "vision/young"}
    assert "2/3" in rows["vision/resnet18"] and "HoldingAfterLoad" in rows["vision/resnet18"]


def record(name, number, before, after):
    decision = {"from": before, "to": after, "reason": "LoadRose", "term": "Load", "limit": "Maximum", "formula": "R = 1.9",
                "why_not_more": "the maximum is 3", "why_not_less": "2 would leave 0.03 late",
                "inputs": {"sample": "Fresh", "arrival_rps": 90.04, "ready": 2, "load_workers": 4}}
    return json.dumps({"ts": "2026-01-01T12:00:00Z", "namespace": "vision", "name": name, "id": f"d-{number}", "decision": decision}) + "\n"


def test_a_decision_log_is_told_from_a_file_and_from_standard_input(tmp_path):
    log = tmp_path / "decisions.jsonl"
    log.write_text(record("resnet18", 1, 2, 3) + record("vgg", 2, 1, 2) + record("resnet18", 3, 3, 3))
    from_file = run("explain", "resnet18", "--log", log, "--last", 1)
    assert from_file.returncode == 0, from_file.stderr
    lines = from_file.stdout.splitlines()
    assert lines[:7] == [
        "2026-01-01T12:00:00.000000Z  resnet18 goes from 2 to 3 workers: LoadRose (decision d-1)",
        "  measured:  90.0 requests/s arrive; 2 workers are ready",
        "  asked for: the load 4; the term Load won",
        "  rule:      R = 1.9",
        "  bound:     maxReplicas kept it from going higher",
        "  not more:  the maximum is 3",
        "  not fewer: 2 would leave 0.03 late",
    ]
    assert "stays at 3" in lines[7] and len(lines) == 14
    assert run("explain", "resnet18", "--log", "-", "--last", 1, input=log.read_text(), program="kubectl-eis").stdout == from_file.stdout
    other = run("explain", "alexnet", "--log", log)
    assert other.returncode == 1 and "vision/resnet18, vision/vgg" in other.stderr


@pytest.mark.parametrize("words, code, said", [
    (["explain"], 2, "NAME is required"),
    (["explain", "a", "--last", "0", "--log", "-"], 2, "--last"),
    (["explain", "a", "--all"], 2, "--log"),
    (["explain", "a", "--log", "/nowhere/log"], 1, "/nowhere/log: No such file or directory"),
    (["top", "--kubeconfig", "/nowhere/config"], 1, "/nowhere/config"),
    (["replay", "/nowhere/log"], 2, "/nowhere/log"),
])
def test_what_is_wrong_is_told(words, code, said):
    done = run(*words, input="")
    assert done.returncode == code and said in done.stderr + done.stdout, (done.returncode, done.stderr)
