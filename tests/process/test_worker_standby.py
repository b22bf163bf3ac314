"""A worker that waits, warm and linked, until its CPU quota gives it its core."""
import os

import pytest
import requests

from bench.waiting import wait_until
from tests.process import picture_files, worker
from tests.process.background import Background
from tests.process.fake_worker import TOKEN
from tests.process.programs import Dispatcher

RANDOM = ("--model-uri", "builtin://random?classes=4")
STANDBY, COMPUTES = "90000 100000\n", "100000 100000\n"


def resize(file, text):
    """As a backend does: readers see the old quota or the new one."""
    beside = file.with_suffix(".new")
    beside.write_text(text)
    os.replace(beside, file)


@pytest.fixture
def dispatcher(tmp_path):
    one = Dispatcher(tmp_path / "dispatcher")
    yield one
    assert one.stop() == 0


@pytest.fixture
def quota(tmp_path):
    file = tmp_path / "cpu.max"
    file.write_text(STANDBY)
    return file


@pytest.fixture
def standby(tmp_path, dispatcher, quota):
    one = worker.Worker(tmp_path / "worker", *RANDOM, "--standby-below", "1", "--cpu-max-file", str(quota),
                        dispatchers=[dispatcher])
    yield one
    assert one.stop() == 0


def post(dispatcher):
    return requests.post(dispatcher.url + "/predict", data=picture_files.picture(),
                         headers={"Content-Type": "image/jpeg"}, timeout=30)


def state(dispatcher, name):
    return dispatcher.metrics().get("dispatcher_workers", state=name)


def test_a_standby_is_warm_and_linked_and_computes_once_its_quota_is_a_core(dispatcher, standby, quota):
    dispatcher.wait_for_metric("dispatcher_workers", 1, state="standby")
    assert state(dispatcher, "idle") == 0 and standby.metrics().get("ml_app_standby") == 1
    assert requests.get(standby.url + "/readyz", timeout=10).text == "standby\n"
    waiting = Background(post, dispatcher)
    dispatcher.wait_for_metric("dispatcher_queue_size", 1)
    resize(quota, COMPUTES)
    answer = waiting.result()
    assert answer.status_code == 200 and "cold_start_ms" in answer.json()["timing"]
    assert requests.get(standby.url + "/readyz", timeout=10).text == "ready\n"
    assert state(dispatcher, "idle") == 1 and standby.metrics().get("ml_app_standby") == 0
    assert len(standby.log("promoted")) == 1


def test_a_worker_that_loses_its_core_asks_for_nothing_until_it_has_it_again(dispatcher, standby, quota):
    for _ in range(3):
        resize(quota, COMPUTES)
        dispatcher.wait_for_metric("dispatcher_workers", 1, state="idle")
        assert post(dispatcher).status_code == 200
        resize(quota, STANDBY)
        dispatcher.wait_for_metric("dispatcher_workers", 1, state="standby")
    assert state(dispatcher, "idle") == 0
    waiting = Background(post, dispatcher)
    dispatcher.wait_for_metric("dispatcher_queue_size", 1)
    resize(quota, COMPUTES)
    assert waiting.result().status_code == 200


def test_requests_are_answered_while_quotas_go_up_and_down(dispatcher, standby, quota, tmp_path):
    """One worker always computes; the other is promoted and taken back under load, and no request is lost."""
    other = worker.Worker(tmp_path / "other", *RANDOM, dispatchers=[dispatcher])
    waiting = [Background(post, dispatcher) for _ in range(40)]
    for _ in range(6):
        resize(quota, COMPUTES)
        wait_until(lambda: state(dispatcher, "standby") == 0, what="the promotion")
        resize(quota, STANDBY)
        wait_until(lambda: state(dispatcher, "standby") == 1, what="the way back")
        waiting += [Background(post, dispatcher) for _ in range(10)]
    assert {each.result().status_code for each in waiting} == {200}
    assert other.stop() == 0 and not dispatcher.log("worker_dropped")


def test_a_quota_that_cannot_be_read_leaves_a_worker_as_it_is(dispatcher, standby, quota):
    resize(quota, "nonsense\n")
    wait_until(lambda: standby.log("cpu_quota_unreadable"), what="the complaint")
    assert "allowed: QUOTA PERIOD" in standby.log("cpu_quota_unreadable")[0]["error"]
    assert requests.get(standby.url + "/readyz", timeout=10).text == "standby\n"
    resize(quota, COMPUTES)
    dispatcher.wait_for_metric("dispatcher_workers", 1, state="idle")


def test_a_worker_whose_quota_is_unreadable_from_the_start_does_not_start(tmp_path):
    file = tmp_path / "cpu.max"
    file.write_text("nonsense")
    (tmp_path / "token").write_text(TOKEN)
    error = worker.start_error(*RANDOM, "--standby-below", "1", "--cpu-max-file", str(file))
    assert "is 'nonsense'; allowed: QUOTA PERIOD or max PERIOD" in error
