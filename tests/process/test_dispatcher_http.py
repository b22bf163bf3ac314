"""The dispatcher's other routes, and clients that are slow, greedy or broken."""
import json

import pytest
import requests

from tests.process.fake_worker import WorkingWorker
from tests.process.picture_files import picture
from tests.process.raw_client import RawClient

JPEG = picture()


def test_the_small_routes_say_what_one_expects(dispatcher):
    about = requests.get(dispatcher.url + "/", timeout=10)
    assert about.status_code == 200 and about.json()["model"] == "resnet18"
    assert "POST /predict" in about.json()["routes"]
    assert requests.get(dispatcher.url + "/healthz", timeout=10).text == "ok\n"
    assert requests.get(dispatcher.url + "/readyz", timeout=10).text == "ready\n"
    head = requests.head(dispatcher.url + "/healthz", timeout=10)
    assert head.status_code == 200 and head.text == ""
    for url in (dispatcher.url + "/metrics", dispatcher.metrics_url):
        metrics = requests.get(url, timeout=10)
        assert metrics.status_code == 200
        assert metrics.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert "dispatcher_queue_size 0" in metrics.text
    for path in ("/healthz", "/readyz"):
        assert requests.get(dispatcher.metrics_url.replace("/metrics", path), timeout=10).status_code == 200


@pytest.mark.parametrize("path", ["/nothing", "/predict/", "/v2/models", "/v2/models/resnet18/infer/more", "//", "/%00"])
def test_unknown_routes_are_404(dispatcher, path):
    response = requests.get(dispatcher.url + path, timeout=10)
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == 404


@pytest.mark.parametrize("method,path,allow", [
    ("GET", "/predict", {"POST", "PUT"}), ("DELETE", "/add_to_queue", {"POST", "PUT"}), ("POST", "/", {"GET", "HEAD"}),
    ("PUT", "/v2/models/resnet18/infer", {"POST"}), ("POST", "/metrics", {"GET", "HEAD"}),
])
def test_wrong_methods_are_405_with_the_allowed_ones(dispatcher, method, path, allow):
    response = requests.request(method, dispatcher.url + path, timeout=10)
    assert response.status_code == 405
    assert {word.strip() for word in response.headers["Allow"].split(",")} == allow
    assert response.json()["status"] == 405


def test_the_main_port_does_not_take_workers_and_the_link_port_no_pictures(dispatcher):
    assert requests.get(dispatcher.url + "/link", timeout=10).status_code == 404
    link = f"http://127.0.0.1:{dispatcher.link}"
    assert requests.post(link + "/predict", data=JPEG, timeout=10).status_code == 404


def test_too_large_a_body_is_413_before_it_is_sent(dispatcher):
    client = RawClient(dispatcher.http)
    client.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: 99999999999\r\n\r\n")
    status, headers, body = client.response()
    assert status == 413
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["status"] == 413
    client.close()


def test_too_large_a_chunked_body_is_413(dispatcher):
    client = RawClient(dispatcher.http)
    client.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    try:
        for _ in range(12):
            client.send(chunk)
    except OSError:
        pass  # it may have hung up already
    status, _, _ = client.response()
    assert status == 413
    client.close()


def test_too_large_headers_are_431(dispatcher):
    client = RawClient(dispatcher.http)
    client.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n")
    status, headers, _ = client.response()
    assert status == 431
    assert headers["content-type"] == "application/problem+json"
    client.close()


@pytest.mark.parametrize("data", [
    b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nHost x\r\n\r\n", b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
])
def test_what_is_not_http_is_refused_and_the_connection_closed(dispatcher, data):
    client = RawClient(dispatcher.http)
    client.send(data)
    status, _, _ = client.response()
    assert status in (400, 505)
    assert client.closed()
    client.close()
    assert requests.get(dispatcher.url + "/healthz", timeout=10).status_code == 200


def test_a_client_too_slow_with_its_headers_or_body_gets_408(start_dispatcher):
    dispatcher = start_dispatcher("--header-timeout", "300ms", "--body-timeout", "300ms")
    slow_head = RawClient(dispatcher.http)
    slow_head.send(b"POST /predict HTTP/1.1\r\nHost: x\r\n")
    slow_body = RawClient(dispatcher.http)
    slow_body.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: 1000\r\n\r\nabc")
    for client in (slow_head, slow_body):
        status, headers, _ = client.response()
        assert status == 408
        assert headers["content-type"] == "application/problem+json"
        assert client.closed()
        client.close()


def test_one_connection_serves_many_requests_also_pipelined(dispatcher, link):
    worker = link(WorkingWorker)
    client = RawClient(dispatcher.http)
    request = (b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(JPEG)) + JPEG
    bad = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: 5\r\n\r\nhello"
    client.send(request + bad + request + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + request)
    assert [client.response()[0] for _ in range(5)] == [200, 400, 200, 200, 200]
    client.close()
    assert len(worker.jobs) == 3


def test_expect_100_continue_is_answered(dispatcher, link):
    link(WorkingWorker)
    client = RawClient(dispatcher.http)
    client.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nExpect: 100-continue\r\n"
                b"Content-Length: %d\r\n\r\n" % len(JPEG))
    assert client.response()[0] == 100
    client.send(JPEG)
    assert client.response()[0] == 200
    client.close()


def test_more_clients_may_wait_than_a_shell_allows_descriptors(start_dispatcher):
    import resource
    few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))  # noqa: E731
    dispatcher = start_dispatcher("--drain-timeout", "0s", "--queue-capacity", "400", in_child=few)
    request = (b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(JPEG)) + JPEG
    waiting = []
    for _ in range(400):
        waiting.append(RawClient(dispatcher.http))
        waiting[-1].send(request)
    dispatcher.wait_for_metric("dispatcher_queue_size", 400)
    refused = RawClient(dispatcher.http)
    refused.send(request)
    assert refused.response()[0] == 429
    for client in [*waiting, refused]:
        client.close()
    dispatcher.wait_for_metric("dispatcher_queue_size", 0)


def test_a_wrong_flag_is_named_and_ends_with_2(start_dispatcher):
    import subprocess

    from tests.process.programs import BIN
    for flags, words in [(["--queue-capacity", "0"], ["--queue-capacity", "0", "1000000"]),
                         (["--request-timeout", "soon"], ["--request-timeout", "soon"]),
                         (["--drain-timeout", "99h"], ["--drain-timeout", "99h", "24h"]),
                         (["--log-level", "loud"], ["--log-level", "loud", "debug"]),
                         (["--token-file", "/nowhere"], ["--token-file", "/nowhere"]),
                         (["--colour"], ["--colour"])]:
        ran = subprocess.run([BIN / "inference-dispatcher", *flags], capture_output=True, text=True, timeout=20)
        assert ran.returncode == 2
        for word in words:
            assert word in ran.stderr, ran.stderr
    help = subprocess.run([BIN / "inference-dispatcher", "--help"], capture_output=True, text=True, timeout=20)
    assert help.returncode == 0 and "--queue-capacity" in help.stdout


def test_a_taken_port_is_an_error_that_names_it(start_dispatcher):
    import subprocess

    from tests.process.programs import BIN
    dispatcher = start_dispatcher()
    ran = subprocess.run([BIN / "inference-dispatcher", "--address", "127.0.0.1", "--port", str(dispatcher.http),
                          "--metrics-port", "0", "--link-port", "0", "--grpc-port", "0"], capture_output=True, text=True, timeout=20)
    assert ran.returncode == 1
    error = [json.loads(line) for line in ran.stderr.splitlines()][-1]
    assert error["event"] == "cannot_listen" and str(dispatcher.http) in error["error"]
