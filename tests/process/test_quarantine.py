"""A request cannot kill twice: what is lost under a picture is tried once more, alone, and then its bytes are refused."""
import hashlib
import signal
import time

import pytest
import requests

from bench.waiting import wait_until
from tests.process import worker
from tests.process.background import Background
from tests.process.fake_worker import WorkingWorker
from tests.process.local import LocalOperator, manifest, predict
from tests.process.picture_files import picture
from tests.process.websocket import WebSocketClosed

DEADLY = picture(size=(77, 33))
DIGEST = hashlib.sha256(DEADLY).hexdigest()


def post(dispatcher, data, **headers):
    return requests.post(dispatcher.url + "/predict", data=data, headers={"Content-Type": "image/jpeg", **headers}, timeout=60)


class Mortal(WorkingWorker):
    """Serves, and dies without a word when a job holds the deadly picture, or after `seconds` with it."""

    def _serve(self):
        try:
            self.ready()
            while True:
                job = self.next_job(timeout=60)
                if DEADLY in job[1]:
                    self.killed = True
                    time.sleep(self.seconds)
                    return self.die()
                self.answer(job, label=self.name)
                self.ready()
        except (OSError, WebSocketClosed):
            pass

    killed = False

    def close(self):
        if self.killed:
            self.thread.join(10)
        else:
            super().close()


def refused(answer):
    assert answer.status_code == 422, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    detail = answer.json()["detail"]
    assert "two workers ended" in detail and DIGEST in detail and f"{len(DEADLY)} bytes" in detail
    return True


def quarantined(dispatcher):
    line, = dispatcher.log("picture_quarantined")
    assert (line["sha256"], line["bytes"]) == (DIGEST, len(DEADLY))
    metrics = dispatcher.metrics()
    assert metrics.get("dispatcher_quarantined_total") == metrics.get("dispatcher_quarantine_size") == 1
    return True


def test_a_picture_takes_two_workers_and_then_none(dispatcher, link):
    workers = [link(Mortal, name=f"w{i}") for i in range(4)]
    first = post(dispatcher, DEADLY)
    assert refused(first)
    assert sum(one.killed for one in workers) == 2
    begin = time.monotonic()
    assert refused(post(dispatcher, DEADLY))
    assert time.monotonic() - begin < 5
    assert quarantined(dispatcher)
    assert [post(dispatcher, picture(size=(9 + i, 9))).status_code for i in range(5)] == [200] * 5
    metrics = dispatcher.metrics()
    assert metrics.get("dispatcher_worker_deaths_total", reason="crash") == 2
    assert metrics.get("dispatcher_dropped_total", reason="quarantined") == 2
    assert metrics.get("dispatcher_requests_total", method="POST", endpoint="/predict", status=422) == 2
    assert [line["pictures"] for line in dispatcher.log("worker_lost")] == [
        [{"bytes": len(DEADLY), "sha256": DIGEST, "request_id": first.headers["X-Request-Id"]}]] * 2


@pytest.mark.parametrize("seconds", [0, 0.3])
def test_many_copies_at_once_take_two_workers_as_well(dispatcher, link, seconds):
    workers = [link(Mortal, name=f"w{i}", seconds=seconds) for i in range(6)]
    dispatcher.wait_for_metric("dispatcher_workers", 6, state="idle")
    copies = [Background(post, dispatcher, DEADLY) for _ in range(20)]
    others = [Background(post, dispatcher, picture(size=(9 + i, 9))) for i in range(10)]
    assert all(refused(copy.result()) for copy in copies)
    assert [other.result().status_code for other in others] == [200] * 10
    assert sum(one.killed for one in workers) == 2
    assert quarantined(dispatcher)


