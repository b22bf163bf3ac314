"""What tools are told of a service, by kstatus itself (Helm's --wait and Flux), and what a child that cannot be written stops."""

import contextlib
import json
import os
import subprocess
import threading

import pytest

from bench.processes import spawn
from bench.waiting import eventually
from tests.cluster.harness import tools
from tests.cluster.obstacles import policy_that_refuses_fp32, webhook_that_is_down
from tests.cluster.played_pods import Played
from tests.cluster.proxied_operator import children, condition, create, expect, notes, operator, proxy, server, space, wait_for_children  # noqa: F401 (fixtures)


class Told:
    """What kstatus says of every version of a namespace's one service, from now on."""

    def __init__(self, server, space):
        programs = tools.ensure(["kubectl", "kstatus"])
        env = dict(os.environ, KUBECONFIG=server.kubeconfig)
        watch = [programs["kubectl"], "get", "eis", "-n", space, "--watch", "-o", "json"]
        self._watch = spawn(watch, env=env, stdout=subprocess.PIPE)
        self._kstatus = spawn([programs["kstatus"]], stdin=self._watch.stdout, stdout=subprocess.PIPE, text=True)
        self.lines = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self._kstatus.stdout:
            self.lines.append(json.loads(line))

    def last(self):
        return self.lines[-1]

    def of(self, generation):
        """The different statuses of a generation, in order."""
        found = [each["status"] for each in self.lines if each["generation"] == generation]
        return [each for i, each in enumerate(found) if i == 0 or found[i - 1] != each]

    def until(self, generation, status, words=""):
        def told():
            last = self.last()
            assert (last["generation"], last["status"]) == (generation, status) and words in last["message"], self.lines[-3:]

        eventually(told, 15, 0.1)

    def end(self):
        self._watch.terminate()
        self._watch.wait(10)
        self._kstatus.wait(10)
        self._reader.join(10)


@pytest.fixture
def told(server, space):
    running = Told(server, space)
    yield running
    running.end()


def edit(server, space, name, **spec):
    server.kubectl("patch", "eis", name, "-n", space, "--type=merge", "-p", json.dumps({"spec": spec}))


def test_kstatus_is_right_over_the_life_of_a_service(server, space, proxy, tmp_path, told):
    pods = Played(server, space)
    create(server, space, "svc")
    told.until(1, "InProgress")
    with operator(proxy, space, tmp_path):
        wait_for_children(server, space)
        pods.start("svc", "dispatcher", "dispatcher-0")
        pods.ready("dispatcher-0")
        pods.start("svc", "worker", "old-0")
        pods.ready("old-0")
        told.until(1, "Current")
        # New weights, with a new pod that cannot load them beside the old one.
        edit(server, space, "svc", model={"precision": "fp32"})
        told.until(2, "InProgress", "0 of 1 worker is on the new version")
        assert condition(server, space, "svc", "Ready")["status"] == "Unknown"
        pods.start("svc", "worker", "new-0")
        pods.crashing("new-0", "cannot_load")
        told.until(2, "Failed", "cannot_load")
        for kind in ("Ready", "WorkersReady"):
            found = condition(server, space, "svc", kind)
            assert found["status"] == "False" and found["observedGeneration"] == 2, found
        assert [note for note in notes(server, space, "CannotStart") if "cannot_load" in note and "take the edit back" in note]
        # The edit is taken back: what serves is of this version already.
        edit(server, space, "svc", model={"precision": "auto"})
        pods.gone("new-0")
        told.until(3, "Current")
        # And a rollout that ends.
        edit(server, space, "svc", model={"precision": "fp32"})
        pods.start("svc", "worker", "newer-0")
        told.until(4, "InProgress", "0 of 1 worker is on the new version")
        pods.ready("newer-0")
        pods.gone("old-0")
        told.until(4, "Current")
        edit(server, space, "svc", worker={"image": "not.allowed/worker:1"})
        told.until(5, "Failed", "not.allowed/worker:1")
        assert condition(server, space, "svc", "Ready")["reason"] == "InvalidEdit"
        edit(server, space, "svc", worker={"image": None})
        told.until(6, "Current")
    assert [told.of(generation) for generation in (1, 4)] == [["InProgress", "Current"]] * 2
    assert [told.of(generation) for generation in (2, 5)] == [["InProgress", "Failed"]] * 2
    assert notes(server, space, "WorkerReplaced") == []


OBSTACLES = {
    "a policy that refuses it": (policy_that_refuses_fp32, "Refused", "fp32 is too slow"),
    "a webhook that is down": (webhook_that_is_down, "WriteFails", "webhook"),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_a_child_that_cannot_be_written_is_told_and_does_not_stop_scaling(server, space, proxy, tmp_path, obstacle):
    put_up, reason, words = OBSTACLES[obstacle]
    external = {"policy": "External", "minReplicas": 1, "maxReplicas": 9}
    create(server, space, "svc", scaling=external, replicas=1)

    def told():
        kind = "Stalled" if reason == "Refused" else "Reconciling"
        found = condition(server, space, "svc", kind)
        assert (found["status"], found["reason"]) == ("True", reason) and words in found["message"], found
        status = server.get("eis", "svc", "-n", space)
        assert status["status"]["observedGeneration"] == status["metadata"]["generation"]

    def scaled(replicas):
        assert children(server, space)["Deployment/svc-worker"]["spec"]["replicas"] == replicas

    with operator(proxy, space, tmp_path), contextlib.ExitStack() as stack:
        wait_for_children(server, space)
        stack.enter_context(put_up(server, space))
        edit(server, space, "svc", model={"precision": "fp32"})
        eventually(told, 10)
        for replicas in (3, 2):
            server.kubectl("scale", "eis/svc", "-n", space, f"--replicas={replicas}")
            eventually(lambda replicas=replicas: scaled(replicas), 5)
        server.kubectl("scale", "deployment/svc-worker", "-n", space, "--replicas=7")
        eventually(lambda: scaled(2), 5)
        assert [note for note in notes(server, space, reason) if words in note]
        before = children(server, space)["Deployment/svc-worker"]["spec"]["template"]
        stack.close()
        # What is out of the way is met by the next try; an edit is tried at once.
        edit(server, space, "svc", worker={"resources": {"memory": "2Gi"}})

        def over():
            assert condition(server, space, "svc", "Stalled")["status"] == "False"
            assert condition(server, space, "svc", "Reconciling")["reason"] == "Starting"
            live = children(server, space)["Deployment/svc-worker"]["spec"]
            assert live["template"] != before and live["replicas"] == 2

        eventually(over, 10)
