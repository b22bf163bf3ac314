"""The comparison of autoscalers on this machine, and the parts it is made of."""
import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml

from bench.compare import local_run
from bench.processes import spawn
from bench.waiting import wait_until
from tests.process.programs import BIN, ROOT

pytestmark = pytest.mark.alone

needs_two_cores = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="a second worker needs a second core")


def start(*flags, **popen):
    return spawn([sys.executable, "-m", "bench.compare.local", *flags], cwd=ROOT, text=True,
                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "EI_BIN": str(BIN)}, **popen)


def rows(path):
    with open(path, newline="") as table:
        return list(csv.DictReader(table))


@needs_two_cores
def test_a_run_under_the_hpa_leaves_a_whole_result_and_ends_with_its_figures(tmp_path):
    trace = tmp_path / "trace.txt"
    trace.write_text("2 " * 5 + "10 " * 20 + "2 " * 5)
    out = tmp_path / "out"
    run = start("--scaler", "hpa50", "--trace", trace, "--seconds", 30, "--seed", 5_000_001, "--out", out)
    stdout, stderr = run.communicate(timeout=240)
    assert run.returncode == 0, stderr
    (figures,) = json.loads(stdout.splitlines()[-1])["runs"]
    about = json.loads((out / "experiment.json").read_text())
    sent = rows(out / "hpa50/requests.csv")
    assert figures["scaler"] == "hpa50" and figures["requests"] == len(sent) == sum(about["trace"]["seconds"])
    assert 29 <= figures["core_seconds"] <= 62 and 0 < figures["used_core_seconds"] < figures["core_seconds"]
    assert about["kind"] == "local" and about["max_replicas"] <= len(os.sched_getaffinity(0)) and len(about["notes"]) >= 2
    series = rows(out / "hpa50/series.csv")
    assert {0, 15, 29} <= {int(row["time_s"]) for row in series}
    assert all(row["allocated_cores"] == row["replicas"] for row in series)
    assert any(row["queue"] != "" for row in series)
    inputs = [json.loads(line) for line in (out / "hpa50/hpa_inputs.jsonl").read_text().splitlines()]
    assert inputs[-1]["pods"][0]["ready"] and inputs[-1]["pods"][0]["cpu_seconds_total"] > 0
    # Of an HPA at 50 % the simulator has no row, of the peers it has.
    assert [row["scaler"] for row in json.loads(stdout.splitlines()[-1])["simulated_peers"]] == ["kpa", "keda"]
    assert (out / "report.html").exists() and yaml.safe_load((out / "manifests/hpa50.yaml").read_text())["spec"]["replicas"] == 1


def test_ended_early_it_leaves_no_process(tmp_path):
    run = start("--scaler", "ours", "--seconds", 30, "--seed", 5_000_002, "--out", tmp_path / "out")
    log = tmp_path / "out/ours/operator.log"
    wait_until(lambda: log.exists() and "process_ready" in log.read_text(), 60, "a service")
    children = [json.loads(line)["pid"] for line in log.read_text().splitlines() if "process_started" in line]
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=30)
    assert run.returncode == 130
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children), 10, "the service's processes to end")


@pytest.mark.parametrize("flags, says", [
    (("--scaler", "ours,kpa"), "'kpa' is not allowed: ours, or hpa with a percentage"),
    (("--scaler", "ours,ours"), "each only once"),
    (("--seconds", "5"), "argument --seconds: 5 is less than 30"),
    (("--trace", "/no/such/file"), "is no file"),
])
def test_flags_that_make_no_sense_are_refused(flags, says):
    run = start(*flags)
    _, stderr = run.communicate(timeout=30)
    assert run.returncode == 2 and says in stderr


def test_the_hpa_is_obeyed_through_the_manifest(tmp_path):
    path = tmp_path / "service.yaml"
    local_run.write_manifest(path, local_run.manifest_of("hpa70", 1, 2))
    hpa = local_run.Hpa(BIN, 70, 1, 2, 7, path)
    try:
        began = int(time.time())
        worker = {"pid": 1, "started": began - 600, "ready_since": began - 599, "leaving": False}
        for second in range(60):  # told as fast as it listens: a core in full use
            hpa.tell(began + second, {"w": worker}, {"w": 600 + second})
        wait_until(lambda: yaml.safe_load(path.read_text())["spec"]["replicas"] == 2, 10, "the second replica")
    finally:
        hpa.stop()
    clock = local_run.Clock(time.time())
    (event,) = hpa.events_on(clock)
    assert (event["from"], event["to"], event["reason"]) == (1, 2, "HpaSync")
    assert event["message"] == "the CPU in use asks for 2; after stabilisation and limits 2"
    assert hpa.inputs_on(clock)[0]["pods"][0]["transition_s"] - hpa.inputs_on(clock)[0]["pods"][0]["started_s"] == pytest.approx(1)


def test_workers_are_read_off_the_log_as_it_grows(tmp_path):
    log = tmp_path / "operator.log"
    workers = local_run.Workers(log)
    workers.update()

    def write(event, process, **fields):
        with open(log, "a") as file:
            file.write(json.dumps({"ts": "2026-11-24T03:00:00Z", "event": event, "process": process, **fields}) + "\n")
        workers.update()
    write("process_started", "a-dispatcher-1", pid=1)
    write("process_started", "a-worker-2", pid=os.getpid())
    assert list(workers.alive) == ["a-worker-2"] and workers.ready() == 0
    write("process_ready", "a-worker-2")
    assert workers.ready() == 1 and workers.cpu_seconds()["a-worker-2"] > 0
    write("process_leaving", "a-worker-2")
    assert workers.ready() == 0 and list(workers.alive) == ["a-worker-2"]
    with open(log, "a") as file:
        file.write('{"ts": "2026-')  # a line that is being written
    workers.update()
    with open(log, "a") as file:
        file.write('11-24T03:00:01Z", "event": "process_ended", "process": "a-worker-2"}\n')
    workers.update()
    assert workers.alive == {}
