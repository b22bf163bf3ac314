"""The worker link: who may link, who is served first, and what happens when workers die or talk nonsense."""
import pytest
import requests

from bench.waiting import wait_until
from tests.process.background import Background
from tests.process.fake_worker import FakeWorker, WorkingWorker, encode_frame
from tests.process.picture_files import picture
from tests.process.websocket import WebSocket, WebSocketClosed

JPEG = picture()
HELLO = {"type": "hello", "worker": "w", "model": "resnet18", "classes": 3, "labels_sha256": "", "slots": 1}


def post(dispatcher, data=JPEG, **headers):
    return requests.post(dispatcher.url + "/predict", data=data, headers={"Content-Type": "image/jpeg", **headers}, timeout=30)


def closes_with(socket, *words):
    with pytest.raises((WebSocketClosed, ConnectionResetError)) as closed:
        while True:
            socket.receive(timeout=15)
    for word in words:
        assert word in str(closed.value), closed.value


@pytest.mark.parametrize("headers", [[], [("Authorization", "Bearer wrong")], [("Authorization", "a-token-for-tests")]])
def test_a_worker_without_the_token_is_turned_away(dispatcher, headers):
    socket = WebSocket(dispatcher.link, "/link", headers)
    assert socket.status == 401
    socket.close()
    assert len(dispatcher.log("link_refused")) == 1


def test_a_crowd_without_the_token_does_not_fill_the_log(dispatcher):
    for _ in range(30):
        socket = WebSocket(dispatcher.link, "/link")
        assert socket.status == 401
        socket.close()
    assert len(dispatcher.log("link_refused")) < 10


def test_without_a_token_file_every_worker_is_let_in(start_dispatcher):
    dispatcher = start_dispatcher(token=None)
    worker = FakeWorker(dispatcher, token="whatever")
    dispatcher.wait_for_metric("dispatcher_workers", 1, state="idle")
    assert dispatcher.log("link_open")
    worker.close()


def test_a_worker_of_another_model_is_turned_away_with_the_reason(dispatcher, link):
    closes_with(link(model="vgg"), 'serves model "vgg"', '"resnet18"')
    assert dispatcher.metrics().get("dispatcher_workers", state="idle") == 0


def test_workers_are_counted_by_what_their_model_gives(dispatcher, link):
    link()  # of an older version: it does not tell
    for output in ("log_probabilities", "scores", "scores"):
        link(hello=False).tell({**HELLO, "output": output})
    dispatcher.wait_for_metric("dispatcher_workers", 4, state="idle")
    counted = {output: dispatcher.metrics().get("dispatcher_workers_by_output", output=output)
               for output in ("scores", "probabilities", "log_probabilities")}
    assert counted == {"scores": 2, "probabilities": 0, "log_probabilities": 1}


def test_what_workers_compute_in_is_told_and_how_well_int8_agrees(dispatcher, link):
    link()  # of an older version: it does not tell
    assert dispatcher.metrics().get("dispatcher_int8_agreement") is None
    for told in ({"precision": "int8", "agreement": 1}, {"precision": "int8", "agreement": 0.75}, {"precision": "fp32"}):
        link(hello=False).tell({**HELLO, **told})
    dispatcher.wait_for_metric("dispatcher_workers", 4, state="idle")
    metrics = dispatcher.metrics()
    counted = {precision: metrics.get("dispatcher_workers_by_precision", precision=precision)
               for precision in ("fp32", "bf16", "int8")}
    assert counted == {"fp32": 1, "bf16": 0, "int8": 2}
    assert metrics.get("dispatcher_int8_agreement") == 0.75


def test_answers_say_which_weights_gave_them_and_workers_are_counted_by_theirs(dispatcher, link):
    old, new = link(name="old", version="aaaaaaaaaaaa"), link(name="new", version="bbbbbbbbbbbb")
    dispatcher.wait_for_metric("dispatcher_workers_by_version", 1, version="bbbbbbbbbbbb")
    for worker, version in ((old, "aaaaaaaaaaaa"), (new, "bbbbbbbbbbbb"), (old, "aaaaaaaaaaaa")):
        request = Background(lambda: post(dispatcher))
        worker.answer(worker.take())
        assert request.result().json()["model_version"] == version
    new.close()
    # A version that nobody computes with is no series: rollouts would add one after another.
    dispatcher.wait_for_metric("dispatcher_workers_by_version", None, version="bbbbbbbbbbbb")
    assert dispatcher.metrics().get("dispatcher_workers_by_version", version="aaaaaaaaaaaa") == 1


