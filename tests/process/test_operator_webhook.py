"""A program behind HTTP decides about a service: the examples of bench/policies, and programs that go wrong."""
import base64
import http.server
import json
import ssl
import subprocess
import sys
import threading
import time

import pytest

from bench.processes import spawn
from bench.waiting import wait_until
from tests.process.certificates import Authority
from tests.process.local import Load, manifest
from tests.process.programs import BIN, ROOT
from tests.process.test_operator_local import two_cores


class Policy:
    """Answers every question with what `answer(question)` gives: a status, and a body that is JSON unless it is bytes."""

    def __init__(self, identity=None):
        self.answer = lambda question: (200, {"replicas": 1, "reason": "One"})
        self.questions = []
        policy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                policy.questions.append(question)
                status, body = policy.answer(question)
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if identity:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(identity.certificate, identity.key)
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if identity else ''}://127.0.0.1:{self.server.server_port}/decide"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def policy():
    server = Policy()
    yield server
    server.stop()


@pytest.fixture
def served():
    """Starts an example behind the adapter, as a user does; gives its URL."""
    started = []

    def start(example):
        program = spawn([sys.executable, ROOT / "bench/policies/serve.py", "0", sys.executable, ROOT / f"bench/policies/{example}.py"],
                        stdout=subprocess.PIPE, text=True)
        started.append(program)
        return f"http://127.0.0.1:{program.stdout.readline().split()[-1]}/"

    yield start
    for program in started:
        program.terminate()  # its policy reads the end of its input then
        program.wait(10)


def asking(url, **more):
    """A second for an answer: what else runs on this machine may need it."""
    webhook = {"url": url, "timeout": more.pop("timeout", "1s")}
    if "caBundle" in more:
        webhook["caBundle"] = more.pop("caBundle")
    return manifest(scaling={"policy": "Webhook", "interval": "1s", "maxReplicas": 2, "webhook": webhook, **more})


@two_cores
@pytest.mark.parametrize("example", ["pid", "queueing", "learner"])
def test_an_example_steers_a_service_as_it_is(start_operator, served, example):
    operator = start_operator(asking(served(example)), environment={"FAKE_SERVICE_SECONDS": "0.1"})
    url = operator.wait_ready()
    load = Load(url, rate=17)  # one worker answers 10 a second
    try:
        wait_until(lambda: operator.status()["readyReplicas"] == 2, 60, "a second worker")
    finally:
        answers = load.stop()
    assert set(answers) == {200}
    assert "the webhook answered 2: " in operator.events("ScaledUp")[0]["message"]


@two_cores
def test_a_new_number_counts_within_the_bounds_and_the_question_follows_the_schema(start_operator, policy):
    import jsonschema
    schema = json.loads((ROOT / "bench/policies/schema.json").read_text())
    operator = start_operator(asking(policy.url))
    operator.wait_ready()
    policy.answer = lambda question: (200, {"replicas": 1000, "reason": "Many", "explanation": "just because"})
    operator.wait_ready(workers=2)
    assert operator.condition("ScalingLimited")["reason"] == "AtMaximum"
    question = policy.questions[-1]
    jsonschema.Draft202012Validator({"$ref": "#/$defs/question", "$defs": schema["$defs"]}).validate(question)
    assert question["service"] == "default/resnet18"


@two_cores
def test_what_goes_wrong_is_in_the_condition_and_the_decision_and_the_number_stays(start_operator, policy):
    operator = start_operator(asking(policy.url, timeout="100ms"))
    operator.wait_ready()
    policy.answer = lambda question: (200, {"replicas": 2, "reason": "Two"})
    operator.wait_ready(workers=2)

    def fails(says):
        condition = operator.condition("WebhookAvailable")
        return condition["status"] == "False" and says in condition["message"]

    policy.answer = lambda question: (500, {})
    wait_until(lambda: fails("HTTP status 500"), 30, "a status")
    assert operator.events("WebhookFailed")
    wait_until(lambda: operator.status()["lastDecision"]["reason"] == "WebhookFailed", 10, "the decision's reason")
    policy.answer = lambda question: (200, b"<html>")
    wait_until(lambda: fails("is not JSON"), 30, "what is no JSON")
    policy.answer = lambda question: (200, b'{"replicas": ' + b" " * 20000 + b"2}")
    wait_until(lambda: fails("body") or fails("bytes"), 30, "an answer that is too long")
    policy.answer = lambda question: (time.sleep(1), (200, {}))[1]
    wait_until(lambda: fails("no answer within 100ms"), 30, "one that hangs")
    assert operator.status()["replicas"] == 2
    policy.answer = lambda question: (200, {"replicas": 1, "reason": "One"})
    wait_until(lambda: operator.status()["replicas"] == 1, 60, "the number of an answer that comes back")
    assert operator.events("WebhookAnswered")


def test_over_https_the_given_authority_counts_and_no_other(start_operator, tmp_path):
    authority = Authority(tmp_path, "authority")
    policy = Policy(authority.issue("policy", "IP:127.0.0.1"))
    bundle = base64.b64encode(authority.certificate.read_bytes()).decode()
    try:
        operator = start_operator(asking(policy.url))
        wait_until(lambda: "certificate" in operator.condition("WebhookAvailable")["message"], 30, "the refusal of its certificate")
        assert not policy.questions
        operator.write(asking(policy.url, caBundle=bundle))
        wait_until(lambda: operator.condition("WebhookAvailable")["status"] == "True", 30, "an answer")
    finally:
        policy.stop()


def test_a_webhook_that_hangs_holds_no_other_service_up(start_operator, policy):
    hang = threading.Event()
    policy.answer = lambda question: (hang.wait(20), (200, {}))[1]
    first = asking(policy.url, interval="30s", timeout="30s")
    operator = start_operator([first, manifest("other")])
    try:
        operator.wait_ready()
        operator.wait_ready("other")
        assert len(policy.questions) == 1
    finally:
        hang.set()


def test_limits_of_hosts_hold_on_this_machine_too(tmp_path):
    file = tmp_path / "m.yaml"
    file.write_text(json.dumps(asking("http://policy.example.com:8080/decide")))
    done = subprocess.run([BIN / "inference-operator", "--local", file, "--once", "--allow-webhook-host", "*.svc:8080"],
                          capture_output=True, text=True, timeout=10)
    assert done.returncode == 1
    assert "spec.scaling.webhook.url" in done.stderr and "--allow-webhook-host" in done.stderr
