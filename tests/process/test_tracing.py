"""Spans of requests, as a collector gets them by OTLP/HTTP; what it gets is judged by OpenTelemetry's own types."""
import contextlib
import http.server
import json
import os
import socket
import subprocess
import threading
import time

import pytest
import requests

from bench.processes import free_port, spawn
from bench.waiting import wait_until
from tests.process.clients import environment_with, go_program, run_in
from tests.process.fake_worker import FakeWorker, WorkingWorker
from tests.process.picture_files import picture
from tests.process.programs import BIN

JPEG = picture()
TRACE, CLIENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{CLIENT}-01"


class Collector:
    """Takes what is posted to it. Answers with `answers` in turn, each (status, headers, body), and then with 200 and {}."""

    def __init__(self, answers=()):
        self.bodies, self.headers, self.times = [], [], []
        collector, left = self, list(answers)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.times.append(time.monotonic())
                collector.headers.append(dict(self.headers))
                collector.bodies.append((self.path, self.headers["Content-Type"], json.loads(body)))
                status, headers, text = left.pop(0) if left else (200, {}, "{}")
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(text))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def spans(self):
        return [span for _, _, body in self.bodies for resource in body["resourceSpans"] for scope in resource["scopeSpans"] for span in scope["spans"]]

    def wait(self, count):
        wait_until(lambda: len(self.spans()) >= count, what=f"{count} spans", seconds=20)
        return self.spans()


@pytest.fixture
def collect():
    with contextlib.ExitStack() as stack:
        def make(**options):
            collector = Collector(**options)
            stack.callback(collector.server.server_close)
            stack.callback(collector.server.shutdown)
            return collector
        yield make


def post(dispatcher, **headers):
    return requests.post(dispatcher.url + "/predict", data=JPEG, headers={"Content-Type": "image/jpeg", **headers}, timeout=30)


def attributes(of):
    return {each["key"]: next(iter(each["value"].values())) for each in of["attributes"]}


def test_a_request_s_spans_lie_in_one_another_below_its_client_s(start_dispatcher, link, collect):
    collector = collect()
    dispatcher = start_dispatcher("--otlp-endpoint", collector.url + "/")
    worker = FakeWorker(dispatcher)
    threading.Thread(target=lambda: (worker.answer(worker.take()), worker.ready()), daemon=True).start()
    assert post(dispatcher, traceparent=PARENT, tracestate="a=1", **{"X-Request-Id": "mine"}).status_code == 200
    spans = {span["name"]: span for span in collector.wait(5)}
    assert set(spans) == {"POST /predict", "queue", "hand-out", "decode", "forward"}
    path, kind, body = collector.bodies[0]
    assert (path, kind) == ("/v1/traces", "application/json")
    server = spans.pop("POST /predict")
    assert (server["parentSpanId"], server["kind"], server["traceState"]) == (CLIENT, 2, "a=1")
    told = attributes(server)
    assert (told["request_id"], told["http.response.status_code"], told["http.route"]) == ("mine", "200", "/predict")
    parts = [spans[name] for name in ("queue", "hand-out", "decode", "forward")]
    assert all((each["traceId"], each["parentSpanId"]) == (TRACE, server["spanId"]) for each in parts)
    assert all(a["endTimeUnixNano"] == b["startTimeUnixNano"] for a, b in zip(parts, parts[1:]))
    assert int(spans["forward"]["endTimeUnixNano"]) - int(spans["forward"]["startTimeUnixNano"]) <= 12_500_000
    # The worker's own spans, if it made any, would lie below the server's.
    item, = worker.jobs[0][0]["items"]
    assert item["traceparent"] == f"00-{TRACE}-{server['spanId']}-01"
    about = attributes(body["resourceSpans"][0]["resource"])
    assert (about["service.name"], about["model"]) == ("inference-dispatcher", "resnet18")
    wait_until(lambda: dispatcher.metrics().get("dispatcher_spans_total", result="exported") == 5, what="5 exported", seconds=20)
    worker.close()
    # OpenTelemetry's own types: a member of another name or type is an error.
    code = """
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
read = json_format.Parse(args[0], ExportTraceServiceRequest())
out = [[span.name, span.kind] for span in read.resource_spans[0].scope_spans[0].spans]
"""
    read = run_in(environment_with("opentelemetry-proto==1.45.2"), code, [json.dumps(body)], 60)
    assert ["POST /predict", 2] in read and ["queue", 1] in read


