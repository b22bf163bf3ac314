"""The Open Inference Protocol v2 routes, as its clients use them."""
import base64
import json
import struct

import pytest
import requests

from tests.process.background import Background
from tests.process.fake_worker import WorkingWorker
from tests.process.picture_files import picture

JPEG = picture()
TENSOR = struct.pack("<150528f", *([0.5] * 150528))


def infer(dispatcher, body, model="resnet18", **headers):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return requests.post(f"{dispatcher.url}/v2/models/{model}/infer", data=body, timeout=20,
                         headers={"Content-Type": "application/json", **headers})


def image_input(*images):
    return {"name": "image", "datatype": "BYTES", "shape": [len(images)],
            "data": [base64.b64encode(image).decode() for image in images]}


def binary_request(head, binary):
    text = json.dumps(head).encode()
    return text + binary, {"Inference-Header-Content-Length": str(len(text)), "Content-Type": "application/octet-stream"}


def assert_problem(response, status, *words):
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    for word in words:
        assert word in response.json()["detail"], response.text
    # What OIP clients look for.
    assert response.json()["error"] == response.json()["detail"]


def test_metadata_and_health_follow_the_workers(dispatcher, link):
    url = dispatcher.url
    assert requests.get(url + "/v2", timeout=10).json()["extensions"] == ["binary_tensor_data", "classification"]
    assert requests.get(url + "/v2/health/live", timeout=10).json() == {"live": True}
    model = requests.get(url + "/v2/models/resnet18", timeout=10).json()
    assert model["name"] == "resnet18"
    assert model["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
    assert [output["name"] for output in model["outputs"]] == ["label", "probability", "probabilities"]
    ready = [url + "/v2/health/ready", url + "/v2/models/resnet18/ready"]
    assert [requests.get(one, timeout=10).status_code for one in ready] == [503, 503]
    link()
    dispatcher.wait_for_metric("dispatcher_workers", 1, state="idle")
    assert [requests.get(one, timeout=10).status_code for one in ready] == [200, 200]
    assert requests.get(ready[1], timeout=10).json() == {"name": "resnet18", "ready": True}


def test_base64_pictures_are_classified_one_by_one(dispatcher, link):
    worker = link(WorkingWorker)
    images = [picture(size=(30 + i, 30)) for i in range(3)]
    response = infer(dispatcher, {"id": "7", "inputs": [image_input(*images)]})
    assert response.status_code == 200, response.text
    assert response.json() == {
        "model_name": "resnet18", "model_version": "1", "id": "7",
        "outputs": [{"name": "label", "datatype": "BYTES", "shape": [3], "data": ["working"] * 3},
                    {"name": "probability", "datatype": "FP32", "shape": [3],
                     "data": [pytest.approx(0.931, abs=1e-6)] * 3}]}
    assert [payload for _, payload in worker.jobs] == images


def test_binary_pictures_and_binary_answers(dispatcher, link):
    link(WorkingWorker)
    binary = struct.pack("<I", len(JPEG)) + JPEG
    body, headers = binary_request({
        "parameters": {"binary_data_output": True},
        "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1, 1], "parameters": {"binary_data_size": len(binary)}}],
        "outputs": [{"name": "probabilities"}, {"name": "label"}]}, binary)
    response = infer(dispatcher, body, **headers)
    assert response.status_code == 200, response.text
    length = int(response.headers["Inference-Header-Content-Length"])
    head, tail = json.loads(response.content[:length]), response.content[length:]
    assert head["outputs"] == [
        {"name": "probabilities", "datatype": "FP32", "shape": [1, 3], "parameters": {"binary_data_size": 12}},
        {"name": "label", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 11}}]
    assert tail == struct.pack("<3f", 0.0625, 0.5, 0.4375) + struct.pack("<I", 7) + b"working"


@pytest.mark.parametrize("binary", [True, False])
def test_ready_made_tensors_are_passed_on_exactly(dispatcher, link, binary):
    worker = link(WorkingWorker)
    tensor = {"name": "image", "datatype": "FP32", "shape": [1, 3, 224, 224]}
    if binary:
        body, headers = binary_request({"inputs": [{**tensor, "parameters": {"binary_data_size": len(TENSOR)}}]}, TENSOR)
    else:
        body, headers = {"inputs": [{**tensor, "data": [0.5] * 150528}]}, {}
    answer = infer(dispatcher, body, **headers)
    assert answer.status_code == 200
    (header, payload), = worker.jobs
    assert header["items"] == [{"kind": "tensor", "bytes": len(TENSOR), "count": 1, "request_id": answer.headers["X-Request-Id"]}]
    assert payload == TENSOR


