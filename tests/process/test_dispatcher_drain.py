"""SIGTERM: nothing new, nothing lost, exit 0."""
import threading
import time

import requests

from bench.waiting import wait_until
from tests.process.background import Background
from tests.process.fake_worker import FakeWorker, WorkingWorker
from tests.process.picture_files import picture
from tests.process.raw_client import RawClient

JPEG = picture()
# Answers after which every client has been through all that it does, some times.
MANY = 100
# That the end did not wait for what it should not wait for: a minute, or the 30 s of a drain. A loaded machine takes seconds.
AT_ONCE_SECONDS = 20


def post(dispatcher, **headers):
    return requests.post(dispatcher.url + "/predict", data=JPEG, headers={"Content-Type": "image/jpeg", **headers}, timeout=30)


def test_an_idle_dispatcher_stops_at_once_with_0(start_dispatcher):
    dispatcher = start_dispatcher()
    begin = time.monotonic()
    assert dispatcher.stop() == 0
    assert time.monotonic() - begin < AT_ONCE_SECONDS
    assert dispatcher.log("drained")[0]["finished"] is True


def raw_post(client):
    client.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(JPEG) + JPEG)
    return client.response()


def test_for_its_shutdown_delay_it_serves_on_and_moves_whoever_keeps_a_connection(start_dispatcher):
    dispatcher = start_dispatcher("--shutdown-delay", "2s")
    worker = WorkingWorker(dispatcher)
    kept, silent = RawClient(dispatcher.http), RawClient(dispatcher.http)
    for client in (kept, silent):
        status, headers, _ = raw_post(client)
        assert (status, headers.get("connection")) == (200, "keep-alive")
    dispatcher.signal()
    wait_until(lambda: dispatcher.log("leaving"))
    begin = time.monotonic()
    assert requests.get(dispatcher.url + "/readyz", timeout=10).status_code == 503
    assert requests.get(dispatcher.url + "/v2/health/ready", timeout=10).status_code == 503
    # The one that asks again is answered, and told to come back elsewhere.
    status, headers, _ = raw_post(kept)
    assert (status, headers.get("connection")) == (200, "close")
    assert kept.closed()
    # So is one that had not heard yet.
    late = post(dispatcher)
    assert late.status_code == 200 and late.headers["Connection"] == "close"
    assert not dispatcher.log("draining")
    # The one that stayed silent is not refused later but closed, which a client repairs by itself.
    assert silent.closed()
    assert time.monotonic() - begin > 1.5, "it was served on for the delay"
    assert dispatcher.wait() == 0
    assert dispatcher.log("drained")[0]["finished"] is True
    worker.close()


def test_clients_that_keep_connections_lose_nothing_when_a_successor_takes_over(start_dispatcher):
    leaving, successor = start_dispatcher("--shutdown-delay", "2s"), start_dispatcher()
    workers = [WorkingWorker(each, seconds=0.005) for each in (leaving, successor)]
    endpoints, statuses, stop = [leaving], [], threading.Event()

    def client():
        """A pool of kept connections to whatever the Service's endpoints are, as any HTTP client has."""
        with requests.Session() as session:
            while not stop.is_set():
                statuses.append(session.post(endpoints[0].url + "/predict", data=JPEG, headers={"Content-Type": "image/jpeg"},
                                             timeout=10).status_code)
                time.sleep(0.01)
    clients = [Background(client) for _ in range(8)]
    wait_until(lambda: len(statuses) >= MANY, 60, "many answers")
    leaving.signal()
    time.sleep(1)  # until the endpoints have changed everywhere
    endpoints[0] = successor
    assert leaving.wait() == 0
    moved = len(statuses)
    wait_until(lambda: len(statuses) >= moved + MANY, 60, "many answers of the successor")
    stop.set()
    for one in clients:
        one.result()
    assert set(statuses) == {200}
    assert sum(len(worker.jobs) for worker in workers) == len(statuses), "each request was computed once"
    assert leaving.log("drained")[0]["finished"] is True
    for worker in workers:
        worker.close()


def test_a_second_signal_ends_the_shutdown_delay_and_all_else(start_dispatcher):
    dispatcher = start_dispatcher("--shutdown-delay", "60s", "--drain-timeout", "60s")
    client = RawClient(dispatcher.http)
    client.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(JPEG) + JPEG)
    dispatcher.wait_for_metric("dispatcher_queue_size", 1)
    dispatcher.signal()
    wait_until(lambda: dispatcher.log("leaving"))
    begin = time.monotonic()
    assert dispatcher.stop() == 0
    assert time.monotonic() - begin < AT_ONCE_SECONDS
    client.close()


