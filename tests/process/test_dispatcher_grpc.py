"""gRPC, with Triton's own Python client, the gRPC library below it, and grpcurl."""
import base64
import json
import socket
import subprocess

import pytest

from bench.waiting import wait_until
from tests.process.background import Background
from tests.process.clients import go_program, run_triton
from tests.process.fake_worker import FakeWorker, WorkingWorker
from tests.process.picture_files import picture

JPEG = picture()
INFER = "/inference.GRPCInferenceService/ModelInfer"
START = """
import base64, threading, time
import grpc
import numpy as np
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2 as pb, service_pb2_grpc
from tritonclient.utils import InferenceServerException
client = triton.InferenceServerClient(args[0])
channel = grpc.insecure_channel(args[0])
stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
def images(*files, name="image", datatype="BYTES"):
    tensor = triton.InferInput(name, [len(files)], datatype)
    tensor.set_data_from_numpy(np.array([base64.b64decode(f) for f in files], dtype=object))
    return [tensor]
def tensors(array):
    tensor = triton.InferInput("image", list(array.shape), "FP32")
    tensor.set_data_from_numpy(array)
    return [tensor]
def typed(*files, model="resnet18", **more):
    request = pb.ModelInferRequest(model_name=model, **more)
    request.inputs.add(name="image", datatype="BYTES", shape=[len(files)]).contents.bytes_contents.extend(map(base64.b64decode, files))
    return request
def error_of(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except InferenceServerException as error:
        return [error.status(), error.message()]
    except grpc.RpcError as error:
        return [str(error.code()), error.details()]
    return None
"""
FILE = base64.b64encode(JPEG).decode()


def ask(dispatcher, code, *arguments):
    return run_triton(START + code, f"127.0.0.1:{dispatcher.ports['grpc']}", *arguments)


def listen():
    return socket.create_server(("127.0.0.1", 0), backlog=128)


@pytest.fixture
def start(start_dispatcher):
    """Starts dispatchers on a listening socket, or one of their own: no port is free for sure until it is taken."""
    def make(*flags, listening=None):
        own = listening or listen()
        made = start_dispatcher("--grpc-fd", str(own.fileno()), *flags, pass_fds=(own.fileno(),))
        if not listening:
            own.close()
        return made
    return make


@pytest.fixture
def dispatcher(start):
    return start("--drain-timeout", "200ms")


def counted(dispatcher, status, endpoint=INFER):
    return dispatcher.metrics().get("dispatcher_requests_total", method="POST", endpoint=endpoint, status=status)


def test_what_triton_s_client_asks_is_answered_as_over_http(dispatcher, link):
    ready = "[client.is_server_live(), client.is_server_ready(), client.is_model_ready('resnet18'), client.is_model_ready('resnet18', '1')]"
    assert ask(dispatcher, f"out = {ready}") == [True, False, False, False]
    worker = link(WorkingWorker)
    dispatcher.wait_for_metric("dispatcher_workers", 1, state="idle")
    other = picture(size=(50, 40))
    out = ask(dispatcher, f"""
out = dict(ready={ready}, server=client.get_server_metadata(as_json=True), model=client.get_model_metadata("resnet18", "1", as_json=True))
answers = [client.infer("resnet18", inputs, model_version=version, request_id="7") for version in ("", "1") for inputs in
           (images(*args[1]), tensors(np.full([2, 3, 224, 224], 0.5, np.float32)))]
out["raw"] = [[[label.decode() for label in a.as_numpy("label")], a.as_numpy("probability").tolist(), a.get_response().id] for a in answers]
answer = stub.ModelInfer(typed(args[1][0]))
out["typed"] = [answer.outputs[0].contents.bytes_contents[0].decode(), answer.outputs[1].contents.fp32_contents[0], answer.model_version]
wanted = [triton.InferRequestedOutput("probabilities", class_count=3)]
out["classes"] = [one.decode() for one in client.infer("resnet18", images(args[1][0]), outputs=wanted).as_numpy("probabilities").flatten()]
""", [FILE, base64.b64encode(other).decode()])
    assert out["ready"] == [True] * 4
    assert "classification" in out["server"]["extensions"] and out["model"]["versions"] == ["1"]
    assert out["model"]["inputs"][0] == {"name": "image", "datatype": "BYTES", "shape": ["-1"]}
    assert out["raw"] == [[["working"] * 2, [pytest.approx(0.931)] * 2, "7"]] * 4
    assert out["typed"] == ["working", pytest.approx(0.931), "1"]
    assert out["classes"] == ["0.931000:1:working"]
    assert [payload for _, payload in worker.jobs[:2]] == [JPEG, other]
    assert counted(dispatcher, 200) == 6
    assert counted(dispatcher, 200, "/inference.GRPCInferenceService/ModelMetadata") == 1


