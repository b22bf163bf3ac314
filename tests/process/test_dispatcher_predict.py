"""POST /predict and /add_to_queue: pictures in, predictions out, and everything that is no picture."""
import gzip
import json
import os
import struct
import subprocess
import zlib

import pytest
import requests

from tests.process.background import Background
from tests.process.fake_worker import WorkingWorker
from tests.process.picture_files import empty_scans, picture
from tests.process.raw_client import RawClient

JPEG = picture()


def post(dispatcher, data=JPEG, path="/predict", type="image/jpeg", timeout=20, **headers):
    return requests.post(dispatcher.url + path, data=data, headers={"Content-Type": type, **headers}, timeout=timeout)


def assert_problem(response, status, *words):
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["title"]
    for word in words:
        assert word in problem["detail"], problem["detail"]
    return problem


@pytest.mark.parametrize("path", ["/predict", "/add_to_queue"])
@pytest.mark.parametrize("form", ["form", "raw"])
def test_a_picture_is_classified(dispatcher, link, path, form):
    worker = link()
    if form == "form":
        asked = Background(requests.post, dispatcher.url + path, files={"image": ("cat.jpg", JPEG, "image/jpeg")}, timeout=20)
    else:
        asked = Background(post, dispatcher, path=path)
    job = worker.take()
    header, payload = job
    assert payload == JPEG
    assert header["top"] == 5 and header["probabilities"] is False
    assert 29_000 < header["deadline_ms"] <= 30_000
    worker.answer(job)
    response = asked.result()
    assert response.status_code == 200
    assert header["items"] == [{"kind": "image", "bytes": len(JPEG), "request_id": response.headers["X-Request-Id"]}]
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert body["prediction"] == "tabby: 93.1%"
    assert body["queue_size"] == 0
    assert body["top"] == [{"label": "tabby", "index": 1, "probability": 0.931}]
    assert body["timing"]["inference_ms"] == 12.5
    assert 0 <= body["timing"]["queue_ms"] <= body["timing"]["total_ms"]


@pytest.mark.parametrize("make", [
    pytest.param(lambda: picture("JPEG", progressive=True), id="progressive"),
    pytest.param(lambda: picture("JPEG", mode="L"), id="grey"),
    pytest.param(lambda: picture("JPEG", mode="CMYK"), id="cmyk"),
    pytest.param(lambda: picture("JPEG", size=(4000, 3000)), id="12-megapixels"),
    pytest.param(lambda: picture("PNG"), id="png"),
    pytest.param(lambda: picture("PNG", mode="RGBA"), id="png-alpha"),
    pytest.param(lambda: picture("PNG", mode="P"), id="png-palette"),
    pytest.param(lambda: picture("PNG", mode="1"), id="png-bits"),
])
def test_every_kind_of_jpeg_and_png_is_taken_as_it_is(dispatcher, link, make):
    data = make()
    worker = link()
    # The label on the outside does not matter, the bytes do.
    asked = Background(post, dispatcher, data, type="application/octet-stream")
    job = worker.take()
    assert job[1] == data
    worker.answer(job)
    assert asked.result().status_code == 200