def test_the_client_s_flag_decides_and_else_the_ratio(start_dispatcher, collect):
    collector = collect()
    dispatcher = start_dispatcher("--otlp-endpoint", collector.url, "--trace-ratio", "0", "--request-timeout", "100ms")
    for headers in ({}, {"traceparent": PARENT[:-2] + "00"}, {"traceparent": PARENT.upper()}, {"traceparent": PARENT}):
        assert post(dispatcher, **headers).status_code == 503
    span, = collector.wait(1)
    assert span["traceId"] == TRACE and span["status"] == {"code": 2}


def test_the_standard_s_variables_switch_it_on(start_dispatcher, collect):
    other = collect()
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": other.url, "OTEL_SERVICE_NAME": "mine", "OTEL_TRACES_SAMPLER_ARG": "1.0",
                 "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20s3cret,x-scope=team",
                 "OTEL_RESOURCE_ATTRIBUTES": "service.name=other,service.instance.id=pod-1,deployment.environment.name=caf%C3%A9"}
    dispatcher = start_dispatcher("--request-timeout", "100ms", env={**os.environ, **variables})
    assert post(dispatcher).status_code == 503
    assert requests.get(dispatcher.url + "/healthz", timeout=10).status_code == 200
    span, = other.wait(1)
    assert "parentSpanId" not in span and len(span["traceId"]) == 32 and span["name"] == "POST /predict"
    told = attributes(other.bodies[0][2]["resourceSpans"][0]["resource"])
    assert (told["service.name"], told["service.instance.id"], told["deployment.environment.name"]) == ("mine", "pod-1", "café")
    assert (other.headers[0]["Authorization"], other.headers[0]["x-scope"]) == ("Bearer s3cret", "team")


def test_a_collector_s_secret_is_in_no_log_line(start_dispatcher, collect):
    # It repeats what it was sent, as some do.
    collector = collect(answers=[(401, {}, "no such token: Bearer s3cret")])
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20s3cret"}
    dispatcher = start_dispatcher("--request-timeout", "100ms", "--log-level", "debug", env={**os.environ, **variables})
    assert post(dispatcher).status_code == 503
    wait_until(lambda: dispatcher.metrics().get("dispatcher_spans_total", result="dropped") == 1, what="a dropped span", seconds=20)
    line, = dispatcher.log("spans_not_exported")
    assert "401" in line["error"] and "no such token" in line["error"]
    dispatcher.stop()
    assert "s3cret" not in dispatcher.log_text()


def test_what_a_collector_cannot_take_now_is_sent_again(start_dispatcher, collect):
    collector = collect(answers=[(429, {"Retry-After": "2"}, ""), (503, {}, ""), (200, {}, "{}")])
    dispatcher = start_dispatcher("--otlp-endpoint", collector.url, "--request-timeout", "100ms")
    assert post(dispatcher).status_code == 503
    wait_until(lambda: dispatcher.metrics().get("dispatcher_spans_total", result="exported") == 1, what="an exported span", seconds=30)
    assert len(collector.bodies) == 3 and collector.bodies[0] == collector.bodies[1] == collector.bodies[2]
    assert collector.times[1] - collector.times[0] >= 2
    assert dispatcher.metrics().get("dispatcher_spans_total", result="dropped") == 0


def test_the_spans_that_a_collector_rejects_count_as_dropped(start_dispatcher, collect):
    partial = '{"partialSuccess": {"rejectedSpans": "1", "errorMessage": "too old"}}'
    collector = collect(answers=[(200, {}, partial)])
    dispatcher = start_dispatcher("--otlp-endpoint", collector.url, "--request-timeout", "100ms")
    for _ in range(2):
        assert post(dispatcher).status_code == 503
    wait_until(lambda: dispatcher.metrics().get("dispatcher_spans_total", result="dropped") == 1, what="a dropped span", seconds=20)
    assert dispatcher.metrics().get("dispatcher_spans_total", result="exported") == 1
    assert len(collector.bodies) == 1 and dispatcher.log("spans_not_exported")[0]["error"] == "too old"


