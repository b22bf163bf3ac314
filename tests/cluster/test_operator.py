"""The operator as a process against a bare API server: what it does on the bad days of both."""

import contextlib
import itertools
import json
import re
import signal
import time
import urllib.request

import pytest

from bench.waiting import eventually
from tests.cluster.faulty_proxy import DROP, FaultyProxy
from tests.cluster.proxied_operator import CHILDREN, KINDS, children, create, essence, monitors, operator, proxy, server, space, wait_for_children  # noqa: F401 (fixtures)


def test_nothing_is_written_while_nothing_changes_nor_after_a_restart(server, space, proxy, tmp_path):
    create(server, space, "calm")
    with operator(proxy, space, tmp_path):
        wait_for_children(server, space)
        time.sleep(3)  # the first status is followed by the one that has seen the children
        since = time.monotonic()
        time.sleep(15)
        assert proxy.writes(since) == []
    since = time.monotonic()
    with operator(proxy, space, tmp_path):
        time.sleep(5)
        assert proxy.matching("watch=true", since), "the second operator did not start"
        # The status tells of a new decision at most; children are as they were.
        assert [each for each in proxy.writes(since) if "/status" not in each[1] and "/events" not in each[1]] == []


def test_its_requests_are_told_under_the_names_of_other_controllers(server, space, proxy, tmp_path):
    create(server, space, "svc")
    ports = tmp_path / "ports.json"
    with operator(proxy, space, tmp_path, "counting", "--ports-file", str(ports)):
        wait_for_children(server, space)
        time.sleep(3)  # the first status is followed by the one that has seen the children
        with urllib.request.urlopen(f"http://127.0.0.1:{json.loads(ports.read_text())['metrics']}/metrics", timeout=5) as answer:
            metrics = answer.read().decode()
    told = re.findall(r'^rest_client_requests_total\{code="(\w+)",method="PATCH",resource="deployments"\} (\d+)', metrics, re.M)
    seen = [each[3] for each in proxy.requests if each[1] == "PATCH" and "/deployments/" in each[2]]
    assert {code: int(count) for code, count in told} == {str(code): seen.count(code) for code in set(seen)}
    assert 'rest_client_requests_total{code="200",method="GET",resource="version"} 1' in metrics
    assert 'rest_client_request_duration_seconds_count{verb="PATCH"}' in metrics


def test_drift_is_put_right_within_a_second(server, space, proxy, tmp_path):
    create(server, space, "svc")
    with operator(proxy, space, tmp_path):
        before = wait_for_children(server, space)
        wanted = essence(before)
        edits = [
            ("scale", "deployment", "svc-worker", "--replicas=5"),
            ("patch", "service", "svc-link", "-p", '{"spec":{"publishNotReadyAddresses":false}}'),
            ("label", "service", "svc", "app.kubernetes.io/managed-by=me", "--overwrite"),
            ("label", "networkpolicy", "svc-worker", "elasticinference.dev/service-"),
            ("set", "image", "deployment/svc-dispatcher", "dispatcher=evil:1"),
            ("delete", "poddisruptionbudget", "svc-worker"),
            ("delete", "configmap", "svc-link-keys"),
        ]
        for edit in edits:
            server.kubectl("-n", space, *edit)

            def as_before():
                assert essence(children(server, space)) == wanted, edit

            eventually(as_before, 2, 0.05)  # a second, and one for kubectl itself
        # What is not ours is left alone.
        server.kubectl("-n", space, "annotate", "deployment", "svc-worker", "mine=1")
        time.sleep(1)
        assert children(server, space)["Deployment/svc-worker"]["metadata"]["annotations"]["mine"] == "1"