def test_a_worker_that_never_says_hello_is_turned_away_after_5_seconds(dispatcher, link):
    closes_with(link(hello=False))
    rejected = wait_until(lambda: dispatcher.log("worker_rejected"))
    assert "the worker's hello took longer than 5s" in rejected[0]["reason"]


@pytest.mark.parametrize("frames,words", [
    ([b"xx"], ["no header length"]),
    ([b"\xff\xff\xff\xff"], ["header length is 4294967295"]),
    ([encode_frame({"type": "ready"})], ["the first message is no hello"]),
    ([encode_frame({**HELLO, "classes": 0})], ["hello.classes is 0"]),
    ([encode_frame({**HELLO, "output": "logits"})], ['hello.output is "logits"', "scores, probabilities, log_probabilities"]),
    ([encode_frame(HELLO), encode_frame(HELLO)], ["a second hello"]),
    ([encode_frame(HELLO), encode_frame({"type": "ready"}), encode_frame({"type": "ready"})], ["more than the 1 slots"]),
    ([encode_frame(HELLO), encode_frame({"type": "result", "id": 7, "items": [{"top": [{"label": "x", "index": 0, "probability": 1}]}],
                                         "preprocess_ms": 0, "inference_ms": 0, "probabilities": False})], ["result for job 7"]),
])
def test_a_worker_that_breaks_the_protocol_is_cut_off_with_the_reason(dispatcher, link, frames, words):
    worker = link(hello=False)
    for frame in frames:
        worker.send(frame)
    closes_with(worker, *words)
    wait_until(lambda: dispatcher.metrics().get("dispatcher_workers", state="idle") == 0)


def test_the_worker_that_asked_first_is_served_first(dispatcher, link):
    first, second = link(name="first"), link(name="second")
    first.ready()
    wait_until(lambda: len(dispatcher.log("worker_linked")) == 2)
    second.ready()
    import time
    time.sleep(0.1)  # both have asked
    for turn in range(4):
        asked = Background(post, dispatcher)
        worker = (first, second)[turn % 2]
        worker.answer(worker.next_job(), label=worker.name)
        assert asked.result().json()["top"][0]["label"] == worker.name
        worker.ready()
        time.sleep(0.1)
    assert len(first.jobs) == len(second.jobs) == 2


def test_a_request_that_finds_no_worker_is_told_how_long_it_waited_for_one(dispatcher, link):
    early = Background(post, dispatcher)
    dispatcher.wait_for_metric("dispatcher_queue_size", 1)
    worker = link()
    worker.answer(worker.take())
    timing = early.result().json()["timing"]
    assert 0 < timing["cold_start_ms"] <= timing["queue_ms"]
    later = Background(post, dispatcher)
    dispatcher.wait_for_metric("dispatcher_queue_size", 1)
    worker.answer(worker.take())
    assert "cold_start_ms" not in later.result().json()["timing"]
    assert dispatcher.metrics().get("dispatcher_cold_start_seconds_count") == 1


def test_a_request_whose_worker_dies_is_answered_by_another_after_the_fresh(dispatcher, link):
    dying, other = link(name="dying"), link(name="other")
    asked = Background(post, dispatcher)
    dying.take()
    behind = Background(post, dispatcher, picture(size=(9, 9)))
    dispatcher.wait_for_metric("dispatcher_queue_size", 1)
    dying.die()
    dispatcher.wait_for_metric("dispatcher_queue_size", 2)
    job = other.take()
    assert job[1] == picture(size=(9, 9)), "what took a worker may take the next: it goes after the one that came later"
    other.answer(job)
    job = other.take()
    assert job[1] == JPEG
    other.answer(job, label="other")
    assert asked.result().json()["top"][0]["label"] == "other"
    assert behind.result().status_code == 200
    metrics = dispatcher.metrics()
    assert metrics.get("dispatcher_requeued_total") == 1
    assert metrics.get("dispatcher_completions_total") == 2
    assert metrics.get("dispatcher_arrivals_total") == 2
    assert metrics.get("dispatcher_worker_deaths_total", reason="crash") == 1


def test_a_request_that_two_leaving_workers_drop_is_502(dispatcher, link):
    asked = Background(post, dispatcher)
    for name in ("one", "two"):
        worker = link(name=name)
        worker.take()
        worker.tell({"type": "bye"})
        worker.die()
    response = asked.result()
    assert response.status_code == 502
    assert "two workers died" in response.json()["detail"] and response.headers["Retry-After"] == "1"
    metrics = dispatcher.metrics()
    assert metrics.get("dispatcher_dropped_total", reason="worker_died") == 1
    assert metrics.get("dispatcher_worker_deaths_total", reason="leaving") == 2
    assert metrics.get("dispatcher_in_flight") == 0
    link(WorkingWorker)
    assert post(dispatcher).status_code == 200


