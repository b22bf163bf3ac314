"""What a browser asks before it lets a page of another origin use the dispatcher, as it sends it."""
import subprocess

import pytest
import requests

from tests.process.background import Background
from tests.process.fake_worker import WorkingWorker
from tests.process.picture_files import picture
from tests.process.programs import BIN

JPEG = picture()
PAGE = "https://app.example.com"
OTHER = "https://evil.example"
CREDENTIALS = "Access-Control-Allow-Credentials"


def preflight(dispatcher, origin, path="/predict", method="POST", headers="content-type"):
    return requests.options(dispatcher.url + path, timeout=10, headers={
        "Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers})


def post(dispatcher, origin=PAGE, **headers):
    return requests.post(dispatcher.url + "/predict", data=JPEG, timeout=20,
                         headers={"Content-Type": "image/jpeg", "Origin": origin, **headers})


def words(value):
    return {word.strip().lower() for word in value.split(",")}


def test_by_default_no_page_of_another_origin_is_let_in(dispatcher, link):
    link(WorkingWorker)
    refused = preflight(dispatcher, PAGE)
    assert refused.status_code == 405
    for answer in (refused, post(dispatcher)):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert "Vary" not in answer.headers and answer.status_code == 200


@pytest.mark.parametrize("path,method", [("/predict", "POST"), ("/add_to_queue", "PUT"), ("/v2/models/resnet18/infer", "POST"),
                                         ("/v2/models/resnet18/versions/1/infer", "POST"), ("/v2/models/resnet18", "GET")])
def test_a_listed_origin_is_let_in(start_dispatcher, path, method):
    dispatcher = start_dispatcher("--cors-allowed-origin", "http://localhost:3000", "--cors-allowed-origin", PAGE)
    answer = preflight(dispatcher, PAGE, path, method)
    assert answer.status_code == 204 and answer.content == b""
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert answer.headers[CREDENTIALS] == "true"
    assert answer.headers["Vary"] == "Origin"
    assert method.lower() in words(answer.headers["Access-Control-Allow-Methods"])
    assert {"content-type", "content-encoding", "x-request-timeout-ms", "inference-header-content-length"} <= words(
        answer.headers["Access-Control-Allow-Headers"])
    assert 0 < int(answer.headers["Access-Control-Max-Age"]) <= 7200
    stranger = preflight(dispatcher, OTHER, path, method)
    assert not [name for name in stranger.headers if name.lower().startswith("access-control")]
    assert stranger.headers["Vary"] == "Origin"


def test_every_answer_can_be_read_by_the_page_also_an_error(start_dispatcher):
    dispatcher = start_dispatcher("--cors-allowed-origin", PAGE, "--queue-capacity", "1", "--drain-timeout", "100ms")
    waiting = Background(post, dispatcher)
    dispatcher.wait_for_metric("dispatcher_queue_size", 1)
    full = post(dispatcher)
    assert full.status_code == 429 and full.headers["Retry-After"]
    url, origin = dispatcher.url, {"Origin": PAGE}
    answers = [full,
               requests.get(url + "/nowhere", headers=origin, timeout=10),
               requests.delete(url + "/predict", headers=origin, timeout=10),
               requests.post(url + "/predict", headers=origin, data=b"x" * (11 << 20), timeout=20),
               requests.post(url + "/predict", headers={**origin, "Content-Type": "text/plain"}, data=b"x", timeout=20),
               requests.get(url + "/v2/health/ready", headers=origin, timeout=10)]
    worker = WorkingWorker(dispatcher)
    answers.append(waiting.result())
    worker.close()
    assert [answer.status_code for answer in answers] == [429, 404, 405, 413, 415, 503, 200]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert answer.headers["Vary"] == "Origin"
        assert {"retry-after", "inference-header-content-length"} <= words(answer.headers["Access-Control-Expose-Headers"])
    nobody = requests.get(url + "/healthz", timeout=10)
    assert "Access-Control-Allow-Origin" not in nobody.headers and nobody.headers["Vary"] == "Origin"


def test_with_a_star_every_page_reads_and_none_sends_credentials(start_dispatcher):
    dispatcher = start_dispatcher("--cors-allowed-origin", "*")
    for answer in (preflight(dispatcher, OTHER), requests.get(dispatcher.url + "/healthz", headers={"Origin": "null"}, timeout=10),
                   requests.get(dispatcher.url + "/healthz", headers={"Origin": PAGE, "X": "x" * 20_000}, timeout=10)):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert CREDENTIALS not in answer.headers


@pytest.mark.parametrize("origins,words", [
    (["https://app.example.com/"], ["https://app.example.com/", "allowed"]),
    (["https://*.example.com"], ["https://*.example.com", "allowed"]),
    (["app.example.com"], ["app.example.com", "https://"]),
    (["null"], ["null"]),
    (["*", PAGE], ["stand alone"]),
])
def test_an_origin_that_no_browser_sends_is_refused_at_the_start(origins, words):
    flags = [part for origin in origins for part in ("--cors-allowed-origin", origin)]
    done = subprocess.run([str(BIN / "inference-dispatcher"), *flags], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    for word in ["--cors-allowed-origin", *words]:
        assert word in done.stderr + done.stdout