@pytest.mark.parametrize("body,status,words", [
    (b"hello", 400, ["not JSON"]),
    ({}, 400, ["inputs is missing"]),
    ({"inputs": [image_input(b"hello")]}, 400, ["inputs[0] element 0", "not an image"]),
    ({"inputs": [image_input(JPEG, JPEG[:300])]}, 400, ["inputs[0] element 1", "truncated"]),
    ({"inputs": [image_input(picture("GIF"))]}, 415, ["GIF is not supported"]),
    ({"inputs": [{**image_input(JPEG), "shape": [2]}]}, 400, ["1 elements", "2"]),
    ({"inputs": [{**image_input(JPEG), "datatype": "INT8"}]}, 400, ["INT8", "BYTES", "FP32"]),
    ({"inputs": [image_input(JPEG)], "outputs": [{"name": "logits"}]}, 400, ["logits", "probabilities"]),
    ({"inputs": [{"name": "image", "datatype": "FP32", "shape": [1, 3, 224, 224], "data": [1, 2]}]}, 400, ["2 numbers", "150528"]),
    ({"inputs": [{"name": "image", "datatype": "FP32", "shape": [1, 3, 224, 224], "data": [1e39] * 150528}]}, 400, ["not a finite"]),
])
def test_bad_requests_are_refused_and_never_reach_a_worker(dispatcher, link, body, status, words):
    worker = link(WorkingWorker)
    assert_problem(infer(dispatcher, body), status, *words)
    assert infer(dispatcher, {"inputs": [image_input(JPEG)]}).status_code == 200
    assert len(worker.jobs) == 1


def test_another_model_is_404_everywhere(dispatcher):
    assert_problem(infer(dispatcher, {}, model="vgg"), 404, '"vgg"', '"resnet18"')
    assert_problem(infer(dispatcher, {}, model="%FF"), 404, '"\ufffd"', '"resnet18"')
    for path in ("/v2/models/vgg", "/v2/models/vgg/ready", "/v2/models/vgg/versions/1", "/v2/models/vgg/versions/1/ready"):
        assert_problem(requests.get(dispatcher.url + path, timeout=10), 404, '"vgg"', '"resnet18"')


def test_what_the_metadata_advertises_is_served_under_its_version_and_nothing_else(dispatcher, link):
    url = dispatcher.url + "/v2/models/resnet18"
    # Nobody is there to tell a version: it may be that of the worker that comes.
    assert requests.get(url, timeout=10).json()["versions"] == []
    assert requests.get(f"{url}/versions/0123456789ab/ready", timeout=10).status_code == 503
    link(WorkingWorker)
    link(WorkingWorker, version="1")
    dispatcher.wait_for_metric("dispatcher_workers", 2, state="idle")
    metadata = requests.get(url, timeout=10).json()
    assert metadata["versions"] == ["1"]
    for version in metadata["versions"]:
        at = f"{url}/versions/{version}"
        assert requests.get(at, timeout=10).json() == metadata
        assert requests.get(at + "/ready", timeout=10).json() == {"name": "resnet18", "ready": True}
        answer = requests.post(at + "/infer", json={"inputs": [image_input(JPEG)]}, timeout=20)
        assert answer.status_code == 200 and answer.json()["model_version"] == version
    for version in ("2", "01", "latest", "%31%00", "-1"):
        at = f"{url}/versions/{version}"
        for response in (requests.get(at, timeout=10), requests.get(at + "/ready", timeout=10),
                         requests.post(at + "/infer", json={"inputs": [image_input(JPEG)]}, timeout=20)):
            assert_problem(response, 404, 'the model "resnet18" has no version', 'allowed: "1"')