def test_a_worker_with_two_slots_holds_two_jobs(dispatcher, link):
    worker = link(slots=2)
    worker.ready()
    worker.ready()
    asked = [Background(post, dispatcher, picture(size=(9 + i, 9))) for i in range(2)]
    jobs = [worker.next_job(), worker.next_job()]
    assert dispatcher.metrics().get("dispatcher_in_flight") == 2
    assert dispatcher.metrics().get("dispatcher_workers", state="busy") == 1
    for job in reversed(jobs):
        worker.answer(job)
    assert [one.result().status_code for one in asked] == [200, 200]


def test_a_worker_that_says_bye_gets_no_more_but_may_finish(dispatcher, link):
    worker = link(slots=2)
    asked = Background(post, dispatcher)
    job = worker.take()
    worker.ready()
    worker.tell({"type": "bye"})
    wait_until(lambda: True)
    behind = Background(post, dispatcher)
    dispatcher.wait_for_metric("dispatcher_queue_size", 1)
    worker.answer(job)
    assert asked.result().status_code == 200
    worker.close()
    link(WorkingWorker)
    assert behind.result().status_code == 200
    assert len(worker.jobs) == 1


def test_a_picture_of_the_greatest_size_passes(dispatcher, link):
    # Bytes after the end marker are part of the file.
    data = JPEG + b"\0" * ((10 << 20) - len(JPEG))
    worker = link()
    asked = Background(post, dispatcher, data)
    job = worker.take()
    assert job[1] == data
    worker.answer(job)
    assert asked.result().status_code == 200


def test_many_requests_over_many_workers_that_come_and_die_lose_nothing(dispatcher, link):
    """200 requests, workers that serve a few jobs and die; each request may meet at most one dying worker."""
    import random
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    asked = [Background(post, dispatcher, picture(size=(20 + i % 50, 20 + i // 50))) for i in range(200)]
    dead = set()

    def live():
        worker = link()
        for _ in range(chance.randrange(1, 30)):
            try:
                job = worker.take(timeout=1)
            except TimeoutError:
                return False
            worker.answer(job, label=f"{job[1].__hash__()}")
        return worker
    while not all(one.done() for one in asked):
        worker = live()
        if not worker:
            continue
        # Dies with a job that no worker died with before.
        try:
            job = worker.take(timeout=1)
        except TimeoutError:
            continue
        if job[1] in dead:
            worker.answer(job, label=f"{job[1].__hash__()}")
        else:
            dead.add(job[1])
        worker.die()
    answers = [one.result() for one in asked]
    assert [answer.status_code for answer in answers] == [200] * 200
    for i, answer in enumerate(answers):
        assert answer.json()["top"][0]["label"] == f"{picture(size=(20 + i % 50, 20 + i // 50)).__hash__()}"
    metrics = dispatcher.metrics()
    assert metrics.get("dispatcher_completions_total") == 200
    assert metrics.get("dispatcher_requeued_total") == len(dead)
    assert metrics.get("dispatcher_queue_size") == metrics.get("dispatcher_in_flight") == 0


def test_with_a_latency_target_late_requests_let_fresh_ones_pass(start_dispatcher):
    import time
    dispatcher = start_dispatcher("--latency-target", "300ms")
    late = Background(post, dispatcher, picture(size=(1, 1)))
    dispatcher.wait_for_metric("dispatcher_queue_size", 1)
    time.sleep(0.4)
    fresh = Background(post, dispatcher, picture(size=(2, 2)))
    dispatcher.wait_for_metric("dispatcher_queue_size", 2)
    worker = FakeWorker(dispatcher)
    for asked, size in ((fresh, 2), (late, 1)):
        job = worker.take()
        assert job[1] == picture(size=(size, size))
        worker.answer(job)
        assert asked.result().status_code == 200
    worker.close()


def test_pictures_that_wait_together_are_batched_when_asked_to(start_dispatcher):
    dispatcher = start_dispatcher("--batch-max-size", "4", "--batch-max-delay", "2s")
    asked = []
    for i in range(4):
        asked.append(Background(post, dispatcher, picture(size=(9 + i, 9))))
        dispatcher.wait_for_metric("dispatcher_queue_size", i + 1)
    worker = FakeWorker(dispatcher)
    job = worker.take(timeout=1)
    assert len(job[0]["items"]) == 4
    assert job[1] == b"".join(picture(size=(9 + i, 9)) for i in range(4))
    worker.answer(job)
    assert [one.result().status_code for one in asked] == [200] * 4
    assert dispatcher.metrics().get("dispatcher_completions_total") == 4
    worker.close()