def test_every_refusal_has_the_code_and_the_words_of_http_s(dispatcher, link):
    link(version="0123456789ab")
    dispatcher.wait_for_metric("dispatcher_workers", 1, state="idle")
    out = ask(dispatcher, """
out = [error_of(client.infer, "resnet18", images(args[1], name="input_0")),
       error_of(client.infer, "resnet18", images(base64.b64encode(b"no picture"))),
       error_of(client.infer, "resnet18", images(args[1]), outputs=[triton.InferRequestedOutput("logits")]),
       error_of(client.infer, "vgg", images(args[1])),
       error_of(client.infer, "resnet18", images(args[1]), model_version="2"),
       error_of(client.is_model_ready, "vgg"),
       error_of(client.infer, "resnet18", tensors(np.zeros([28, 3, 224, 224], np.float32))),
       error_of(client.infer, "resnet18", images(args[1]), compression_algorithm="gzip"),
       error_of(client.get_model_config, "resnet18"),
       error_of(channel.unary_unary("/inference.GRPCInferenceService/ModelInfer"), b"\\x0b"),
       error_of(channel.stream_unary("/inference.GRPCInferenceService/ModelInfer"), iter(()))]
""", FILE)
    codes = ["INVALID_ARGUMENT", "INVALID_ARGUMENT", "INVALID_ARGUMENT", "NOT_FOUND", "NOT_FOUND", "NOT_FOUND", "RESOURCE_EXHAUSTED",
             "UNIMPLEMENTED", "UNIMPLEMENTED", "INVALID_ARGUMENT", "INVALID_ARGUMENT"]
    assert [code.removeprefix("StatusCode.") for code, _ in out] == codes, out
    for (_, message), words in zip(out, (['"input_0"', '"image"'], ["inputs[0] element 0"], ["logits"], ["vgg"], ['version "2"'], ["vgg"],
                                         ["larger than max"], ["gzip"], ["method"], ["ModelInferRequest"], ["no message"])):
        assert all(word in message for word in words), message


def test_a_client_s_deadline_and_its_cancelling_take_a_request_out_of_the_queue(dispatcher):
    late = Background(ask, dispatcher, "out = error_of(client.infer, 'resnet18', images(args[1]), client_timeout=1.5)", FILE)
    dispatcher.wait_for_metric("dispatcher_queue_size", 1)
    assert "DEADLINE_EXCEEDED" in late.result(30)[0]
    dispatcher.wait_for_metric("dispatcher_queue_size", 0)
    # Whose clock is first decides what is counted: the client's, which then leaves, or the dispatcher's.
    wait_until(lambda: sum(counted(dispatcher, status) or 0 for status in (499, 504)) == 1)
    before = counted(dispatcher, 499) or 0
    out = ask(dispatcher, """
import urllib.request
call = stub.ModelInfer.future(typed(args[1]))
while "dispatcher_queue_size 1" not in urllib.request.urlopen(args[2], timeout=10).read().decode(): time.sleep(0.02)
out = call.cancel()
while "dispatcher_queue_size 0" not in urllib.request.urlopen(args[2], timeout=10).read().decode(): time.sleep(0.02)
""", FILE, dispatcher.metrics_url)
    assert out is True
    wait_until(lambda: counted(dispatcher, 499) == before + 1)
    assert dispatcher.metrics().sum("dispatcher_dropped_total", reason="client_gone") >= 1


def test_a_full_queue_and_the_server_s_own_deadline_say_so(start):
    dispatcher = start("--queue-capacity", "1", "--request-timeout", "2s", "--drain-timeout", "200ms")
    busy = FakeWorker(dispatcher)
    dispatcher.wait_for_metric("dispatcher_workers", 1, state="idle")
    out = ask(dispatcher, """
errors = [call.exception(timeout=20) for call in [stub.ModelInfer.future(typed(args[1])) for _ in range(2)]]
out = {error.code().name: [error.details(), "RetryInfo" in str(dict(error.trailing_metadata()))] for error in errors}
""", FILE)
    busy.close()
    assert sorted(out) == ["DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"]
    assert "queue" in out["RESOURCE_EXHAUSTED"][0] and out["RESOURCE_EXHAUSTED"][1] is True
    assert counted(dispatcher, 429) == 1 and counted(dispatcher, 504) == 1