def test_while_weights_are_replaced_a_request_gets_the_version_that_it_names_or_is_told_to_come_back(dispatcher, link):
    at = dispatcher.url + "/v2/models/resnet18"
    old, new = link(version="aaaaaaaaaaaa"), link(version="bbbbbbbbbbbb")
    dispatcher.wait_for_metric("dispatcher_workers", 2, state="idle")
    assert requests.get(at, timeout=10).json()["versions"] == ["aaaaaaaaaaaa", "bbbbbbbbbbbb"]

    def ask(path, *pictures):
        body = {"inputs": [image_input(*pictures)]}
        return Background(lambda: requests.post(at + path, json=body, timeout=20))

    named = ask("/versions/bbbbbbbbbbbb/infer", JPEG)
    new.answer(new.take())
    assert named.result().json()["model_version"] == "bbbbbbbbbbbb"
    other = ask("/versions/bbbbbbbbbbbb/infer", JPEG)
    old.answer(old.take())
    assert_problem(other.result(), 503, 'replaced while it answered, by version "aaaaaaaaaaaa"')
    assert other.result().headers["Retry-After"] == "1"
    both = ask("/infer", JPEG, picture(size=(50, 40)))
    old.answer(old.take())
    new.answer(new.take())
    assert both.result().json()["model_version"] == "aaaaaaaaaaaa,bbbbbbbbbbbb"


def test_a_classification_is_given_as_many_labels_as_it_asks_for(dispatcher, link):
    worker = link()
    asked = Background(infer, dispatcher, {"inputs": [image_input(JPEG)], "outputs": [
        {"name": "probabilities", "parameters": {"classification": 7}}]})
    header, _ = worker.take()
    assert header["top"] == 7 and header["probabilities"] is False
    top = [{"label": f"label {i}", "index": i, "probability": 0.5 - i / 100} for i in range(7)]
    worker.tell({"type": "result", "id": header["id"], "items": [{"top": top}], "preprocess_ms": 1.5, "inference_ms": 2,
                 "probabilities": False})
    assert asked.result().json()["outputs"] == [
        {"name": "probabilities", "datatype": "BYTES", "shape": [1, 7],
         "data": [f"{0.5 - i / 100:.6f}:{i}:label {i}" for i in range(7)]}]


@pytest.mark.parametrize("send,status,words", [
    pytest.param(lambda url: requests.get(url + "/nowhere", timeout=10), 404, ["/v2/nowhere"], id="no route"),
    pytest.param(lambda url: requests.delete(url + "/models/resnet18", timeout=10), 405, ["GET"], id="no method"),
    pytest.param(lambda url: requests.post(url + "/models/resnet18/infer", data=b"x" * (17 << 20), timeout=20), 413,
                 ["17825792", "16777216"], id="too large"),
    pytest.param(lambda url: requests.get(url, headers={"X": "x" * 20_000}, timeout=10), 431, ["header"], id="header"),
    pytest.param(lambda url: requests.get(url, headers={"Transfer-Encoding": "br"}, timeout=10), 501, ["chunked"], id="coding"),
    pytest.param(lambda url: requests.get(url, headers={"Expect": "wonders"}, timeout=10), 417, ["100-continue"], id="expect"),
])
def test_the_servers_own_errors_are_the_protocols_too(dispatcher, send, status, words):
    assert_problem(send(dispatcher.url + "/v2"), status, *words)


def test_several_pictures_enter_the_queue_together_or_not_at_all(start_dispatcher):
    dispatcher = start_dispatcher("--queue-capacity", "3", "--drain-timeout", "100ms")
    waiting = Background(infer, dispatcher, {"inputs": [image_input(JPEG, JPEG)]})
    dispatcher.wait_for_metric("dispatcher_queue_size", 2)
    assert_problem(infer(dispatcher, {"inputs": [image_input(JPEG, JPEG)]}), 429, "full")
    assert_problem(infer(dispatcher, {"inputs": [image_input(*[JPEG] * 4)]}), 413, "3 pictures")
    assert dispatcher.metrics().get("dispatcher_queue_size") == 2
    worker = WorkingWorker(dispatcher)
    assert waiting.result().status_code == 200
    worker.close()


def test_the_timeout_header_works_here_too(dispatcher):
    response = infer(dispatcher, {"inputs": [image_input(JPEG, JPEG)]}, **{"X-Request-Timeout-Ms": "100"})
    assert_problem(response, 503, "no worker")
    assert dispatcher.metrics().get("dispatcher_queue_size") == 0
