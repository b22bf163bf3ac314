"""The operator on this machine: from a manifest to answers, through load, crashes and edits, to an orderly end."""
import datetime
import http.client
import json
import os
import pathlib
import pty
import signal
import socket
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from bench.processes import spawn
from bench.waiting import wait_until
from tests.process import picture_files
from tests.process.local import KeptConnection, Load, alive, fake_bin_dir, manifest, predict
from tests.process.metrics import Metrics
from tests.process.plain_json import read_json
from tests.process.programs import BIN, ROOT

CORES = len(os.sched_getaffinity(0))
two_cores = pytest.mark.skipif(CORES < 2, reason="two workers need two cores")


def operator_of(start_operator, **spec):
    return start_operator(manifest(**spec))


def test_a_manifest_becomes_a_service_that_answers_with_the_real_worker(start_operator):
    import cv2
    import numpy
    operator = start_operator(manifest(), fake=False)
    url = operator.wait_ready(seconds=60)
    picture = numpy.full((300, 400, 3), 200, numpy.uint8)
    cv2.circle(picture, (200, 150), 100, (0, 0, 255), -1)
    answer = predict(url, cv2.imencode(".jpg", picture)[1].tobytes())
    assert answer.status_code == 200
    assert answer.json()["top"][0]["label"] == "circle"
    model = wait_until(lambda: operator.status().get("model"), what="what the worker tells of its model")
    # Which of the two is the CPU's choice.
    assert model.pop("precision") in ("fp32", "bf16")
    assert model == {"output": "scores", "version": answer.json()["model_version"]}


def test_the_four_classic_fields_alone_make_a_service(start_operator):
    operator = operator_of(start_operator, scaling={"queueTarget": 5, "minReplicas": 1, "maxReplicas": 2, "cooldown": "3s"})
    assert predict(operator.wait_ready()).status_code == 200


@two_cores
def test_load_adds_workers_and_calm_takes_them_away_without_a_failed_request(start_operator):
    operator = start_operator(manifest(scaling={"cooldown": "4s", "maxReplicas": 2, "latencyTarget": "500ms"}),
                              environment={"FAKE_SERVICE_SECONDS": "0.1"})
    url = operator.wait_ready()
    load = Load(url, rate=14)  # one worker answers 10 a second
    wait_until(lambda: operator.status()["readyReplicas"] == 2, 30, "a second worker")
    time.sleep(3)
    calm = Load(url, rate=2)
    answers = load.stop()
    wait_until(lambda: operator.status()["replicas"] == 1, 60, "one worker again")
    time.sleep(1)
    answers += calm.stop()
    assert set(answers) == {200}, answers
    assert operator.events("ScaledUp") and operator.events("ScaledDown")


@two_cores
def test_one_decision_id_runs_through_status_event_log_and_decision_log(start_operator):
    operator = start_operator(manifest(scaling={"minReplicas": 1}))
    operator.wait_ready()
    operator.write(manifest(scaling={"minReplicas": 2}))
    operator.wait_ready(workers=2)
    record = operator.status()["history"][0]
    assert (record["from"], record["to"], record["reason"]) == (1, 2, "BelowMinimum")
    event, = [line for line in operator.events("ScaledUp") if line["decision"] == record["id"]]
    assert record["formula"] in event["message"]
    logged, = [line for line in operator.log("decision") if line["id"] == record["id"]]
    assert logged["to"] == 2
    decisions = [read_json(line) for line in operator.decisions_path.read_text().splitlines()]
    kept, = [line for line in decisions if line["id"] == record["id"]]
    assert kept["decision"]["to"] == 2 and kept["settings"] and kept["snapshot"]


def test_a_killed_worker_is_replaced_and_its_request_answered(start_operator):
    operator = start_operator(manifest(), environment={"FAKE_SERVICE_SECONDS": "4"})
    url = operator.wait_ready()
    (name, pid), = operator.workers().items()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(predict, url)
        time.sleep(0.5)
        os.kill(pid, signal.SIGKILL)
        assert answer.result(20).status_code == 200
    assert name not in operator.workers()
    ended, = [line for line in operator.log("process_ended") if line["process"] == name]
    assert "signal 9" in ended["how"]


