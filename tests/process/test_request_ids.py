"""A request's name: X-Request-Id in every answer and log line, and W3C Trace Context on the way to workers."""
import base64
import http.client
import re
import socket

import pytest
import requests

from tests.process.background import Background
from tests.process.clients import run_triton
from tests.process.fake_worker import WorkingWorker
from tests.process.picture_files import picture
from tests.process.raw_client import RawClient

JPEG = picture()
MADE = re.compile(r"[0-9a-f]{32}")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def post(dispatcher, path="/predict", data=JPEG, **headers):
    return requests.post(dispatcher.url + path, data=data, headers={"Content-Type": "image/jpeg", **headers}, timeout=30)


def test_an_id_comes_back_and_goes_to_the_worker(dispatcher, link):
    worker = link(WorkingWorker)
    answer = post(dispatcher, **{"X-Request-Id": "order-7/a", "traceparent": TRACE, "tracestate": "a=1, b=2"})
    assert answer.status_code == 200 and answer.headers["X-Request-Id"] == "order-7/a"
    item, = worker.jobs[-1][0]["items"]
    assert (item["request_id"], item["traceparent"], item["tracestate"]) == ("order-7/a", TRACE, "a=1,b=2")
    document = {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(JPEG).decode()]}]}
    answer = requests.post(dispatcher.url + "/v2/models/resnet18/infer", json=document, headers={"x-request-id": "v2"}, timeout=30)
    assert answer.status_code == 200 and answer.headers["X-Request-Id"] == "v2"
    item, = worker.jobs[-1][0]["items"]
    assert item["request_id"] == "v2" and "traceparent" not in item and "tracestate" not in item


@pytest.mark.parametrize("given", [[], [""], ["a b"], ["x" * 129], ["a", "b"], ["<script>"], ["a\tb"], ['{"a":1}'], ["\xe4"]])
def test_a_missing_or_hostile_id_is_replaced_by_a_new_one(dispatcher, given):
    seen = set()
    for _ in range(2):
        connection = http.client.HTTPConnection("127.0.0.1", dispatcher.http, timeout=30)
        connection.putrequest("GET", "/healthz")
        for each in given:
            connection.putheader("X-Request-Id", each.encode("latin-1"))
        connection.endheaders()
        answer = connection.getresponse()
        ids = answer.headers.get_all("X-Request-Id")
        assert answer.status == 200 and len(ids) == 1 and MADE.fullmatch(ids[0]), ids
        seen.add(ids[0])
        connection.close()
    assert len(seen) == 2


@pytest.mark.parametrize("parents,states", [
    ([TRACE.upper()], ["a=1"]), ([TRACE, TRACE], ["a=1"]), (["ff" + TRACE[2:]], ["a=1"]), ([TRACE + "-more"], ["a=1"]),
    (["00-" + "0" * 32 + TRACE[35:]], ["a=1"]), ([], ["a=1"]),
])
def test_a_bad_trace_context_is_left_out_and_its_request_served(dispatcher, link, parents, states):
    worker = link(WorkingWorker)
    connection = http.client.HTTPConnection("127.0.0.1", dispatcher.http, timeout=30)
    connection.putrequest("POST", "/predict")
    for name, values in (("traceparent", parents), ("tracestate", states), ("Content-Length", [str(len(JPEG))])):
        for value in values:
            connection.putheader(name, value)
    connection.endheaders(JPEG)
    assert connection.getresponse().status == 200
    item, = worker.jobs[-1][0]["items"]
    assert "traceparent" not in item and "tracestate" not in item and MADE.fullmatch(item["request_id"])
    connection.close()