def huge_jpeg(width, height):
    """A small file whose header says width x height."""
    data = bytearray(picture("JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at:at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


BAD_PICTURES = [
    pytest.param(b"", 400, ["not an image"], id="empty"),
    pytest.param(b"hello", 400, ["not an image", "68 65 6c 6c", "JPEG"], id="text"),
    pytest.param(JPEG[:300], 400, ["JPEG is truncated"], id="a jpeg cut within its headers"),
    pytest.param(picture("JPEG", progressive=True)[:-2], 400, ["JPEG is truncated"], id="truncated progressive jpeg"),
    pytest.param(picture("PNG")[:-30], 400, ["PNG is truncated"], id="truncated png"),
    pytest.param(picture("GIF"), 415, ["GIF is not supported", "allowed: JPEG"], id="gif"),
    pytest.param(picture("WEBP"), 415, ["WebP is not supported"], id="webp"),
    pytest.param(picture("BMP"), 415, ["BMP is not supported"], id="bmp"),
    pytest.param(picture("TIFF"), 415, ["TIFF is not supported"], id="tiff"),
    pytest.param(huge_jpeg(16385, 10), 413, ["16385x10", "at most 16384 a side"], id="one side too long"),
    pytest.param(huge_jpeg(12000, 12000), 413, ["12000x12000", "at most 100000000 in all"], id="too many pixels"),
    pytest.param(picture("PNG", size=(4096, 4097), mode="1"), 413, ["4096x4097", "at most 16777216 in all"], id="too many pixels of a png"),
    pytest.param(empty_scans(4096, 4096, 90), 413, ["14 scans of 4096x4096", "at most 268435456"], id="scans without content"),
    pytest.param(b"\xff\xd8\xff" + b"x" * (10 << 20), 413, ["at most 10485760"], id="too many bytes"),
]


@pytest.mark.parametrize("form", ["form", "raw"])
@pytest.mark.parametrize("data,status,words", BAD_PICTURES)
def test_bad_pictures_are_refused_and_never_reach_a_worker(dispatcher, link, form, data, status, words):
    worker = link(WorkingWorker)
    if form == "raw":
        response = post(dispatcher, data)
    else:
        response = requests.post(dispatcher.url + "/predict", files={"image": ("x", data)}, timeout=20)
    assert_problem(response, status, *words)
    if status == 415:
        assert response.headers["Accept"] == "image/jpeg, image/png"
    assert post(dispatcher).status_code == 200
    assert len(worker.jobs) == 1
    assert dispatcher.metrics().get("dispatcher_arrivals_total") == 1


def test_the_largest_picture_is_a_setting(start_dispatcher):
    dispatcher = start_dispatcher("--max-picture-bytes", "100000", "--max-picture-pixels", "3000")
    assert_problem(post(dispatcher, JPEG + bytes(100_000)), 413, "at most 100000")
    assert_problem(post(dispatcher, picture("JPEG", size=(61, 50))), 413, "61x50", "at most 3000 in all")
    worker = WorkingWorker(dispatcher)
    assert post(dispatcher, picture("JPEG", size=(60, 50))).status_code == 200
    worker.close()


@pytest.mark.parametrize("type,status,words", [
    ("application/x-www-form-urlencoded", 415, ["application/x-www-form-urlencoded", "multipart/form-data"]),
    ("text/plain", 415, ["text/plain"]),
    ("multipart/form-data", 400, ["no boundary"]),
    ("multipart/form-data; boundary=x", 400, ["no line of the body is the boundary"]),
])
def test_bodies_of_other_types_are_refused_with_what_is_allowed(dispatcher, type, status, words):
    assert_problem(post(dispatcher, type=type), status, *words)


@pytest.mark.parametrize("headers", [[], ["-H", "Content-Type: binary/octet-stream"], ["-H", "content-type: Application/BINARY; x=y"],
                                     ["-H", "Content-Type: IMAGE/JPEG"], ["-H", "Transfer-Encoding: chunked"]])
@pytest.mark.parametrize("path", ["/predict", "/add_to_queue"])
def test_curl_uploads_a_file_as_it_is(dispatcher, link, tmp_path, path, headers):
    worker = link(WorkingWorker)
    (tmp_path / "cat.jpg").write_bytes(JPEG)
    done = subprocess.run(["curl", "-sS", "--max-time", "20", "-T", str(tmp_path / "cat.jpg"), *headers, dispatcher.url + path],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["prediction"] == "working: 93.1%"
    assert [payload for _, payload in worker.jobs] == [JPEG]


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("form", ["form", "raw"])
@pytest.mark.parametrize("coding,encode", [
    ("gzip", gzip.compress), ("X-GZip", gzip.compress), ("gzip", lambda data: gzip.compress(data[:99]) + gzip.compress(data[99:])),
    ("deflate", zlib.compress), ("deflate", raw_deflate), ("identity", bytes), ("", bytes), ("identity, gzip", gzip.compress),
])
def test_an_encoded_body_is_decoded(dispatcher, link, form, coding, encode):
    worker = link(WorkingWorker)
    type, body = "image/jpeg", JPEG
    if form == "form":
        prepared = requests.Request("POST", dispatcher.url, files={"image": ("cat.jpg", JPEG)}).prepare()
        type, body = prepared.headers["Content-Type"], prepared.body
    assert post(dispatcher, encode(body), type=type, **{"Content-Encoding": coding}).status_code == 200
    assert [payload for _, payload in worker.jobs] == [JPEG]


@pytest.mark.parametrize("coding,body,status,words", [
    pytest.param("br", JPEG, 415, ['"br"', "gzip, deflate, identity"], id="brotli"),
    pytest.param("gzip, gzip", JPEG, 415, ['"gzip, gzip"', "one of"], id="twice"),
    pytest.param("gzip", JPEG, 400, ["not gzip"], id="not encoded"),
    pytest.param("gzip", b"", 400, ["cut off after 0"], id="nothing"),
    pytest.param("gzip", gzip.compress(JPEG)[:-1], 400, ["cut off"], id="cut off"),
    pytest.param("deflate", zlib.compress(JPEG)[:-5], 400, ["cut off"], id="cut off deflate"),
    pytest.param("gzip", gzip.compress(JPEG) + b"\0", 400, ["follow its end"], id="a byte more"),
    pytest.param("gzip", gzip.compress(b"hello"), 400, ["not an image"], id="no picture"),
    pytest.param("gzip", gzip.compress(JPEG + os.urandom(11 << 20), 1), 413, ["10551296"], id="too large"),
    pytest.param("gzip", gzip.compress(os.urandom(6 << 20).hex().encode(), 1), 413, ["decoded", "10551296"], id="too large decoded"),
    pytest.param("gzip", gzip.compress(bytes(9 << 20)), 413, ["100 times"], id="a bomb"),
    pytest.param("gzip", gzip.compress(b"") * 1025, 413, ["1024 members"], id="members"),
])
def test_a_bad_encoded_body_is_refused_and_never_reaches_a_worker(dispatcher, link, coding, body, status, words):
    worker = link(WorkingWorker)
    response = post(dispatcher, body, **{"Content-Encoding": coding})
    problem = assert_problem(response, status, *words)
    assert problem["error"] == problem["detail"]
    if status == 415:
        assert response.headers["Accept-Encoding"] == "gzip, deflate"
    assert post(dispatcher).status_code == 200
    assert len(worker.jobs) == 1


def test_answers_are_plain_whatever_a_client_accepts(dispatcher, link):
    link(WorkingWorker)
    for accepted in ("gzip", "gzip;q=1, identity;q=0", "br", "*"):
        response = post(dispatcher, **{"Accept-Encoding": accepted})
        assert response.status_code == 200 and "Content-Encoding" not in response.headers


def test_a_form_must_have_exactly_one_image(dispatcher):
    url = dispatcher.url + "/predict"
    none = requests.post(url, files={"file": ("a.jpg", JPEG)}, timeout=20)
    assert_problem(none, 400, 'no field "image"; its fields: file')
    two = requests.post(url, files=[("image", JPEG), ("image", JPEG)], timeout=20)
    assert_problem(two, 400, 'more than one field "image"')


def test_what_a_worker_cannot_decode_is_the_clients_error(dispatcher, link):
    worker = link()
    asked = Background(post, dispatcher)
    worker.fail(worker.take(), 400, "the JPEG's data is broken")
    assert_problem(asked.result(), 400, "the JPEG's data is broken")
    # The link goes on.
    asked = Background(post, dispatcher)
    worker.answer(worker.take())
    assert asked.result().status_code == 200


@pytest.mark.parametrize("value", ["", "0", "-5", "abc", "1.5", "10ms", "1e3", " "])
def test_a_bad_timeout_header_is_refused_by_name(dispatcher, value):
    client = RawClient(dispatcher.http)
    client.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nX-Request-Timeout-Ms: %s\r\n"
                b"Content-Length: %d\r\n\r\n" % (value.encode(), len(JPEG)) + JPEG)
    status, _, body = client.response()
    client.close()
    assert status == 400
    detail = json.loads(body)["detail"]
    assert "X-Request-Timeout-Ms" in detail and f'"{value.strip()}"' in detail and "from 1 to 30000" in detail


def test_the_timeout_header_shortens_the_deadline_and_never_lengthens_it(dispatcher, link):
    worker = link()
    for given, low, high in [("5000", 4000, 5000), ("99999999", 29_000, 30_000), ("9" * 40, 29_000, 30_000)]:
        asked = Background(post, dispatcher, **{"X-Request-Timeout-Ms": given})
        job = worker.take()
        assert low < job[0]["deadline_ms"] <= high
        worker.answer(job)
        assert asked.result().status_code == 200


def test_without_a_worker_the_deadline_ends_in_503_and_with_busy_ones_in_504(dispatcher, link):
    short = {"X-Request-Timeout-Ms": "150"}
    assert_problem(post(dispatcher, **short), 503, "no worker came within the deadline")
    worker = link()
    first = Background(post, dispatcher)
    job = worker.take()
    assert_problem(post(dispatcher, **short), 504, "while the request waited")
    worker.answer(job)
    assert first.result().status_code == 200
    computed = Background(post, dispatcher, **short)
    job = worker.take()
    assert_problem(computed.result(), 504, "while a worker computed")
    metrics = dispatcher.metrics()
    assert metrics.get("dispatcher_dropped_total", reason="no_worker") == 1
    assert metrics.get("dispatcher_dropped_total", reason="deadline") == 2
    assert metrics.get("dispatcher_in_flight") == 1
    # Its answer comes too late, and is counted.
    worker.answer(job)
    dispatcher.wait_for_metric("dispatcher_completions_total", 2)


def test_queue_size_is_how_many_still_wait(dispatcher, link):
    waiting = [Background(post, dispatcher) for _ in range(3)]
    dispatcher.wait_for_metric("dispatcher_queue_size", 3)
    worker = link()
    sizes = []
    for _ in waiting:
        worker.answer(worker.take())
    for asked in waiting:
        sizes.append(asked.result().json()["queue_size"])
    assert sorted(sizes) == [0, 1, 2]


def test_requests_are_served_in_the_order_they_came(dispatcher, link):
    asked = []
    for i in range(5):
        asked.append(Background(post, dispatcher, picture(size=(64, 48 + i))))
        dispatcher.wait_for_metric("dispatcher_queue_size", i + 1)
    worker = link()
    for i in range(5):
        job = worker.take()
        assert job[1] == picture(size=(64, 48 + i))
        worker.answer(job, label=f"picture {i}")
    for i in range(5):
        assert asked[i].result().json()["top"][0]["label"] == f"picture {i}"


def test_a_client_that_goes_away_leaves_the_queue_at_once(dispatcher, link):
    gone = RawClient(dispatcher.http)
    gone.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(JPEG) + JPEG)
    dispatcher.wait_for_metric("dispatcher_queue_size", 1)
    gone.reset()
    dispatcher.wait_for_metric("dispatcher_queue_size", 0)
    assert dispatcher.metrics().get("dispatcher_dropped_total", reason="client_gone") == 1
    worker = link(WorkingWorker)
    assert post(dispatcher).status_code == 200
    assert len(worker.jobs) == 1


def test_a_worker_hears_when_its_client_goes_away(dispatcher, link):
    worker = link()
    gone = RawClient(dispatcher.http)
    gone.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(JPEG) + JPEG)
    job = worker.take()
    gone.reset()
    from tests.process.fake_worker import decode_frame
    header, _ = decode_frame(worker.receive())
    assert header == {"type": "cancel", "id": job[0]["id"]}
    worker.answer(job)
    dispatcher.wait_for_metric("dispatcher_completions_total", 1)
    dispatcher.wait_for_metric("dispatcher_in_flight", 0)