def test_a_killed_dispatcher_comes_back_on_its_ports_and_the_worker_finds_it(start_operator):
    operator = operator_of(start_operator)
    url = operator.wait_ready()
    workers = operator.workers()
    dispatcher, = [pid for name, pid in operator.processes().items() if "-dispatcher-" in name]
    os.kill(dispatcher, signal.SIGKILL)
    wait_until(lambda: operator.log("process_ended"), what="its end")

    def answers():
        try:
            return predict(url, timeout=5).status_code == 200
        except requests.RequestException:
            return False
    wait_until(answers, 30, "an answer")
    assert operator.service()["endpoint"] == url
    assert workers or operator.workers()


def dispatcher_of(operator):
    (name, pid), = [(name, pid) for name, pid in operator.processes().items() if "-dispatcher-" in name]
    return name, pid


def test_an_edit_that_replaces_the_dispatcher_loses_no_request(start_operator):
    one = {"maxReplicas": 1}  # that the load may not change
    operator = operator_of(start_operator, scaling=one)
    url = operator.wait_ready()
    fresh = Load(url, 20)
    kept = KeptConnection(url)
    for dispatchers, capacity in ((2, 500), (3, 600)):
        time.sleep(1)
        operator.write(manifest(scaling=one, dispatcher={"queueCapacity": capacity}))
        wait_until(lambda: [line["process"] for line in operator.log("process_ready")
                            if "-dispatcher-" in line["process"]][dispatchers - 1:], 20, "the new dispatcher")
    time.sleep(1)
    assert set(kept.stop()) == {200} and set(fresh.stop()) == {200}
    assert operator.service()["endpoint"] == url


def test_while_a_killed_dispatcher_comes_back_new_connections_wait(start_operator):
    operator = operator_of(start_operator)
    url = operator.wait_ready()
    name, pid = dispatcher_of(operator)
    operator.signal(signal.SIGSTOP)  # nobody starts the next one until the client has connected
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid), 5, "its end")
    client = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    client.request("POST", "/predict", picture_files.picture("PNG"), {"Content-Type": "image/png"})
    operator.signal(signal.SIGCONT)
    assert client.getresponse().status == 200
    assert dispatcher_of(operator)[0] != name


def started(operator, process):
    return [line["process"] for line in operator.log("process_started") if line["process"].startswith(process)]


def requests_in_dispatcher(operator, name="resnet18"):
    metrics = operator.dispatcher_metrics(name)
    return metrics.get("dispatcher_queue_size") + metrics.get("dispatcher_in_flight")


def test_a_replaced_dispatcher_that_hangs_is_killed(start_operator):
    operator = start_operator(manifest(dispatcher={"requestTimeout": "1s"}), drain_timeout="1s")
    url = operator.wait_ready()
    name, pid = dispatcher_of(operator)
    os.kill(pid, signal.SIGSTOP)
    operator.write(manifest(dispatcher={"requestTimeout": "1s", "queueCapacity": 500}))
    wait_until(lambda: len(started(operator, "resnet18-dispatcher-")) == 2, 20, "the next dispatcher")
    killed, = operator.log("process_killed")
    assert killed["process"] == name
    assert predict(url).status_code == 200


def test_a_stop_while_a_replaced_dispatcher_finishes_its_queue_lets_it_finish(start_operator):
    operator = start_operator(manifest(), environment={"FAKE_SERVICE_SECONDS": "1"})
    url = operator.wait_ready()
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(predict, url) for _ in range(3)]
        wait_until(lambda: requests_in_dispatcher(operator) == 3, 10, "three requests in the dispatcher")
        operator.write(manifest(dispatcher={"queueCapacity": 500}))
        wait_until(lambda: operator.log("draining"), 10, "a dispatcher that finishes its queue")
        assert operator.stop(20) == 0
        assert [answer.result().status_code for answer in answers] == [200, 200, 200]


