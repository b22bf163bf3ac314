"""`inference-bench policy` as a program: its last line, its exit codes, and what it says of input that it cannot use."""
import json
import subprocess

import pytest

from tests.process.programs import BIN

MANIFEST = """apiVersion: elasticinference.dev/v1alpha1
kind: InferenceService
metadata: {name: a}
spec: {scaling: {maxReplicas: 3}}
"""
RECORD = {
    "now_ns": 1, "snapshot": {"sample": None, "current": 1, "workers": []}, "decision": {"from": 1, "to": 1},
    "settings": {"policy": "Latency", "queue_target": 50, "min_replicas": 1, "max_replicas": 6, "cooldown_ms": 150000,
                 "latency_target_ms": 500, "interval_ms": 1000, "paused": False, "on_metrics_loss": "Hold", "external_replicas": 1}}


def policy(*flags):
    return subprocess.run([str(word) for word in (BIN / "inference-bench", "policy", *flags)], capture_output=True, text=True,
                          timeout=120)


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "trace.txt"
    path.write_text("5 " * 60)
    return path


def test_the_last_line_is_the_cells_as_json(trace, tmp_path):
    done = policy("--trace", trace, "--service-ms", 100, "--runs", 1, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    cells = json.loads(done.stdout.splitlines()[-1])["cells"]
    assert [cell["policy"] for cell in cells] == ["Latency", "QueueRatio", "Hpa70", "Hpa90", "Kpa", "Keda", "Planner"]
    assert (tmp_path / "out/cells.csv").exists() and (tmp_path / "out/timeline/Kpa.csv").exists()
    assert "100 ms, rate x1: 0.5 of 6" in done.stdout


def test_bounds_alone_are_another_setting_for_a_recorded_load(tmp_path):
    def record(second):
        sample = {"at_ns": second * 10**9, "arrivals": 30 * second, "completions": 30 * second, "service_seconds": 3 * second,
                  "service_seconds_squared": 0.3 * second, "late": 0, "queue": 0, "in_flight": 3, "oldest_age_seconds": 0,
                  "epoch": 1}
        return {**RECORD, "now_ns": second * 10**9, "snapshot": {"sample": sample, "current": 1, "workers": []}}
    log = tmp_path / "log"
    log.write_text("".join(json.dumps(record(second)) + "\n" for second in range(1, 60)))
    done = policy("--replay", log, "--max", 2, "--runs", 1)
    assert done.returncode == 0, done.stderr
    assert "under the bounds asked for" in done.stdout
    late = {cell["shape"]: cell["late_ratio"] for cell in json.loads(done.stdout.splitlines()[-1])["cells"]
            if cell["policy"] == "Latency"}
    assert late["replay_changed"] > late["replay"]  # three are busy all the time


@pytest.mark.parametrize("flag, text, says", [
    ("--trace", "1, two", "line 1: 'two'"),
    ("--trace", "# nothing\n", "the trace is empty"),
    ("--manifest", "kind: Pod", "apiVersion"),
    ("--manifest", MANIFEST.replace("3", "many"), "maxReplicas"),
    ("--replay", "{\n{\n", "line 1"),
    ("--replay", json.dumps({**RECORD, "settings": {**RECORD["settings"], "interval_ms": 0}}) + "\n", "settings.interval_ms is 0"),
    ("--replay", json.dumps(RECORD) + "\n", "too short"),
])
def test_input_that_cannot_be_used_is_an_error_with_its_reason(tmp_path, flag, text, says):
    (tmp_path / "input").write_text(text)
    done = policy("--quick", "--runs", 1, flag, tmp_path / "input")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: ") and says in done.stderr


@pytest.mark.parametrize("flags", [("--trace", "/no/such/file"), ("--runs", "0"), ("--service-ms", "10"), ("--nonsense",)])
def test_wrong_flags_are_refused(flags):
    assert policy(*flags).returncode == 2


def test_a_schedule_of_the_manifest_holds_from_begin_on(trace, tmp_path):
    scheduled = tmp_path / "scheduled.yaml"
    entry = '[{cron: "0 8 * * *", timeZone: Europe/Berlin, duration: 1h, minReplicas: 3}]'
    scheduled.write_text(MANIFEST.replace("maxReplicas: 3", "maxReplicas: 3, schedule: " + entry))
    wanted = {}
    for begin in ("2026-01-05T07:30:00Z", "2026-01-05T09:30:00Z"):
        out = tmp_path / begin
        done = policy("--trace", trace, "--service-ms", 20, "--runs", 1, "--manifest", scheduled, "--begin", begin, "--out", out)
        assert done.returncode == 0, done.stderr
        rows = (out / "timeline/Latency.csv").read_text().splitlines()
        wanted[begin] = rows[31].split(",")[1]
        assert (out / "timeline/Hpa70.csv").read_text().splitlines()[31].split(",")[1] == "1", "an HPA knows no clock"
    assert list(wanted.values()) == ["3", "1"]
    refused = policy("--trace", trace, "--begin", "monday")
    assert refused.returncode == 1 and "--begin 'monday': it must be a time such as" in refused.stderr