def test_a_service_monitor_that_drifts_is_put_right_and_one_of_somebody_else_left_alone(server, space, proxy, tmp_path, monitors):
    foreign = {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": {"name": "taken"}, "spec": {"mine": 1}}
    server.apply(foreign, space)
    create(server, space, "taken")
    with operator(proxy, space, tmp_path):
        wait_for_children(server, space)
        create(server, space, "svc")

        def monitor():
            found = server.get("servicemonitor", "svc", "-n", space)
            return {"labels": found["metadata"]["labels"], "spec": found["spec"]}

        wanted = eventually(monitor, 20)
        spec = json.dumps({"spec": {"endpoints": [{"port": "nowhere"}]}})
        edits = [
            ("patch", "servicemonitor", "svc", "--type=merge", "-p", spec),
            ("label", "servicemonitor", "svc", "app.kubernetes.io/managed-by=me", "--overwrite"),
            ("delete", "servicemonitor", "svc"),
        ]
        for edit in edits:
            server.kubectl("-n", space, *edit)

            def as_before():
                assert monitor() == wanted, edit

            eventually(as_before, 2, 0.05)  # a second, and one for kubectl itself
        since = time.monotonic()
        time.sleep(3)
        assert not proxy.matching("servicemonitors/", since), "what is in a monitor's way is asked about all the time"
        assert server.get("servicemonitor", "taken", "-n", space)["spec"] == {"mine": 1}


class Killed:
    """The operator dies at its nth write from now on: before the server has it, or before it hears the answer.

    Of a kind: only its writes count.
    """

    def __init__(self, proxy, process, moment, at, kind):
        self.path, self._count = None, 0

        def look(method, path):
            if method == "GET":
                return None
            if self.path is None:
                self._count += f"/{kind}" in path
                if self._count < at:
                    return None
                self.path = path
                process.kill()
            # Whatever it has sent besides does not arrive either.
            return DROP if moment == "before" else None

        self._proxy, self._moment = proxy, moment
        setattr(proxy, moment, look)

    def end(self):
        setattr(self._proxy, self._moment, None)


# A status is written half a second after the last one, with what has been seen since.
CALM_S = 1.5


def settled(server, space, proxy):
    """The children's essence, where the operator has done all that it had to do."""
    found = children(server, space)
    assert len(found) == CHILDREN, sorted(found)
    meta = server.get("eis", "svc", "-n", space)
    assert meta["status"]["observedGeneration"] == meta["metadata"]["generation"]
    assert not proxy.writes(time.monotonic() - CALM_S)
    return essence(found)


def remove(server, space, name):
    server.kubectl("-n", space, "delete", "eis", name)
    # No garbage collector here.
    server.kubectl("-n", space, "delete", KINDS, "-l", "app.kubernetes.io/managed-by=inference-operator")


def external(replicas):
    return {"scaling": {"policy": "External", "minReplicas": 1, "maxReplicas": 4}, "replicas": replicas}


# What is done while the operator runs: (from, to), a service's specs or None for no service; and what it must write.
CHANGES = {
    "a creation": (None, {}, {"configmaps", "services", "deployments", "networkpolicies", "poddisruptionbudgets", "status"}),
    "an edit": (
        {"dispatcher": {"replicas": 1}},
        {"dispatcher": {"replicas": 3, "queueCapacity": 77}, "worker": {"resources": {"memory": "2Gi"}}},
        {"deployments", "status"},
    ),
    "a scale": (external(1), external(3), {"deployments", "status", "events"}),
}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("change", CHANGES)
def test_killed_at_any_write_the_end_is_the_same(server, space, proxy, tmp_path, change, moment):
    before, after, kinds = CHANGES[change]
    killed_at = []
    create(server, space, "svc", **after)
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(operator(proxy, space, tmp_path))
        undisturbed = eventually(lambda: settled(server, space, proxy), 30)

        def kill(at, kind=""):
            """Whether there was such a write."""
            nonlocal process
            if before is None:
                remove(server, space, "svc")
            else:
                create(server, space, "svc", **before)
                eventually(lambda: settled(server, space, proxy), 30)
            killed = Killed(proxy, process, moment, at, kind)
            create(server, space, "svc", **after)
            eventually(lambda: process.poll() is not None or settled(server, space, proxy), 30)
            killed.end()
            if killed.path is None:
                assert process.poll() is None, "the operator ended by itself"
                return False
            assert process.wait(5) == -signal.SIGKILL
            killed_at.append(killed.path)
            process = stack.enter_context(operator(proxy, space, tmp_path))
            state = eventually(lambda: settled(server, space, proxy), 30)
            assert state == undisturbed, f"after a kill at {kind} write {at}, {killed.path}"
            return True

        for at in itertools.count(1):
            if not kill(at):
                break
        # Writes that go out together come in either order, so one may have been passed over.
        for kind in kinds:
            if not any(f"/{kind}" in path for path in killed_at):
                kill(1, kind)
    print(f"killed at {killed_at}")
    for kind in kinds:
        assert any(f"/{kind}" in path for path in killed_at), f"no kill at {kind}: {killed_at}"


def test_cut_connections_are_opened_again_where_they_were(server, space, proxy, tmp_path):
    create(server, space, "svc")
    with operator(proxy, space, tmp_path):
        wait_for_children(server, space)
        listings = len(proxy.matching("sendInitialEvents=true")) + len(proxy.matching("limit="))
        for replicas in (2, 3, 4):
            proxy.cut()
            server.kubectl("-n", space, "patch", "eis", "svc", "--type=merge", "-p",
                           json.dumps({"spec": {"dispatcher": {"replicas": replicas}}}))

            def followed():
                assert children(server, space)["Deployment/svc-dispatcher"]["spec"]["replicas"] == replicas

            eventually(followed, 5)
        assert len(proxy.matching("sendInitialEvents=true")) + len(proxy.matching("limit=")) == listings


def test_the_api_server_may_restart(server, space, proxy, tmp_path):
    create(server, space, "svc")
    with operator(proxy, space, tmp_path) as process:
        wait_for_children(server, space)
        server.harness("restart", "kube-apiserver")
        eventually(lambda: create(server, space, "later"), 60)  # a busy machine takes its time to start it
        wait_for_children(server, space, services=2)
        assert process.poll() is None


def test_a_paused_leader_writes_nothing_when_it_wakes(server, space, proxy, tmp_path):
    with FaultyProxy(server.kubeconfig) as other:
        with operator(proxy, space, tmp_path / "a", "a", "--leader-elect") as first:
            create(server, space, "svc")
            wait_for_children(server, space)
            with operator(other, space, tmp_path / "b", "b", "--leader-elect") as second:
                time.sleep(2)
                assert other.writes() == []
                first.send_signal(signal.SIGSTOP)
                stopped = time.monotonic()
                server.kubectl("-n", space, "patch", "eis", "svc", "--type=merge", "-p",
                               '{"spec":{"dispatcher":{"replicas":3}}}')

                def taken_over():
                    assert children(server, space)["Deployment/svc-dispatcher"]["spec"]["replicas"] == 3

                eventually(taken_over, 25)
                assert 5 < time.monotonic() - stopped < 22
                woken = time.monotonic()
                first.send_signal(signal.SIGCONT)
                # It has lost, and what it knows of its own decisions is no longer true: it ends.
                assert first.wait(15) != 0
                assert proxy.writes(woken) == []
                assert second.poll() is None


def test_a_leader_that_ends_hands_over_at_once(server, space, proxy, tmp_path):
    with FaultyProxy(server.kubeconfig) as other:
        with operator(proxy, space, tmp_path / "a", "a", "--leader-elect") as first:
            create(server, space, "svc")
            wait_for_children(server, space)
            with operator(other, space, tmp_path / "b", "b", "--leader-elect"):
                time.sleep(3)
                first.terminate()
                assert first.wait(10) == 0
                ended = time.monotonic()
                server.kubectl("-n", space, "patch", "eis", "svc", "--type=merge", "-p",
                               '{"spec":{"dispatcher":{"replicas":2}}}')

                def taken_over():
                    assert children(server, space)["Deployment/svc-dispatcher"]["spec"]["replicas"] == 2

                eventually(taken_over, 6)
                assert time.monotonic() - ended < 6


def test_an_overloaded_server_is_not_listed_again(server, space, proxy, tmp_path):
    create(server, space, "svc")
    with operator(proxy, space, tmp_path):
        wait_for_children(server, space)
        since = time.monotonic()
        proxy.before = lambda method, path: 429 if "watch=true" in path else None
        proxy.cut()
        time.sleep(5)
        proxy.before = None
        create(server, space, "later")
        wait_for_children(server, space, services=2)
        assert proxy.matching("sendInitialEvents=true", since) == []
        assert proxy.matching("limit=", since) == []


EIS = "/inferenceservices?"


def listings(proxy, since):
    """The kinds that were listed from a point in time on, as a listing or as a stream that begins with one."""
    paths = [path for path in proxy.matching("", since) if "sendInitialEvents=true" in path or "limit=" in path]
    return [path.partition("?")[0].rpartition("/")[2] for path in paths]


@pytest.mark.parametrize("told", ["by the answer", "in the stream"])
def test_a_watch_that_is_too_old_costs_one_listing_and_no_change(server, space, proxy, tmp_path, told):
    create(server, space, "svc")
    create(server, space, "leaving")
    with operator(proxy, space, tmp_path):
        wait_for_children(server, space, services=2)
        # What happens now, the operator can only learn from a listing.
        proxy.mute(EIS)
        server.kubectl("-n", space, "patch", "eis", "svc", "--type=merge", "-p", '{"spec":{"dispatcher":{"replicas":4}}}')
        server.kubectl("-n", space, "delete", "eis", "leaving")
        create(server, space, "later")
        time.sleep(1)
        assert "Deployment/later-worker" not in children(server, space)
        proxy.mute(None)
        since = time.monotonic()
        if told == "in the stream":
            proxy.expire(EIS)
        else:
            answers = [410]
            proxy.before = lambda method, path: answers.pop() if answers and EIS in path and "watch=true" in path else None
            proxy.cut()

        def followed():
            found = children(server, space)
            assert found["Deployment/svc-dispatcher"]["spec"]["replicas"] == 4
            assert "Deployment/later-worker" in found

        eventually(followed, 15)
        # No garbage collector here: who thinks that it is still there would make this again.
        server.kubectl("-n", space, "delete", "deployment", "leaving-worker")
        time.sleep(3)
        assert "Deployment/leaving-worker" not in children(server, space)
        assert listings(proxy, since) == ["inferenceservices"]