def test_a_service_that_comes_back_while_its_old_processes_finish_serves_again(start_operator):
    operator = start_operator([manifest("first"), manifest("second")], environment={"FAKE_SERVICE_SECONDS": "1.5"})
    url = operator.wait_ready("first")
    with ThreadPoolExecutor(1) as pool:
        old = pool.submit(predict, url)
        wait_until(lambda: requests_in_dispatcher(operator, "first") == 1, 10, "a request that is served")
        operator.write([manifest("second")])
        wait_until(lambda: operator.service("first") is None, 5, "the end of the first")
        operator.write([manifest("first"), manifest("second")])
        wait_until(lambda: len(started(operator, "first-dispatcher-")) == 2, 5, "a new dispatcher")
        assert not old.done()
        assert predict(operator.wait_ready("first")).status_code == 200
        assert old.result().status_code == 200
    assert len(set(started(operator, "first-"))) == len(started(operator, "first-"))


def test_a_renamed_manifest_keeps_its_service_and_is_followed_under_its_new_name(start_operator, tmp_path):
    folder = tmp_path / "followed"
    folder.mkdir()
    (folder / "b.yaml").write_text(json.dumps(manifest("moved")))
    operator = start_operator(manifest(), "--local", str(folder))
    wait_until(lambda: started(operator, "moved-dispatcher-"), 10, "its dispatcher")
    (folder / "b.yaml").rename(folder / "a.yaml")
    wait_until(lambda: [line for line in operator.log("manifest_changed") if line["file"].endswith("a.yaml")], 5, "the new name")
    assert len(started(operator, "moved-dispatcher-")) == 1
    (folder / "a.yaml").write_text(json.dumps(manifest("moved", dispatcher={"queueCapacity": 500})))
    wait_until(lambda: len(started(operator, "moved-dispatcher-")) == 2, 10, "the dispatcher of the edit")
    assert not operator.log("manifest_invalid")


def can_listen(address):
    try:
        socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET).close()
        return True
    except OSError:
        return False


