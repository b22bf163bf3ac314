"""The figures that scaling rests on, after a known sequence."""
import time

import requests

from tests.process.background import Background
from tests.process.picture_files import picture
from tests.process.raw_client import RawClient

JPEG = picture()


def post(dispatcher, data=JPEG, path="/predict", **headers):
    return requests.post(dispatcher.url + path, data=data, headers={"Content-Type": "image/jpeg", **headers}, timeout=30)


def test_every_series_stands_there_before_anything_happens(dispatcher):
    metrics = dispatcher.metrics()
    for name in ("queue_size", "queue_bytes", "in_flight", "oldest_age_seconds", "arrivals_total", "completions_total",
                 "service_seconds_total", "service_seconds_squared_total", "requeued_total"):
        assert metrics.get("dispatcher_" + name) == 0, name
    assert metrics.get("dispatcher_queue_capacity") == 1000
    for state in ("idle", "busy"):
        assert metrics.get("dispatcher_workers", state=state) == 0
    for output in ("scores", "probabilities", "log_probabilities"):
        assert metrics.get("dispatcher_workers_by_output", output=output) == 0
    for reason in ("full", "draining", "too_large", "deadline", "no_worker", "client_gone", "worker_died"):
        assert metrics.get("dispatcher_dropped_total", reason=reason) == 0
    assert 0 < metrics.get("dispatcher_memory_usage_percent") < 100
    assert metrics.get("dispatcher_cpu_usage_percent") >= 0


def test_a_known_sequence_gives_exactly_these_figures(dispatcher, link):
    worker = link()
    sent = time.monotonic()
    first = Background(post, dispatcher)
    second = Background(post, dispatcher, path="/add_to_queue")
    dispatcher.wait_for_metric("dispatcher_queue_size", 2)
    time.sleep(0.2)
    waited = dispatcher.metrics()
    assert 0.2 <= waited.get("dispatcher_oldest_age_seconds") <= time.monotonic() - sent
    assert waited.get("dispatcher_queue_bytes") == 2 * len(JPEG)
    assert waited.get("dispatcher_workers", state="idle") == 1

    # A service time begins after the worker asked and before it got the job; it ends after it answered.
    at_least, at_most = [], []
    for i in range(2):
        asked = time.monotonic()
        job = worker.take()
        begin = time.monotonic()
        busy = dispatcher.metrics()
        assert busy.get("dispatcher_in_flight") == 1
        assert busy.get("dispatcher_workers", state="busy") == 1
        assert busy.get("dispatcher_workers", state="idle") == 0
        time.sleep(0.15)
        at_least.append(time.monotonic() - begin)
        worker.answer(job)
        dispatcher.wait_for_metric("dispatcher_completions_total", i + 1)
        at_most.append(time.monotonic() - asked)
    assert first.result().status_code == second.result().status_code == 200
    assert post(dispatcher, b"hello").status_code == 400
    assert post(dispatcher, **{"X-Request-Timeout-Ms": "50"}).status_code == 504
    gone = RawClient(dispatcher.http)
    gone.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(JPEG) + JPEG)
    dispatcher.wait_for_metric("dispatcher_queue_size", 1)
    gone.reset()
    dispatcher.wait_for_metric("dispatcher_queue_size", 0)
    requests.request("BREW", dispatcher.url + "/coffee", timeout=10)

    metrics = dispatcher.metrics()
    assert metrics.get("dispatcher_arrivals_total") == 4
    assert metrics.get("dispatcher_completions_total") == 2
    assert sum(at_least) <= metrics.get("dispatcher_service_seconds_total") <= sum(at_most)
    squares = metrics.get("dispatcher_service_seconds_squared_total")
    assert sum(s * s for s in at_least) <= squares <= sum(s * s for s in at_most)
    assert metrics.get("dispatcher_oldest_age_seconds") == 0
    assert metrics.get("dispatcher_dropped_total", reason="deadline") == 1
    assert metrics.get("dispatcher_dropped_total", reason="client_gone") == 1

    def answers(endpoint, status, method="POST"):
        return metrics.get("dispatcher_requests_total", method=method, endpoint=endpoint, status=status)
    assert answers("/predict", 200) == 1
    assert answers("/add_to_queue", 200) == 1
    assert answers("/predict", 400) == 1
    assert answers("/predict", 504) == 1
    assert answers("/predict", 499) == 1
    assert answers("other", 404, method="other") == 1
    assert metrics.sum("dispatcher_requests_total") == 6
    assert metrics.get("dispatcher_response_time_seconds_count", endpoint="/predict") == 4
    assert metrics.get("dispatcher_response_time_seconds_count", endpoint="/add_to_queue") == 1
    assert metrics.get("dispatcher_response_time_seconds_sum", endpoint="/add_to_queue") > 0.3


def test_reading_the_metrics_is_not_counted_on_the_metrics_port(dispatcher):
    for _ in range(3):
        metrics = dispatcher.metrics()
    assert metrics.sum("dispatcher_requests_total") == 0


def test_unknown_paths_and_models_make_no_new_series(dispatcher):
    for i in range(20):
        requests.get(f"{dispatcher.url}/nothing/{i}", timeout=10)
        requests.get(f"{dispatcher.url}/v2/models/model{i}", timeout=10)
    metrics = dispatcher.metrics()
    assert metrics.get("dispatcher_requests_total", method="GET", endpoint="other", status=404) == 20
    assert metrics.get("dispatcher_requests_total", method="GET", endpoint="/v2/models/{model}", status=404) == 20
    assert sum(name == "dispatcher_requests_total" for name, _ in metrics.samples) == 2