def test_a_full_queue_answers_429_and_when_to_come_back(start_dispatcher):
    dispatcher = start_dispatcher("--queue-capacity", "2", "--drain-timeout", "100ms")
    waiting = [Background(post, dispatcher) for _ in range(2)]
    dispatcher.wait_for_metric("dispatcher_queue_size", 2)
    refused = post(dispatcher)
    assert_problem(refused, 429, "the queue is full", "2 requests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    metrics = dispatcher.metrics()
    assert metrics.get("dispatcher_queue_capacity") == 2
    assert metrics.get("dispatcher_arrivals_total") == 3
    assert metrics.get("dispatcher_dropped_total", reason="full") == 1
    with_worker = WorkingWorker(dispatcher)
    assert [asked.result().status_code for asked in waiting] == [200, 200]
    assert post(dispatcher).status_code == 200
    with_worker.close()


def test_a_queue_full_of_bytes_answers_429(start_dispatcher):
    dispatcher = start_dispatcher("--queue-max-bytes", str(len(JPEG) + 10), "--drain-timeout", "100ms")
    waiting = Background(post, dispatcher)
    dispatcher.wait_for_metric("dispatcher_queue_size", 1)
    assert_problem(post(dispatcher), 429, f"{len(JPEG) + 10} bytes")
    big = picture(size=(600, 600), quality=100)
    assert_problem(post(dispatcher, big), 413, "larger than the whole queue")
    worker = WorkingWorker(dispatcher)
    assert waiting.result().status_code == 200
    worker.close()