@pytest.mark.parametrize("address, shown", [("127.0.0.2", "127.0.0.2"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")])
def test_services_listen_where_the_operator_is_told(start_operator, address, shown):
    if not can_listen(address):
        pytest.skip(f"this machine has no {address}")
    operator = start_operator(manifest(), "--address", address)
    url = operator.wait_ready()
    assert url.startswith(f"http://{shown}:")
    assert predict(url).status_code == 200
    wait_until(lambda: operator.condition("MetricsAvailable")["status"] == "True", 10, "the dispatcher's metrics")


def test_killing_the_operator_leaves_no_orphans(start_operator):
    operator = operator_of(start_operator)
    operator.wait_ready()
    children = operator.processes().values()
    assert len(children) == 2
    operator.process.kill()
    operator.process.wait()
    wait_until(lambda: not any(alive(pid) for pid in children), 5, "the end of every child")


def test_a_termination_lets_running_requests_finish(start_operator):
    operator = start_operator(manifest(), environment={"FAKE_SERVICE_SECONDS": "0.5"})
    url = operator.wait_ready()
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(predict, url) for _ in range(3)]
        time.sleep(0.4)
        assert operator.stop(20) == 0
        assert [answer.result().status_code for answer in answers] == [200, 200, 200]


def test_ctrl_c_twice_ends_everything_at_once(start_operator):
    operator = start_operator(manifest(), environment={"FAKE_SERVICE_SECONDS": "4"})
    url = operator.wait_ready()
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(predict, url)
        time.sleep(0.5)
        operator.signal(signal.SIGINT)
        time.sleep(0.3)
        before = time.monotonic()
        operator.signal(signal.SIGINT)
        assert operator.wait(10) == 0
        assert time.monotonic() - before < 2
        assert lost.exception() is not None


@pytest.mark.parametrize("how", ["renamed over", "in place", "touched only"])
def test_an_edit_is_noticed_within_a_second(start_operator, how):
    operator = start_operator(manifest(scaling={"paused": False}))
    operator.wait_ready()
    edited = manifest(scaling={"paused": how != "touched only"})
    before = time.monotonic()
    if how == "renamed over":
        operator.write(edited)
    elif how == "in place":
        operator.manifest_path.write_text(json.dumps(edited))
    else:
        os.utime(operator.manifest_path)
        time.sleep(0.7)
        assert operator.status()["observedGeneration"] == 1
        return
    wait_until(lambda: operator.events("Paused"), 5, "the edit")
    # A second, and what a busy machine adds.
    assert time.monotonic() - before < 2
    wait_until(lambda: operator.status()["observedGeneration"] == 2, 5, "the new generation")


def test_an_invalid_edit_keeps_the_old_spec_and_says_what_is_wrong(start_operator):
    operator = operator_of(start_operator, scaling={"queueTarget": 7})
    url = operator.wait_ready()
    operator.write(manifest(scaling={"queueTarget": 0}))
    event = wait_until(lambda: operator.events("InvalidSpec"), 5, "the event")[0]
    assert "services.yaml:7: spec.scaling.queueTarget" in event["message"] and "between 1 and 100000" in event["message"]
    wait_until(lambda: operator.condition("Ready")["reason"] == "InvalidEdit", 5, "the condition")
    assert predict(url).status_code == 200
    for text, fault in (("a: [1", "services.yaml:"), ("", "no InferenceService in this file")):
        operator.manifest_path.write_text(text)
        wait_until(lambda: fault in operator.events("InvalidSpec")[-1]["message"] and "queueTarget" not in
                   operator.events("InvalidSpec")[-1]["message"], 10, f"the event about {text!r}")
    assert predict(url).status_code == 200
    operator.write(manifest(scaling={"queueTarget": 8}))
    wait_until(lambda: operator.condition("Ready")["reason"] == "Serving", 5, "the valid spec")


def test_services_come_and_go_with_their_manifests(start_operator):
    operator = start_operator([manifest("first"), manifest("second")])
    urls = {operator.service(name)["endpoint"] for name in ("first",) if operator.wait_ready(name)}
    if CORES >= 2:
        urls.add(operator.wait_ready("second"))
        assert len(urls) == 2
    operator.write([manifest("second")])
    wait_until(lambda: operator.service("first") is None, 5, "the end of the first")
    wait_until(lambda: not [name for name in operator.processes() if name.startswith("first-")], 10, "no process of it")
    operator.wait_ready("second")


def test_a_new_model_takes_over_only_once_it_is_ready(start_operator):
    operator = operator_of(start_operator, model={"uri": "builtin://one"})
    url = operator.wait_ready()
    assert predict(url).json()["top"][0]["label"] == "builtin://one"
    load = Load(url, rate=10)
    operator.write(manifest(model={"uri": "builtin://two"}))
    wait_until(lambda: predict(url).json()["top"][0]["label"] == "builtin://two", 20, "the new model")
    assert set(load.stop()) == {200}


def test_a_worker_that_cannot_start_is_told_and_not_tried_in_a_hot_loop(start_operator):
    operator = start_operator(manifest(), environment={"FAKE_FAILURE": "sha256 mismatch"})
    wait_until(lambda: operator.condition("WorkersReady")["reason"] == "Crashed", 10, "the condition")
    assert "model_failed: sha256 mismatch" in operator.condition("WorkersReady")["message"]
    assert operator.condition("Ready")["reason"] == "WorkersNotReady"
    time.sleep(3)
    # By the log's own times, so that a busy machine changes nothing: the pauses are 10 ms, and twice the last ever after.
    starts = [datetime.datetime.fromisoformat(line["ts"]) for line in operator.log("process_started") if "-worker-" in line["process"]]
    pauses = [(later - earlier).total_seconds() for earlier, later in zip(starts, starts[1:])]
    assert len(pauses) >= 3
    assert all(pause >= 0.01 * 2 ** number - 0.002 for number, pause in enumerate(pauses)), pauses


def test_fewer_cores_than_workers_is_a_limit_and_not_an_error(start_operator):
    one = {min(os.sched_getaffinity(0))}
    operator = start_operator(manifest(scaling={"minReplicas": 2, "maxReplicas": 4}),
                              in_child=lambda: os.sched_setaffinity(0, one))
    operator.wait_ready(workers=1)
    limited = operator.condition("ScalingLimited")
    assert (limited["status"], limited["reason"]) == ("True", "NotEnoughCores")
    assert "this machine has 1" in limited["message"]
    assert len(operator.workers()) == 1


@two_cores
def test_every_worker_has_a_core_of_its_own_and_one_thread(start_operator):
    operator = start_operator(manifest(scaling={"minReplicas": 2}))
    operator.wait_ready(workers=2)
    cores = [os.sched_getaffinity(pid) for pid in operator.workers().values()]
    assert all(len(core) == 1 for core in cores) and len(set.union(*cores)) == 2
    for pid in operator.workers().values():
        environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert b"OMP_NUM_THREADS=1" in environment and b"OPENBLAS_NUM_THREADS=1" in environment


@two_cores
def test_under_external_the_count_is_what_spec_replicas_says(start_operator):
    operator = start_operator(manifest(replicas=2, scaling={"policy": "External"}))
    operator.wait_ready(workers=2)
    operator.write(manifest(replicas=1, scaling={"policy": "External"}))
    operator.wait_ready(workers=1)
    assert operator.status()["history"][0]["reason"] == "ExternalRequest"


@two_cores
def test_paused_keeps_the_count_whatever_the_load(start_operator):
    operator = start_operator(manifest(scaling={"paused": True, "queueTarget": 1}), environment={"FAKE_SERVICE_SECONDS": "0.2"})
    url = operator.wait_ready()
    load = Load(url, rate=8)
    time.sleep(4)
    assert operator.condition("Paused")["status"] == "True"
    assert len(operator.workers()) == 1
    load.stop()


def test_advice_is_in_status_event_metric_and_decision_log_and_nothing_is_done(start_operator):
    operator = start_operator(manifest(scaling={"mode": "Advise", "queueTarget": 1, "maxReplicas": 2}),
                              environment={"FAKE_SERVICE_SECONDS": "0.2"})
    url = operator.wait_ready()
    load = Load(url, rate=8)
    try:
        wait_until(lambda: operator.status().get("recommendedReplicas") == 2, 30, "advice")
    finally:
        load.stop()
    assert operator.condition("Paused")["reason"] == "AdviceOnly"
    assert "would go from 1 to 2" in operator.events("Advised")[0]["message"]
    assert not operator.events("ScaledUp") and len(operator.workers()) == 1
    decisions = [read_json(line)["decision"] for line in operator.decisions_path.read_text().splitlines()]
    assert any(decision.get("advised") == 2 and decision["to"] == 1 and decision["reason"] == "Advised" for decision in decisions)
    assert "eis_operator_recommended_replicas" in requests.get(f"http://127.0.0.1:{operator.ports['metrics']}/metrics", timeout=5).text


def test_advisors_count_what_the_dispatcher_measured_beside_the_acting_policy(start_operator):
    operator = start_operator(manifest(scaling={"maxReplicas": 2, "advisors": ["Latency", "Hpa70", "Kpa"]}),
                              environment={"FAKE_SERVICE_SECONDS": "0.1"})
    url = operator.wait_ready()
    load = Load(url, rate=6)
    try:
        advice = wait_until(lambda: (told := operator.status().get("advice", {})).get("requests", 0) > 30 and told, 40, "advice")
    finally:
        load.stop()
    assert [each["name"] for each in advice["advisors"]] == ["Latency", "Hpa70", "Kpa"]
    # A tenth of a second for each of six a second: one worker or two.
    seconds = advice["measuredSeconds"]
    assert seconds > 4
    for each in [advice["acting"], *advice["advisors"]]:
        assert seconds - 1 <= each["coreSeconds"] <= 2 * seconds + 1, each
        assert each["replicas"] in (1, 2), each
    metrics = Metrics(requests.get(f"http://127.0.0.1:{operator.ports['metrics']}/metrics", timeout=5).text)
    for policy in ("acting", "Latency", "Hpa70", "Kpa"):
        assert metrics.sum("eis_operator_advisor_core_seconds_total", policy=policy) >= seconds - 1, policy
    # Another list begins the sums anew; none ends them.
    operator.write(manifest(scaling={"maxReplicas": 2, "advisors": ["Keda"]}))
    wait_until(lambda: [each["name"] for each in operator.status()["advice"]["advisors"]] == ["Keda"], 10, "another advisor")
    operator.write(manifest(scaling={"maxReplicas": 2}))
    wait_until(lambda: "advice" not in operator.status(), 10, "the end of advice")


def test_decisions_on_standard_output_are_what_a_replay_reads(start_operator):
    operator = start_operator(manifest(), decisions="-", environment={"FAKE_SERVICE_SECONDS": "0.1"})
    for _ in range(3):
        assert predict(operator.wait_ready()).status_code == 200

    def decisions():
        lines = [line for line in operator.log_text().splitlines() if '"snapshot":' in line]
        return [read_json(line) for line in lines if line.endswith("}")]

    wait_until(lambda: len(decisions()) > 5 and (decisions()[-1]["snapshot"]["sample"] or {}).get("completions") == 3, 30, "decisions after the answers")
    assert all(line["settings"] and line["decision"] and line["id"] and line["ts"] for line in decisions())
    assert not operator.decisions_path.exists()
    # As kubectl logs gives it: with the operator's other lines between.
    both = operator.log_text()
    replayed = subprocess.run([BIN / "inference-bench", "policy", "--replay", "-", "--service", "default/resnet18", "--max", "3", "--runs", "1"],
                              input=both, capture_output=True, text=True, timeout=60)
    assert replayed.returncode == 0, replayed.stderr
    assert "Latency" in replayed.stdout


def test_the_link_token_is_for_this_user_alone(start_operator):
    operator = operator_of(start_operator)
    operator.wait_ready()
    token, = operator.directory.glob("inference-operator-*/*/token")
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert len(token.read_text().strip()) == 64
    for folder in (token.parent, token.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_operator_tells_prometheus_and_probes_how_it_is(start_operator):
    operator = operator_of(start_operator)
    operator.wait_ready()
    base = f"http://127.0.0.1:{operator.ports['metrics']}"
    assert requests.get(base + "/healthz", timeout=5).status_code == 200
    assert requests.get(base + "/readyz", timeout=5).status_code == 200
    metrics = Metrics(requests.get(base + "/metrics", timeout=5).text)
    service = frozenset({"namespace": "default", "name": "resnet18"}.items())
    assert metrics.samples["eis_operator_ready_replicas", service] == 1
    assert metrics.samples["eis_operator_desired_replicas", service] == 1
    assert metrics.samples["eis_operator_scrape_age_seconds", service] < 3
    assert metrics.get("eis_operator_leader") == 1
    assert metrics.get("eis_operator_reconciles_total", result="ok") >= 1
    assert metrics.sum("eis_operator_decisions_total") >= 1
    assert metrics.get("eis_operator_queue_depth") is not None


def run_operator(*arguments, **options):
    return subprocess.run([str(BIN / "inference-operator"), *map(str, arguments)], capture_output=True, text=True, timeout=20,
                          **options)


def test_invalid_manifests_are_refused_with_every_error(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("apiVersion: elasticinference.dev/v1alpha1\nkind: InferenceService\nmetadata: {name: Bad}\nspec:\n"
                    "  scaling:\n    minReplicas: 9\n    cooldwn: 3s\n  model: {uri: pvc://claim/x}\n")
    done = run_operator("--local", path)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{path}:3", f"{path}:6", f"{path}:7"]
    assert 'did you mean "cooldown"?' in lines[2]
    path.write_text("apiVersion: elasticinference.dev/v1alpha1\nkind: InferenceService\nmetadata: {name: good}\n"
                    "spec: {model: {uri: pvc://claim/x}}\n")
    assert "names a volume of a cluster" in run_operator("--local", path).stderr
    assert run_operator("--local", tmp_path / "nowhere.yaml").returncode == 1


@pytest.mark.parametrize(
    "flags, spec, says",
    [
        ((), {"worker": {"image": "evil/x:1"}}, None),
        ((), {"model": {"uri": "https://10.0.0.1/m.pth"}}, None),
        ((), {"model": {"uri": "https://169.254.169.254/m"}}, "spec.model.uri: Forbidden: "),
        ((), {"model": {"uri": "https://example.org/m.pt"}}, "spec.model.sha256: Required value: "),
        ((), {"model": {"uri": "file:///model/../x"}}, "no '.' or '..' in its path"),
        (("--allow-image", "r.example/team"), {"worker": {"image": "r.example/team/x:1"}}, None),
        (
            ("--allow-image", "r.example/team"),
            {"worker": {"image": "r.example/team-evil/x:1"}},
            'spec.worker.image: Forbidden: "r.example/team-evil/x:1": allowed is the operator\'s own, and images under '
            "r.example/team; an administrator can allow it with the operator's --allow-image (the chart's allow.images)",
        ),
        (("--allow-image", "none", "--worker-image", "w:1"), {"worker": {"image": "w:1"}}, None),
        (("--allow-image", "none", "--worker-image", "w:1"), {"worker": {"image": "w:2"}}, "allowed is w:1"),
        (("--allow-model-host", "a.example"), {"model": {"uri": "https://b.example/m"}}, "allowed hosts are a.example"),
        (("--allow-model-scheme", "builtin"), {"model": {"labels": "https://b.example/m"}}, "spec.model.labels: Forbidden: "),
        (("--allow-model-address", "private"), {"model": {"uri": "https://127.0.0.1/m"}}, "a loopback address"),
        (("--allow-toleration", "gpu"), {"worker": {"tolerations": [{"operator": "Exists"}]}}, "spec.worker.tolerations[0].key"),
        (
            ("--no-prometheus-query",),
            {"scaling": {"policy": "QueueRatio", "prometheusQuery": "x"}},
            "spec.scaling.prometheusQuery: Forbidden: queries are switched off",
        ),
    ],
)
def test_what_an_administrator_allows_is_told_by_once(tmp_path, flags, spec, says):
    path = tmp_path / "service.yaml"
    path.write_text(json.dumps({**manifest(), "spec": spec}))
    done = run_operator("--local", path, "--once", *flags)
    assert done.returncode == (1 if says else 0), done.stderr
    assert says is None or (done.stderr.startswith(f"{path}:1: ") and says in done.stderr)


@pytest.mark.parametrize("flags", [("--allow-model-host", "https://a.example"), ("--allow-claim", "a b"),
                                   ("--allow-model-scheme", "http"), ("--allow-model-address", "metadata")])
def test_a_wrong_permission_is_refused_by_its_flag(tmp_path, flags):
    path = tmp_path / "service.yaml"
    path.write_text(json.dumps(manifest()))
    done = run_operator("--local", path, "--once", *flags)
    assert done.returncode == 2
    assert flags[0] in done.stderr and "allowed are" in done.stderr


def test_a_signed_url_is_not_printed_by_once(tmp_path):
    path = tmp_path / "service.yaml"
    model = {"uri": "https://example.org/m.pth?mine=KEY", "labels": "https://example.org/l?mine=KEY"}
    path.write_text(json.dumps({**manifest(), "spec": {"model": model}}))
    done = run_operator("--local", path, "--once")
    assert done.returncode == 0, done.stderr
    assert "m.pth?[redacted]" in done.stdout and "KEY" not in done.stdout + done.stderr
    for uri, says in (("https:/example.org?sig=KEY", "spec.model.uri"), ("https://example.org/m?sig=KEY", "name it in uriQuerySecret")):
        path.write_text(json.dumps({**manifest(), "spec": {"model": {"uri": uri}}}))
        done = run_operator("--local", path, "--once")
        assert done.returncode == 1 and says in done.stderr and "KEY" not in done.stdout + done.stderr
    model = {"uri": "https://example.org/m.pth", "uriQuerySecret": "signed"}
    path.write_text(json.dumps({**manifest(), "spec": {"model": model}}))
    done = run_operator("--local", path, "--once")
    assert done.returncode == 1 and "spec.model.uriQuerySecret" in done.stderr and "file://" in done.stderr


def test_once_prints_the_plan_and_runs_nothing(tmp_path):
    path = tmp_path / "good.yaml"
    path.write_text(json.dumps(manifest(scaling={"minReplicas": 1, "maxReplicas": 3})))
    done = run_operator("--local", path, "--once")
    assert done.returncode == 0, done.stderr
    assert "default/resnet18" in done.stdout and '{"action":"EnsureWorkers","replicas":1}' in done.stdout
    assert '"cooldown":"2m30s"' in done.stdout


def test_what_only_a_cluster_acts_on_is_skipped_and_told(start_operator, tmp_path):
    sample = ROOT / "crds/samples/external-hpa.yaml"
    done = run_operator("--local", sample, "--once")
    assert done.returncode == 0, done.stderr
    assert "default/resnet18-hpa" in done.stdout
    assert done.stderr == f"{sample}:14: autoscaling/v2 HorizontalPodAutoscaler is skipped: only a cluster acts on it\n"
    operator = start_operator([manifest(), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}])
    operator.wait_ready()
    (line,) = operator.log("manifest_skipped")
    assert "v1 ConfigMap is skipped" in line["detail"]
    alone = tmp_path / "alone.yaml"
    alone.write_text("apiVersion: v1\nkind: ConfigMap\n")
    done = run_operator("--local", alone)
    assert done.returncode == 1
    assert "no InferenceService" in done.stderr and "ConfigMap is skipped" in done.stderr


def test_one_name_twice_is_refused(tmp_path):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(json.dumps(manifest()))
    done = run_operator("--local", tmp_path, "--once")
    assert done.returncode == 1 and "Duplicate value" in done.stderr


def test_a_terminal_gets_a_table_that_is_drawn_in_place(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(json.dumps(manifest()))
    main, side = pty.openpty()
    process = spawn(
        [str(BIN / "inference-operator"), "--local", str(path), "--dispatcher-port", "0", "--bin-dir", str(fake_bin_dir(tmp_path))],
        stdin=side, stdout=side, stderr=side, env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), "NO_COLOR": "1",
                                                   "TERM": "xterm"})
    os.close(side)
    seen = ""
    end = time.monotonic() + 20
    while "Ready  requests are answered" not in seen and time.monotonic() < end:
        seen += os.read(main, 65536).decode(errors="replace")
    process.send_signal(signal.SIGTERM)
    try:
        while True:
            more = os.read(main, 65536)
            if not more:
                break
            seen += more.decode(errors="replace")
    except OSError:
        pass
    assert process.wait(20) == 0
    assert "NAME" in seen and "LAST REASON" in seen and "curl -F image=@cat.jpg http://127.0.0.1:" in seen
    assert '"event"' not in seen  # log lines would run through the table
    assert "\x1b[31m" not in seen and "\x1b[32m" not in seen
