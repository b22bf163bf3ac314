"""Standbys of a service on this machine: warm workers that get their core when they are needed."""
import os
import pathlib
import time

import pytest
import requests

from bench.waiting import wait_until
from tests.process.local import LocalOperator, manifest, predict
from tests.process.metrics import Metrics

pytestmark = pytest.mark.alone

CORES = len(os.sched_getaffinity(0))
TWO_CORES = pytest.mark.skipif(CORES < 2, reason="two workers need two cores")


def service(workers, **scaling):
    return manifest(replicas=workers, scaling={"policy": "External", "minReplicas": 0, "maxReplicas": 2, "standby": 1, "cooldown": "2s", **scaling})


@pytest.fixture
def start(tmp_path):
    started = []

    def begin(documents):
        started.append(operator := LocalOperator(tmp_path, documents, "--metrics-port", "0", fake=False))
        return operator
    yield begin
    for operator in started:
        operator.stop()


def counts(operator):
    metrics = operator.dispatcher_metrics()
    return {state: metrics.get("dispatcher_workers", state=state) for state in ("idle", "busy", "standby")}


def wait_standby(operator, standbys=1):
    wait_until(lambda: operator.status().get("standbyReplicas", 0) == standbys, 30, f"{standbys} standbys")


def affinity(pid):
    return os.sched_getaffinity(pid)


@TWO_CORES
def test_a_standby_becomes_the_second_worker_and_the_second_worker_a_standby(start):
    operator = start(service(1))
    url = operator.wait_ready(seconds=60)
    wait_standby(operator)
    assert counts(operator) == {"idle": 1, "busy": 0, "standby": 1}
    assert operator.condition("StandbyReady")["status"] == "True"
    before = operator.workers()
    operator.write(service(2))
    wait_until(lambda: operator.status()["readyReplicas"] == 2, 10, "the second worker")
    # With two of two workers no standby could ever be promoted.
    assert operator.workers() == before, "nobody was started for it"
    first, second = operator.workers().values()
    assert len(affinity(first)) == len(affinity(second)) == 1 and affinity(first) != affinity(second)
    assert predict(url).status_code == 200
    up, = operator.events("ScaledUp")[-1:]
    assert up["message"].endswith("; 1 from standby"), up
    assert operator.status().get("standbyReplicas", 0) == 0
    text = requests.get(f"http://127.0.0.1:{operator.ports['metrics']}/metrics", timeout=10).text
    assert Metrics(text).sum("eis_operator_overload_to_ready_seconds_count") >= 1
    operator.write(service(1))
    wait_standby(operator)
    wait_until(lambda: counts(operator) == {"idle": 1, "busy": 0, "standby": 1}, what="one on standby")
    assert operator.workers() == before


def test_without_a_worker_the_standby_is_what_the_first_request_wakes(start):
    operator = start(service(0, policy="Latency", idleAfter="2s"))
    wait_until(lambda: operator.condition("Ready")["reason"] == "Idle", 60, "the sleep")
    wait_standby(operator)
    wait_until(lambda: len(operator.workers()) == 1, 30, "one standby alone")
    standby = operator.workers()
    url = operator.service()["endpoint"]
    answer = predict(url)
    assert answer.status_code == 200 and "cold_start_ms" in answer.json()["timing"]
    assert standby.items() <= operator.workers().items()
    promoted = [line for line in operator.log("process_promoted") if line["process"] in standby]
    assert promoted, "it was woken by another"
    wait_until(lambda: operator.condition("Ready")["reason"] == "Idle", 60, "the next sleep")
    wait_until(lambda: operator.status()["replicas"] == 0, 10, "no worker")


def test_standbys_beyond_the_wish_leave_after_the_cooldown(start):
    operator = start(service(1, maxReplicas=2))
    operator.wait_ready(seconds=60)
    wait_standby(operator)
    operator.write(service(0, maxReplicas=2))
    wait_until(lambda: operator.status()["replicas"] == 0, 30, "no worker")
    wait_until(lambda: len(operator.workers()) == 1, 30, "one standby alone")
    time.sleep(0.5)
    assert len(operator.workers()) == 1 and operator.status()["standbyReplicas"] == 1


@TWO_CORES
def test_a_standby_that_dies_is_started_anew(start):
    operator = start(service(1))
    operator.wait_ready(seconds=60)
    wait_standby(operator)
    name, pid = list(operator.workers().items())[-1]
    os.kill(pid, 9)
    wait_until(lambda: name not in operator.workers() and len(operator.workers()) == 2, 30, "another standby")
    wait_standby(operator)
    assert not list(pathlib.Path(operator.directory).glob(f"inference-operator-*/*/{name}.cpu.max"))