def test_a_message_that_does_not_come_is_not_waited_for(start):
    dispatcher = start("--body-timeout", "300ms")
    out = ask(dispatcher, """
def never():
    time.sleep(20)
    yield b""
out = error_of(channel.stream_unary("/inference.GRPCInferenceService/ModelInfer"), never(), timeout=15)
""")
    assert out[0] == "StatusCode.DEADLINE_EXCEEDED" and "message took longer than 300ms" in out[1], out


def test_health_follows_readiness_into_the_drain(start):
    dispatcher = start("--shutdown-delay", "1s", "--grpc-connection-age", "1s")
    watching = Background(ask, dispatcher, """
names = {b"": "server", b"inference.GRPCInferenceService": "service"}
states = {1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
out = []
def watch(name):
    try:
        for answer in channel.unary_stream("/grpc.health.v1.Health/Watch")(bytes([10, len(name)]) + name, timeout=30):
            out.append([names[name], states[answer[1]]])
    except grpc.RpcError as error:
        out.append([names[name], str(error.code())])
threads = [threading.Thread(target=watch, args=(name,)) for name in names]
for thread in threads: thread.start()
check = channel.unary_unary("/grpc.health.v1.Health/Check")
checked = [check(b"")[1], error_of(check, b"\\x0a\\x01x")[0]]
for thread in threads: thread.join()
out = [out, checked]
""")
    watch = "/grpc.health.v1.Health/Check"
    wait_until(lambda: counted(dispatcher, 200, watch) == 1, seconds=20)
    worker = WorkingWorker(dispatcher)
    dispatcher.wait_for_metric("dispatcher_workers", 1, state="idle")
    dispatcher.signal()
    seen, checked = watching.result(30)
    assert checked == [1, "StatusCode.NOT_FOUND"]
    assert [state for name, state in seen if name == "server"] == ["SERVING", "NOT_SERVING", "StatusCode.UNAVAILABLE"]
    assert [state for name, state in seen if name == "service"] == ["NOT_SERVING", "SERVING", "NOT_SERVING", "StatusCode.UNAVAILABLE"]
    assert dispatcher.wait() == 0
    worker.close()


def test_a_rollout_loses_no_call_of_busy_connections(start):
    flags = ("--shutdown-delay", "200ms", "--grpc-connection-age", "1s")
    with listen() as listening:
        leaving = start(*flags, listening=listening)
        workers = [WorkingWorker(leaving, seconds=0.002)]
        calling = Background(ask, leaving, """
request, errors, done = typed(args[1]), [], [0] * 4
end = time.monotonic() + 4.5
def run(i):
    while time.monotonic() < end:
        try:
            stub.ModelInfer(request, timeout=20)
            done[i] += 1
        except grpc.RpcError as error:
            errors.append([str(error.code()), error.details()])
threads = [threading.Thread(target=run, args=(i,)) for i in range(len(done))]
for thread in threads: thread.start()
for thread in threads: thread.join()
out = [sum(done), errors]
""", FILE)
        wait_until(lambda: (counted(leaving, 200) or 0) > 20, seconds=20)
        successor = start(*flags, listening=listening)
        workers.append(WorkingWorker(successor, seconds=0.002))
        leaving.signal()
        assert leaving.wait() == 0
        done, errors = calling.result(30)
        assert errors == []
        before = leaving.log("drained")[0]
        assert before["finished"] is True and before["open"] == 0
        assert counted(successor, 200) > 20 and done > counted(successor, 200)
        for worker in workers:
            worker.close()


def test_grpcurl_finds_out_by_reflection_what_it_may_call(dispatcher, link):
    program = go_program("grpcurl")
    link(WorkingWorker)
    dispatcher.wait_for_metric("dispatcher_workers", 1, state="idle")

    def run(*arguments, data=None):
        given = ["-d", data] if data else []
        address = f"127.0.0.1:{dispatcher.ports['grpc']}"
        done = subprocess.run([program, "-plaintext", *given, address, *arguments], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout
    assert run("list").split() == ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "inference.GRPCInferenceService"]
    assert "rpc ModelInfer" in run("describe", "inference.GRPCInferenceService")
    assert json.loads(run("grpc.health.v1.Health/Check")) == {"status": "SERVING"}
    request = {"model_name": "resnet18", "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "contents": {"bytes_contents": [FILE]}}]}
    answer = json.loads(run("inference.GRPCInferenceService/ModelInfer", data=json.dumps(request)))
    assert answer["outputs"][0]["contents"] == {"bytes_contents": [base64.b64encode(b"working").decode()]}