def test_errors_have_the_id_whoever_makes_them(start_dispatcher):
    dispatcher = start_dispatcher("--request-timeout", "300ms", "--queue-capacity", "1")
    named = {"X-Request-Id": "mine"}
    waiting = Background(post, dispatcher, **named)
    dispatcher.wait_for_metric("dispatcher_queue_size", 1)
    full = post(dispatcher, **named)
    assert (full.status_code, full.headers["X-Request-Id"]) == (429, "mine")
    late = waiting.result()
    assert (late.status_code, late.headers["X-Request-Id"]) == (503, "mine")
    for status, answer in (
        (404, requests.get(dispatcher.url + "/nothing", headers=named, timeout=30)),
        (405, requests.get(dispatcher.url + "/predict", headers=named, timeout=30)),
        (404, post(dispatcher, "/v2/models/other/infer", b"{}", **named)),
        (400, post(dispatcher, "/v2/models/resnet18/infer", b"{", **named)),
        (400, post(dispatcher, **named, **{"X-Request-Timeout-Ms": "x"})),
        (415, post(dispatcher, data=b"GIF89a", **named)),
        (417, post(dispatcher, **named, Expect="more")),
    ):
        assert (answer.status_code, answer.headers["X-Request-Id"]) == (status, "mine"), answer.text
    # What could not be read as far as its id gets one.
    client = RawClient(dispatcher.http)
    client.send(b"GET  / HTTP/1.1\r\nX-Request-Id: mine\r\n\r\n")
    status, headers, _ = client.response()
    assert status == 400 and MADE.fullmatch(headers["x-request-id"])
    client.close()


def test_the_log_of_a_lost_worker_names_the_requests_that_it_held(dispatcher, link):
    worker = link()
    asked = Background(post, dispatcher, **{"X-Request-Id": "held"})
    worker.take()
    worker.socket.close()
    rescuer = link(WorkingWorker)
    assert asked.result().status_code == 200
    assert rescuer.jobs[-1][0]["items"][0]["request_id"] == "held"
    line, = dispatcher.log("worker_lost")
    assert [each["request_id"] for each in line["pictures"]] == ["held"]


def test_grpc_gives_the_id_back_in_its_metadata(start_dispatcher):
    with socket.create_server(("127.0.0.1", 0), backlog=128) as own:
        dispatcher = start_dispatcher("--grpc-fd", str(own.fileno()), "--drain-timeout", "200ms", pass_fds=(own.fileno(),))
    worker = WorkingWorker(dispatcher)
    code = """
import base64, json, grpc
from tritonclient.grpc import service_pb2 as pb, service_pb2_grpc
stub = service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(args[0]))
def asked(model, *metadata):
    request = pb.ModelInferRequest(model_name=model)
    request.inputs.add(name="image", datatype="BYTES", shape=[1]).contents.bytes_contents.append(base64.b64decode(args[1]))
    call = stub.ModelInfer.future(request, metadata=metadata)
    code = call.code()
    return [code.name, [value for name, value in call.initial_metadata() if name == "x-request-id"]]
out = [asked("resnet18", ("x-request-id", "mine"), ("traceparent", args[2]), ("tracestate", "a=1"), ("tracestate", "b=2")),
       asked("other", ("x-request-id", "mine")), asked("other", ("x-request-id", "a b")), asked("other")]
"""
    good, error, hostile, none = run_triton(code, f"127.0.0.1:{dispatcher.ports['grpc']}", base64.b64encode(JPEG).decode(), TRACE)
    assert good == ["OK", ["mine"]] and error == ["NOT_FOUND", ["mine"]]
    for code, ids in (hostile, none):
        assert code == "NOT_FOUND" and len(ids) == 1 and MADE.fullmatch(ids[0])
    item, = worker.jobs[-1][0]["items"]
    assert (item["request_id"], item["traceparent"], item["tracestate"]) == ("mine", TRACE, "a=1,b=2")
    worker.close()


def test_grpc_gives_the_id_back_where_its_library_ends_the_call(start_dispatcher):
    with socket.create_server(("127.0.0.1", 0), backlog=128) as own:
        dispatcher = start_dispatcher("--grpc-fd", str(own.fileno()), pass_fds=(own.fileno(),))
    code = """
import grpc
from tritonclient.grpc import service_pb2 as pb, service_pb2_grpc
stub = service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(args[0], options=[("grpc.max_send_message_length", -1)]))
request = pb.ModelInferRequest(model_name="resnet18")
request.raw_input_contents.append(b"a" * (64 << 20))
call = stub.ModelInfer.future(request, metadata=[("x-request-id", "mine")])
out = [call.code().name, [value for name, value in call.initial_metadata() if name == "x-request-id"]]
"""
    assert run_triton(code, f"127.0.0.1:{dispatcher.ports['grpc']}") == ["RESOURCE_EXHAUSTED", ["mine"]]