def test_without_an_endpoint_nothing_is_traced(start_dispatcher):
    dispatcher = start_dispatcher("--request-timeout", "100ms", env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_TRACES_SAMPLER_ARG": "x"})
    assert post(dispatcher, traceparent=PARENT).status_code == 503
    assert "dispatcher_spans_total" not in requests.get(dispatcher.metrics_url, timeout=10).text


def test_a_collector_that_fails_or_hangs_is_in_nobody_s_way(start_dispatcher, collect):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for url in (collect(answers=[(500, {}, "")] * 1000).url, f"http://127.0.0.1:{silent.getsockname()[1]}"):
            dispatcher = start_dispatcher("--otlp-endpoint", url, "--drain-timeout", "1s")
            worker = WorkingWorker(dispatcher)
            # One batch is on its way at a time, and 2048 more may wait.
            session = requests.Session()
            for _ in range(600):
                answer = session.post(dispatcher.url + "/predict", data=JPEG, headers={"Content-Type": "image/jpeg", "traceparent": PARENT}, timeout=30)
                assert answer.status_code == 200
            wait_until(lambda: dispatcher.metrics().get("dispatcher_spans_total", result="dropped") > 0, what="dropped spans", seconds=30)
            worker.close()
            assert dispatcher.stop() == 0


@pytest.mark.parametrize("answers", [[], [(503, {"Retry-After": "60"}, "")]], ids=["waiting", "to be sent again"])
def test_what_is_left_at_the_end_is_sent(start_dispatcher, collect, answers):
    collector = collect(answers=answers)
    dispatcher = start_dispatcher("--otlp-endpoint", collector.url, "--request-timeout", "100ms")
    assert post(dispatcher).status_code == 503
    collector.wait(len(answers))
    dispatcher.stop()
    assert [span["name"] for span in collector.spans()] == ["POST /predict"] * (len(answers) + 1)


@pytest.mark.parametrize("endpoint", ["collector:4317", "grpc://collector:4317", "http://", "http://collector:4318/?a=b"])
def test_an_endpoint_that_can_never_work_is_told_at_start(endpoint):
    done = subprocess.run([BIN / "inference-dispatcher", "--otlp-endpoint", endpoint], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and "--otlp-endpoint" in done.stderr and "4318" in done.stderr


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_RESOURCE_ATTRIBUTES"])
def test_a_variable_that_cannot_be_read_is_told_at_start_without_its_value(name):
    env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", name: "a=b,s3cret"}
    done = subprocess.run([BIN / "inference-dispatcher"], env=env, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and name in done.stderr and "NAME=VALUE" in done.stderr and "s3cret" not in done.stderr


@contextlib.contextmanager
def real_collector(folder):
    """Its URL, and a function for the spans that it has written."""
    address = f"127.0.0.1:{free_port()}"
    written, config = folder / "spans.jsonl", folder / "collector.yaml"
    config.write_text(json.dumps({
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": address}}}},
        "exporters": {"file": {"path": str(written)}},
        "service": {"telemetry": {"metrics": {"level": "none"}}, "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["file"]}}},
    }))

    def spans():
        lines = written.read_text().splitlines(keepends=True) if written.exists() else []
        bodies = [json.loads(line) for line in lines if line.endswith("\n")]
        return [span for body in bodies for resource in body["resourceSpans"] for scope in resource["scopeSpans"] for span in scope["spans"]]

    def listens():
        with contextlib.suppress(OSError), socket.create_connection(tuple(address.split(":")), 1):
            return True

    process = spawn([go_program("collector"), "--config", f"file:{config}"], log=folder / "collector.log")
    try:
        wait_until(listens, what="the collector", seconds=30)
        yield f"http://{address}", spans
    finally:
        process.terminate()
        process.wait(20)


def test_opentelemetry_s_own_collector_takes_the_spans(start_dispatcher, tmp_path):
    with real_collector(tmp_path) as (url, written):
        dispatcher = start_dispatcher("--otlp-endpoint", url)
        worker = WorkingWorker(dispatcher)
        assert post(dispatcher, traceparent=PARENT, tracestate="a=1").status_code == 200
        wait_until(lambda: len(written()) >= 5, what="the spans in the collector's file", seconds=30)
        assert dispatcher.metrics().get("dispatcher_spans_total", result="exported") == 5
        assert dispatcher.metrics().get("dispatcher_spans_total", result="dropped") == 0
        worker.close()
    spans = {span["name"]: span for span in written()}
    server = spans.pop("POST /predict")
    assert (server["traceId"], server["parentSpanId"], server["traceState"], server["kind"]) == (TRACE, CLIENT, "a=1", 2)
    assert set(spans) == {"queue", "hand-out", "decode", "forward"}
    assert all((each["traceId"], each["parentSpanId"]) == (TRACE, server["spanId"]) for each in spans.values())
    assert attributes(server)["http.response.status_code"] == "200"
