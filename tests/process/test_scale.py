"""Scale-downs and rollouts under a steady load, without a failed request.

The short form runs with the other tests. The long one:
    pytest tests/process/test_scale.py --scale-downs 1000 --rollouts 100 [--scale-workers real]
"""
import collections
import json
import os
import time

import pytest

from bench.waiting import wait_until
from tests.process.local import KeptConnection, Load, LocalOperator, manifest

pytestmark = pytest.mark.alone

CORES = len(os.sched_getaffinity(0))


class Seen:
    """How often what has happened to which kind of process, by a log that is read once, however long it gets."""

    def __init__(self, path):
        self.file = open(path, encoding="utf-8")
        self.rest = ""
        self.found = collections.Counter()

    def count(self, event, kind):
        *lines, self.rest = (self.rest + self.file.read()).split("\n")
        for line in lines:
            if '"process_' in line:
                entry = json.loads(line)
                self.found[entry["event"], "worker" if "-worker-" in entry["process"] else "dispatcher"] += 1
        return self.found[event, kind]


@pytest.mark.skipif(CORES < 2, reason="two workers need two cores")
def test_scale_downs_and_rollouts_under_load_fail_no_request(tmp_path, request, record_property):
    downs, rollouts = request.config.getoption("--scale-downs"), request.config.getoption("--rollouts")
    fake = request.config.getoption("--scale-workers") == "fake"

    def service(workers, capacity):
        return manifest(replicas=workers, scaling={"policy": "External", "maxReplicas": 2}, dispatcher={"queueCapacity": capacity})
    operator = LocalOperator(tmp_path, service(1, 1000), fake=fake, environment={"FAKE_SERVICE_SECONDS": "0.005"})
    clients = []
    try:
        url = operator.wait_ready(seconds=60)
        clients += [Load(url, 20), KeptConnection(url)]
        seen = Seen(operator.log_path)
        done = rolled = 0
        capacity = 1000
        while done < downs:
            operator.write(service(2, capacity))
            wait_until(lambda: operator.status()["readyReplicas"] == 2, 60, f"two workers before scale-down {done + 1}")
            operator.write(service(1, capacity))
            # A rollout every so often, and in the middle of a scale-down.
            if rolled * downs < rollouts * (done + 1):
                rolled += 1
                capacity = 1000 + rolled
                operator.write(service(1, capacity))
                wait_until(lambda: seen.count("process_ready", "dispatcher") > rolled, 60, f"dispatcher {rolled + 1}")
            done += 1
            wait_until(lambda: seen.count("process_ended", "worker") >= done, 60, f"the end of scale-down {done}")
            # Else the next look may find the two of before.
            wait_until(lambda: operator.status()["readyReplicas"] == 1, 60, f"one worker after scale-down {done}")
        time.sleep(0.5)
        statuses = collections.Counter(status for each in clients for status in each.stop())
        record_property("scale_downs", done)
        record_property("rollouts", rolled)
        record_property("requests", sum(statuses.values()))
        print(f"{done} scale-downs, {rolled} rollouts, {sum(statuses.values())} requests: {dict(statuses)}")
        assert set(statuses) == {200}, statuses
        assert rolled == rollouts
    finally:
        for each in clients:
            each.stopping = True
        operator.stop(60)