def test_of_a_batch_only_the_guilty_one_is_refused(start_dispatcher):
    dispatcher = start_dispatcher("--batch-max-size", "4", "--batch-max-delay", "2s")
    asked = []
    for i, data in enumerate([picture(size=(9, 9)), DEADLY, picture(size=(10, 9)), picture(size=(11, 9))]):
        asked.append(Background(post, dispatcher, data))
        dispatcher.wait_for_metric("dispatcher_queue_size", i + 1)
    workers = [Mortal(dispatcher, name=f"w{i}") for i in range(4)]
    answers = [one.result() for one in asked]
    assert [answer.status_code for answer in answers] == [200, 422, 200, 200]
    assert sum(one.killed for one in workers) == 2
    sizes = sorted(len(job[0]["items"]) for one in workers for job in one.jobs)
    assert sizes == [1, 1, 1, 1, 4]
    assert quarantined(dispatcher)
    for one in workers:
        one.close()


def test_when_all_workers_die_at_once_every_request_is_answered_by_their_successors(dispatcher, link):
    workers = [link(name=f"old{i}") for i in range(6)]
    asked = [Background(post, dispatcher, picture(size=(9 + i, 9))) for i in range(6)]
    for one in workers:
        one.take()
    for one in workers:
        one.die()
    for i in range(2):
        link(WorkingWorker, name=f"new{i}")
    assert [one.result().status_code for one in asked] == [200] * 6
    metrics = dispatcher.metrics()
    assert metrics.get("dispatcher_quarantined_total") == 0
    assert metrics.get("dispatcher_requeued_total") == 6


def test_two_losses_that_take_others_with_them_are_nobody_s_fault(dispatcher, link):
    asked = Background(post, dispatcher, DEADLY)
    for name in ("one", "two"):
        idle, busy = link(name="idle " + name), link(name=name)
        dispatcher.wait_for_metric("dispatcher_workers", 2, state="idle")
        busy.take()
        busy.die()
        idle.die()
        wait_until(lambda: sum(dispatcher.metrics().sum("dispatcher_workers", state=state) for state in ("idle", "busy")) == 0)
    answer = asked.result()
    assert answer.status_code == 502 and answer.headers["Retry-After"] == "1"
    link(WorkingWorker)
    assert post(dispatcher, DEADLY).status_code == 200


def test_a_worker_that_cannot_compute_it_but_lives_is_no_loss(dispatcher, link):
    one = link()
    for _ in range(3):
        asked = Background(post, dispatcher, DEADLY)
        one.fail(one.take(), 500, "the scores are not finite")
        assert asked.result().status_code == 500
    asked = Background(post, dispatcher, DEADLY)
    one.answer(one.take())
    assert asked.result().status_code == 200
    assert dispatcher.metrics().sum("dispatcher_worker_deaths_total") == 0


def test_a_worker_that_says_it_overruns_is_a_loss_under_this_job(dispatcher, link):
    asked = Background(post, dispatcher, DEADLY)
    for name in ("one", "two"):
        one = link(name=name)
        job = one.take()
        one.tell({"type": "overrun", "id": job[0]["id"]})
    assert refused(asked.result())
    assert dispatcher.metrics().get("dispatcher_worker_deaths_total", reason="overrun") == 2


def test_raw_tensors_are_refused_likewise(dispatcher, link):
    data = b"\1" * (3 * 224 * 224 * 4)
    header = b'{"inputs":[{"name":"image","shape":[1,3,224,224],"datatype":"FP32","parameters":{"binary_data_size":%d}}]}' % len(data)

    def infer():
        return requests.post(dispatcher.url + "/v2/models/resnet18/infer", data=header + data, timeout=30,
                             headers={"Inference-Header-Content-Length": str(len(header))})
    asked = Background(infer)
    for name in ("one", "two"):
        one = link(name=name)
        one.take()
        one.die()
    assert asked.result().status_code == 422
    link(WorkingWorker)
    assert infer().status_code == 422


# --- with the real worker ---

RANDOM = ("--model-uri", "builtin://random?classes=4")


@pytest.fixture
def start_worker(tmp_path):
    """Starts workers that may end in any way."""
    started = []

    def start(*flags, **options):
        started.append(worker.Worker(tmp_path / f"worker{len(started)}", *RANDOM, *flags, **options))
        return started[-1]
    yield start
    for one in started:
        one.kill()


