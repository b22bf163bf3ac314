"""Scale to zero on this machine: the last worker leaves, and requests bring one back."""
import concurrent.futures
import os
import signal
import time

import requests

from bench.waiting import wait_until
from tests.process import picture_files
from tests.process.local import fake_bin_dir, manifest, predict

IDLE = {"minReplicas": 0, "maxReplicas": 2, "idleAfter": "1s"}


def wait_idle(operator, name="resnet18"):
    """Waits until the service sleeps; gives its address."""
    def idle():
        status = operator.status(name)
        counts = [status.get(each) for each in ("replicas", "readyReplicas", "desiredReplicas")]
        return operator.condition("Ready", name)["reason"] == "Idle" and counts == [0, 0, 0] and not operator.workers()

    wait_until(idle, 30, "an idle service")
    assert operator.condition("Ready", name)["status"] == "True"
    assert operator.status(name)["lastDecision"]["reason"] == "Idle"
    return operator.service(name)["endpoint"]


def woken(operator):
    return [line for line in operator.events("ScaledUp") if ", Woken: " in line["message"]]


def test_the_last_worker_leaves_and_one_request_brings_one_back(start_operator):
    operator = start_operator(manifest(scaling=IDLE))
    url = wait_idle(operator)
    first, = operator.events("ScaledUp")
    assert "0 -> 1, TriesSpec: " in first["message"], "a new spec is tried before anybody asks for it"
    wait_until(lambda: requests.get(url + "/v2/health/ready", timeout=5).status_code == 200, 5, "readiness of who sleeps")
    assert requests.get(url + "/v2/models/resnet18/ready", timeout=5).json()["ready"] is True
    answer = predict(url)
    assert answer.status_code == 200
    timing = answer.json()["timing"]
    assert 0 < timing["cold_start_ms"] <= timing["queue_ms"] <= timing["total_ms"]
    assert len(woken(operator)) == 1
    again = predict(url)
    assert again.status_code == 200 and "cold_start_ms" not in again.json()["timing"]
    seen = operator.dispatcher_metrics()
    assert seen.get("dispatcher_cold_start_seconds_count") == 1
    wait_idle(operator)
    assert not [line for line in operator.events() if line["reason"] == "NotReady"]


def test_a_crowd_wakes_a_service_and_is_answered(start_operator):
    operator = start_operator(manifest(scaling=IDLE), environment={"FAKE_SERVICE_SECONDS": "0.02"})
    url = wait_idle(operator)
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: predict(url), range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert "cold_start_ms" in answers[0].json()["timing"]
    assert len(woken(operator)) == 1
    wait_idle(operator)


def test_three_requests_start_one_worker(start_operator):
    operator = start_operator(manifest(scaling=IDLE))
    url = wait_idle(operator)
    before = len([line for line in operator.log("process_started") if "-worker-" in line["process"]])
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        assert {answer.status_code for answer in pool.map(lambda _: predict(url), range(3))} == {200}
    after = len([line for line in operator.log("process_started") if "-worker-" in line["process"]])
    assert after == before + 1


def test_a_dispatcher_that_was_lost_while_the_service_slept_wakes_it(start_operator):
    operator = start_operator(manifest(scaling=IDLE))
    url = wait_idle(operator)
    (name, pid), = [each for each in operator.processes().items() if "-dispatcher-" in each[0]]
    os.kill(pid, signal.SIGKILL)
    # The operator keeps the sockets: who comes meanwhile waits for the next dispatcher.
    assert predict(url).status_code == 200
    assert name not in operator.processes()
    wait_idle(operator)
    assert predict(url).status_code == 200


def test_a_dispatcher_that_leaves_has_its_queue_finished(start_operator):
    operator = start_operator(manifest(scaling=IDLE), environment={"FAKE_SERVICE_SECONDS": "0.3"})
    url = wait_idle(operator)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(predict, url)
        wait_until(lambda: woken(operator), 10, "a wake")
        operator.write(manifest(scaling=IDLE, dispatcher={"queueCapacity": 77}))
        assert answer.result().status_code == 200
    wait_idle(operator)
    assert predict(url).status_code == 200


def test_a_request_that_no_worker_comes_for_is_told_so_at_its_deadline(start_operator, tmp_path):
    programs = fake_bin_dir(tmp_path)
    operator = start_operator(manifest(scaling=IDLE), "--bin-dir", str(programs), fake=False)
    url = wait_idle(operator)
    (programs / "inference-worker").write_text("#!/bin/sh\necho no model here >&2\nexit 3\n")
    begun = time.monotonic()
    answer = requests.post(url + "/predict", data=picture_files.picture("PNG"), timeout=30,
                           headers={"Content-Type": "image/png", "X-Request-Timeout-Ms": "3000"})
    assert answer.status_code == 503
    assert time.monotonic() - begun >= 3, "it was not held"
    assert answer.json()["detail"].startswith("no worker came within the deadline: ")
    assert operator.condition("Ready")["status"] == "False"
    assert "no model here" in operator.condition("WorkersReady")["message"]
    assert requests.get(url + "/v2/health/ready", timeout=5).status_code == 503


def test_an_edit_is_tried_while_the_service_sleeps(start_operator):
    operator = start_operator(manifest(scaling=IDLE))
    wait_idle(operator)
    operator.write(manifest(scaling={**IDLE, "latencyTarget": "300ms"}))
    wait_until(lambda: len(operator.events("ScaledUp")) == 2, 10, "a trial")
    wait_idle(operator)


def test_a_service_that_sleeps_keeps_no_core_from_another(start_operator):
    core = min(os.sched_getaffinity(0))
    operator = start_operator([manifest("a", scaling=IDLE), manifest("b", scaling=IDLE)],
                              in_child=lambda: os.sched_setaffinity(0, {core}))
    for name in ("a", "b", "a"):
        assert predict(wait_idle(operator, name)).status_code == 200, name


def test_what_is_wrong_with_an_edit_is_told_though_nobody_asks(start_operator, tmp_path):
    programs = fake_bin_dir(tmp_path)
    operator = start_operator(manifest(scaling=IDLE), "--bin-dir", str(programs), fake=False)
    wait_idle(operator)
    (programs / "inference-worker").write_text("#!/bin/sh\necho no model here >&2\nexit 3\n")
    operator.write(manifest(scaling={**IDLE, "latencyTarget": "300ms"}))
    wait_until(lambda: "no model here" in operator.condition("WorkersReady")["message"], 20, "the fault")
    assert operator.condition("Ready")["status"] == "False"


def test_under_external_no_request_wakes_a_service(start_operator):
    scaling = {"policy": "External", "minReplicas": 0}
    operator = start_operator(manifest(scaling=scaling, replicas=0))
    wait_until(lambda: operator.condition("Ready")["reason"] == "Idle", 20, "an idle service")
    url = operator.service("resnet18")["endpoint"]
    assert requests.get(url + "/v2/health/ready", timeout=5).status_code == 503
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(predict, url)
        time.sleep(2)
        assert not operator.workers() and not answer.done()
        operator.write(manifest(scaling=scaling, replicas=1))
        assert answer.result().status_code == 200


def test_idle_services_are_looked_at_seldom(start_operator):
    operator = start_operator(manifest(scaling=IDLE))
    wait_idle(operator)
    time.sleep(3)
    before = len(operator.decisions_path.read_text().splitlines())
    time.sleep(5)
    assert len(operator.decisions_path.read_text().splitlines()) - before <= 1