def test_draining_refuses_what_is_new_and_finishes_what_waits(start_dispatcher):
    dispatcher = start_dispatcher()
    asked = [Background(post, dispatcher) for _ in range(5)]
    dispatcher.wait_for_metric("dispatcher_queue_size", 5)
    worker = FakeWorker(dispatcher)
    job = worker.take()
    dispatcher.signal()
    wait_until(lambda: dispatcher.log("draining"))
    ready = requests.get(dispatcher.url + "/readyz", timeout=10)
    assert ready.status_code == 503 and "draining" in ready.json()["detail"]
    assert requests.get(dispatcher.url + "/healthz", timeout=10).status_code == 200
    assert requests.get(dispatcher.url + "/v2/health/ready", timeout=10).status_code == 503
    refused = post(dispatcher)
    assert refused.status_code == 503
    assert "draining" in refused.json()["detail"]
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["Connection"] == "close"
    assert dispatcher.metrics().get("dispatcher_dropped_total", reason="draining") == 1
    # Workers' links stay, also new ones: the queue is still to be finished.
    worker.answer(job)
    other = WorkingWorker(dispatcher)
    assert [one.result().status_code for one in asked] == [200] * 5
    assert dispatcher.wait() == 0
    worker.close()
    other.close()
    assert dispatcher.log("drained")[0] | {"finished": True, "open": 0} == dispatcher.log("drained")[0]


def test_a_drain_under_load_loses_no_request_that_was_taken(start_dispatcher):
    dispatcher = start_dispatcher()
    workers = [WorkingWorker(dispatcher, name=f"w{i}", seconds=0.005) for i in range(3)]
    outcomes = []

    def client():
        while True:
            try:
                response = post(dispatcher)
            except requests.exceptions.ConnectionError as error:
                # A reset too is a refusal: the connection was still in the kernel's hands when the port closed.
                refused = "Connection refused" in str(error) or "Connection reset" in str(error)
                outcomes.append("refused" if refused else f"lost: {error}")
                return
            outcomes.append(response.status_code)
            if response.status_code == 503:
                return
    clients = [Background(client) for _ in range(8)]
    wait_until(lambda: outcomes.count(200) >= MANY, 60, "many answers")
    dispatcher.signal()
    assert dispatcher.wait() == 0
    for one in clients:
        one.result()
    assert set(outcomes) <= {200, 503, "refused"}, outcomes
    assert outcomes.count(200) == sum(len(worker.jobs) for worker in workers), "what a worker got was answered"
    for worker in workers:
        worker.close()


def test_a_drain_that_takes_too_long_ends_anyway(start_dispatcher):
    dispatcher = start_dispatcher("--drain-timeout", "300ms")
    client = RawClient(dispatcher.http)
    client.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(JPEG) + JPEG)
    dispatcher.wait_for_metric("dispatcher_queue_size", 1)
    begin = time.monotonic()
    assert dispatcher.stop() == 0
    assert time.monotonic() - begin < AT_ONCE_SECONDS
    assert dispatcher.log("drained")[0]["finished"] is False
    client.close()


def test_who_is_left_when_the_drain_ends_hears_so(start_dispatcher):
    dispatcher = start_dispatcher("--drain-timeout", "300ms")
    asked = [Background(post, dispatcher) for _ in range(3)]
    dispatcher.wait_for_metric("dispatcher_queue_size", 3)
    worker = FakeWorker(dispatcher)
    worker.take()  # and never answers
    assert dispatcher.stop() == 0
    for response in (one.result() for one in asked):
        assert response.status_code == 503
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.headers["Retry-After"] == "1"
        assert response.headers["Connection"] == "close"
        assert "left before" in response.json()["detail"]
    assert dispatcher.log("drained")[0]["open"] == 3
    worker.close()


def test_a_second_signal_ends_the_drain_at_once(start_dispatcher):
    dispatcher = start_dispatcher("--drain-timeout", "60s")
    client = RawClient(dispatcher.http)
    client.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(JPEG) + JPEG)
    dispatcher.wait_for_metric("dispatcher_queue_size", 1)
    dispatcher.signal()
    wait_until(lambda: dispatcher.log("draining"))
    begin = time.monotonic()
    assert dispatcher.stop() == 0
    assert time.monotonic() - begin < AT_ONCE_SECONDS
    client.close()