@pytest.fixture(scope="module")
def slow():
    """A picture that takes a good part of a second: its scans have to be read whole, at whatever size it is decoded."""
    return picture(size=(4000, 4000), progressive=True, subsampling=0)


def test_a_worker_that_is_killed_under_a_picture_twice_is_told_as_such(start_dispatcher, start_worker, slow):
    dispatcher = start_dispatcher("--drain-timeout", "200ms")
    asked = Background(post, dispatcher, slow)
    dispatcher.wait_for_metric("dispatcher_queue_size", 1)
    for _ in range(2):
        one = start_worker(dispatchers=[dispatcher], ready=False)
        dispatcher.wait_for_metric("dispatcher_in_flight", 1)
        one.signal(signal.SIGKILL)
        one.wait()
    assert asked.result(30).status_code == 422
    start_worker(dispatchers=[dispatcher])
    assert post(dispatcher, slow).status_code == 422
    assert post(dispatcher, picture()).status_code == 200


def test_a_worker_whose_job_overruns_says_so_and_ends(start_dispatcher, start_worker, slow):
    dispatcher = start_dispatcher("--batch-max-size", "16", "--batch-max-delay", "5s")
    pictures = [slow + b"\0" * i for i in range(16)]  # bytes after the end marker are part of the file
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    asked = [Background(post, dispatcher, each, **{"X-Request-Id": f"id-{i}", "traceparent": trace}) for i, each in enumerate(pictures)]
    dispatcher.wait_for_metric("dispatcher_queue_size", 16)
    one = start_worker("--job-limit", "100ms", dispatchers=[dispatcher], ready=False)
    health = []
    while one.process.poll() is None:
        try:
            health.append(requests.get(one.url + "/healthz", timeout=5))
        except requests.RequestException:
            pass
    assert one.wait() == 70
    words = [each.json()["detail"] for each in health if each.status_code == 503]
    assert words and "allowed are 100ms: this worker ends for its restart" in words[0]
    line, = one.log("job_overrun")
    expected = sorted((hashlib.sha256(each).hexdigest(), len(each)) for each in pictures)
    assert sorted((each["sha256"], each["bytes"]) for each in line["pictures"]) == expected
    assert {each["request_id"] for each in line["pictures"]} == {f"id-{i}" for i in range(16)}
    assert {each["traceparent"] for each in line["pictures"]} == {trace}
    assert dispatcher.metrics().get("dispatcher_worker_deaths_total", reason="overrun") == 1
    # Each alone, they are innocent.
    start_worker(dispatchers=[dispatcher])
    assert [each.result(40).status_code for each in asked] == [200] * 16
    assert dispatcher.metrics().get("dispatcher_quarantined_total") == 0


def test_without_a_limit_of_its_own_a_worker_takes_one_from_its_speed(start_worker):
    one = start_worker()
    ready, = one.log("model_ready")
    assert 12_000 <= ready["job_limit_ms"] <= 45_000
    assert requests.get(one.url + "/healthz", timeout=5).status_code == 200


# --- the owner of the service hears of it ---

def test_the_operator_tells_the_owner_of_a_quarantine_once_a_minute(tmp_path):
    deadly = [picture("PNG", size=(50 + i, 20)) for i in range(2)]
    digests = ",".join(hashlib.sha256(each).hexdigest() for each in deadly)
    operator = LocalOperator(tmp_path, manifest(scaling={"maxReplicas": 1}), environment={"FAKE_DIES_OF": digests})
    try:
        url = operator.wait_ready()
        assert predict(url, deadly[0]).status_code == 422
        event = wait_until(lambda: operator.events("PictureQuarantined"), 10, "the event")
        assert "1 picture is refused" in event[0]["message"]
        assert predict(url).status_code == 200
        assert predict(url, deadly[1]).status_code == 422
        time.sleep(3)
        assert len(operator.events("PictureQuarantined")) == 1
    finally:
        operator.stop(30)
