"""New weights under load, with the real worker: no request is lost, and it is told which weights answer."""
import concurrent.futures
import os
import threading
import time

import pytest

from bench.waiting import wait_until
from tests.process.local import LocalOperator, manifest, predict
from tests.process.noted_weights import weights

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two workers need two cores")


class Seen:
    """Every answer at a steady rate, and what the status says meanwhile, until end()."""

    def __init__(self, operator, url, rate):
        self.answers, self.statuses = [], []
        self.operator, self.url, self.rate = operator, url, rate
        self.ending = False
        self.pool = concurrent.futures.ThreadPoolExecutor(50)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.ending:
            self.answers.append(self.pool.submit(predict, self.url))
            self.statuses.append(self.operator.status())
            time.sleep(1 / self.rate)

    def end(self):
        self.ending = True
        self.thread.join()
        return [answer.result() for answer in self.answers]


def test_new_weights_take_over_worker_by_worker_under_load_and_every_answer_says_which_it_is_of(tmp_path):
    old, old_version = weights(tmp_path / "old.safetensors", "old")
    new, new_version = weights(tmp_path / "new.safetensors", "new")
    scaling = {"minReplicas": 2, "maxReplicas": 2, "latencyTarget": "2s"}
    operator = LocalOperator(tmp_path, manifest(model={"uri": old}, scaling=scaling), fake=False)
    try:
        url = operator.wait_ready(workers=2, seconds=90)
        wait_until(lambda: operator.status().get("model", {}).get("version") == old_version, what="the old weights' digest in the status")
        seen = Seen(operator, url, rate=5)
        wait_until(lambda: any(answer.done() for answer in seen.answers), what="an answer before the edit")
        operator.write(manifest(model={"uri": new}, scaling=scaling))

        def done():
            arrived = operator.condition("Reconciling")
            return operator.status()["model"]["version"] == new_version and (arrived["status"], arrived["reason"]) == ("False", "Arrived")
        wait_until(done, 90, "the end of the rollout")
        # One that was sent before the end may still be the last job of a worker that leaves.
        sent = len(seen.answers)
        wait_until(lambda: len(seen.answers) > sent + 1, what="requests after the rollout")
        answers = seen.end()
    finally:
        operator.stop(30)
    assert [answer.status_code for answer in answers if answer.status_code != 200] == []
    versions = [answer.json()["model_version"] for answer in answers]
    assert versions[0] == old_version and versions[-1] == new_version and set(versions) == {old_version, new_version}
    assert min(status["readyReplicas"] for status in seen.statuses) >= 2
    told = [status["model"]["version"] for status in seen.statuses]
    assert told == sorted(told, key=[old_version, new_version].index)
    progress = {condition["message"] for status in seen.statuses for condition in status["conditions"]
                if condition["type"] == "Reconciling" and condition["reason"] == "RollingOut"}
    assert any("of 2 workers are on the new version" in each for each in progress), progress
    assert any("answers with the weights" in each or "answer with the weights" in each for each in progress), progress
