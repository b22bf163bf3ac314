"""What the comparisons count and make of what they see: the clock, the series, the events, the used cores, the manifests."""
import contextlib
import json
import os
import pathlib
import stat
import subprocess

import pytest
import yaml

from bench.compare import cluster, experiment, flags, hpa_model, manifests, prometheus, runs, simulated, watch

BIN = pathlib.Path(os.environ.get("EI_BIN", experiment.ROOT / "build/release/bin"))
needs_bench = pytest.mark.skipif(not (BIN / "inference-bench").exists(), reason="inference-bench is not built")
SETTINGS = runs.Settings(cpu="150m", memory="512Mi", target="500ms", least=1, most=6, seed=1, idle_s=0)


def pod(name="w", ready="True", created="2026-01-01T00:00:00Z", changed="2026-01-01T00:00:05Z", **meta):
    status = {"startTime": created, "phase": "Running", "podIP": "10.0.0.1",
              "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": changed}]}
    ports = [{"name": "http", "containerPort": 8000}, {"name": "metrics", "containerPort": 9001}]
    return {"metadata": {"name": name, "namespace": "n", "creationTimestamp": created, **meta}, "status": status,
            "spec": {"containers": [{"ports": ports}]}}


def rows_of(**columns):
    return [dict(zip(("time_s", *columns), values)) for values in zip(range(len(next(iter(columns.values())))), *columns.values())]


# Counting ---------------------------------------------------------------------------------------------------------


def test_core_seconds_are_the_sum_over_the_trace_alone():
    rows = [{"time_s": -1, "allocated_cores": 9.0}, *rows_of(allocated_cores=[0.15, 0.15, 0.3, 0.3]), {"time_s": 4, "allocated_cores": 9.0}]
    assert experiment.core_seconds(rows, 4) == pytest.approx(0.9)


def test_a_second_that_was_not_seen_counts_as_the_one_before():
    assert experiment.core_seconds(rows_of(allocated_cores=[1.0, None, 2.0]), 4) == pytest.approx(1 + 1 + 2 + 2)
    rows = [{"time_s": -1, "allocated_cores": 3.0}, {"time_s": 1, "allocated_cores": 1.0}]
    assert experiment.core_seconds(rows, 2) == pytest.approx(3 + 1)


def test_samples_become_a_row_for_each_second():
    samples = [{"time_s": -0.9, "desired": 1}, {"time_s": 0.1, "desired": 2}, {"time_s": 1.05, "desired": 3}]
    rows = experiment.by_second(samples)
    assert [(row["time_s"], row["desired"]) for row in rows] == [(-1, 1), (0, 2), (1, 3)]


def test_what_was_not_seen_for_three_seconds_is_unknown():
    rows = experiment.by_second([{"time_s": 0.1, "desired": 2}, {"time_s": 6.1, "desired": 4}])
    assert [row.get("desired") for row in rows] == [2, 2, 2, 2, None, None, 4]


def test_events_are_the_changes_of_the_wanted_number():
    history = [{"to": 3, "reason": "BurstSeen", "formula": "f"}, {"to": 3, "reason": "older", "formula": ""}]
    rows = rows_of(desired=[1, 1, None, 3, 3, 2], history=[[], [], [], history, [], history])
    assert experiment.events_of(rows, watch.reason_of_ours) == [
        {"time_s": 3, "from": 1, "to": 3, "reason": "BurstSeen", "message": "f"},
        {"time_s": 5, "from": 3, "to": 2, "reason": "", "message": ""},
    ]


def test_an_autoscalers_events_say_why():
    above = "New size: 2; reason: cpu resource utilization (percentage of request) above target"
    below = "New size: 2; reason: All metrics below target"
    why = watch.reason_of_hpa([{"reason": "SuccessfulRescale", "note": below}, {"reason": "SuccessfulRescale", "note": above}])
    assert "above" in why({}, 1, 2)[1] and "below" in why({}, 3, 2)[1] and why({}, 2, 4)[1] == ""


def test_a_series_is_read_as_it_was_written(tmp_path):
    experiment.write_series(tmp_path / "series.csv", [{"time_s": -1, "desired": 1, "used_cores": 0.12345, "history": []}, {"time_s": 0, "queue": 7.0}])
    first, second = experiment.read_series(tmp_path / "series.csv")
    assert (first["time_s"], first["desired"], first["used_cores"], first["queue"]) == (-1, 1, 0.1235, None)
    assert (second["queue"], second["desired"]) == (7, None)


def test_used_cores_are_spread_between_measurements():
    used = watch.cores_by_second({"a": [(2.0, 0.4), (4.0, 1.4)], "b": [(3.5, 1.0), (4.5, 1.5)]}, {"a": 0.0}, -1, 6)
    assert used[-1] == 0
    assert (used[0], used[1]) == pytest.approx((0.2, 0.2))  # from its start at zero
    assert (used[2], used[3], used[4]) == pytest.approx((0.5, 0.5 + 0.25, 0.25))
    assert sum(used.values()) == pytest.approx(1.4 + 0.5)


def test_a_counter_that_fell_or_stood_used_nothing():
    assert sum(watch.cores_by_second({"a": [(0.0, 5.0), (1.0, 1.0), (1.0, 2.0), (2.0, 2.0)]}, {}, 0, 3).values()) == 0


# The load ---------------------------------------------------------------------------------------------------------


def test_the_busiest_minute_wants_five_of_six_workers():
    trace = [5] * 100 + [40] * 60 + [5] * 100
    assert experiment.busy_rps(trace) == 40
    scale = experiment.fitting_scale(trace, worker_rps=10)
    assert 4 > scale * 40 / 10 > 3.5


def test_a_trace_without_requests_is_refused():
    with pytest.raises(experiment.Failed):
        experiment.fitting_scale([0, 0], 10)


@needs_bench
def test_the_course_trace_is_printed_and_scaled(tmp_path):
    trace = experiment.read_trace(BIN)
    assert (len(trace), sum(trace)) == (630, 9917)
    assert sum(experiment.read_trace(BIN, scale=0.5)) == pytest.approx(9917 / 2, abs=1)
    file = tmp_path / "mine.txt"
    file.write_text("1, 2 3\n# a comment\n4\n")
    assert experiment.read_trace(BIN, file) == [1, 2, 3, 4]
    refused = subprocess.run([BIN / "inference-bench", "trace", "--shape", "round"], capture_output=True, text=True, timeout=10)
    assert refused.returncode == 2 and "--shape" in refused.stderr


def test_a_shortened_trace_has_the_same_rates():
    assert experiment.quickened(list(range(10)), 3) == [0, 3, 6, 9]


# What the API says ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quantity, expected", [("149872310n", 150), ("150m", 150), ("2", 2000), ("0", 0), ("1500u", 2), ("1n", 1)])
def test_a_cpu_quantity_is_rounded_up_to_thousandths(quantity, expected):
    assert watch.millicores(quantity) == expected


@pytest.mark.parametrize("text, expected", [("14.798s", 14.798), ("1m0.5s", 60.5), ("500ms", 0.5), ("1h", 3600)])
def test_durations_as_go_writes_them(text, expected):
    assert watch.duration_s(text) == pytest.approx(expected)


def test_a_leaving_pod_exists_but_is_not_ready():
    seen = watch.observed(7.0, [pod("a"), pod("b", deletionTimestamp="2026-01-01T00:01:00Z"), pod("c", ready="False")],
                          {"status": {"desiredReplicas": 2}})
    assert (seen["replicas"], seen["ready"], seen["desired"]) == (3, 1, 2)


def test_a_start_is_from_creation_to_ready():
    assert watch.start_of(pod("a"))[2] == 5
    assert watch.start_of(pod("a", ready="False")) is None


def test_the_autoscalers_inputs_are_on_the_runs_clock():
    metrics = {"items": [{"metadata": {"name": "a"}, "timestamp": "2026-01-01T00:00:20Z", "window": "15s",
                          "containers": [{"usage": {"cpu": "100m"}}, {"usage": {"cpu": "1n"}}]}]}
    start = watch.seconds_of("2026-01-01T00:00:00Z")
    line = watch.on_clock(watch.hpa_input(start + 30.5, 2, [pod("b", ready="False"), pod("a")], metrics), experiment.Clock(start + 10))
    assert (line["time_s"], line["current"]) == (20.5, 2)
    a, b = line["pods"]
    assert a == {"name": "a", "ready": True, "started_s": -10, "transition_s": -5, "deleting": False, "pending": False,
                 "cpu_millicores": 101, "metrics_time_s": 10, "window_s": 15}
    assert "cpu_millicores" not in b and not b["ready"]


def test_prometheus_finds_pods_and_kubelets():
    node = {"metadata": {"name": "k"}, "status": {"addresses": [{"type": "InternalIP", "address": "10.9.9.9"}],
                                                  "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}}}}
    going = pod("going", deletionTimestamp="2026-01-01T00:01:00Z")
    near = prometheus.targets([pod("a"), going], [node], "https://api:6443", proxied=False)
    assert [each["targets"] for each in near["pods"] + near["nodes"]] == [["10.0.0.1:9001"], ["10.9.9.9:10250"]]
    far = prometheus.targets([pod("a")], [node], "https://api:6443", proxied=True)
    assert far["pods"][0]["labels"]["__metrics_path__"] == "/api/v1/namespaces/n/pods/a:9001/proxy/metrics"
    assert {each["targets"][0] for each in far["pods"] + far["nodes"]} == {"api:6443"}


def test_only_the_policy_differs_between_the_runs():
    ours = yaml.safe_load(manifests.of("ours", SETTINGS))
    theirs, hpa = yaml.safe_load_all(manifests.of("hpa90", SETTINGS))
    assert ours["spec"]["scaling"].pop("latencyTarget") == "500ms"
    assert (ours["spec"]["scaling"].pop("policy"), theirs["spec"]["scaling"].pop("policy")) == ("Latency", "External")
    assert ours == theirs
    assert hpa["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 90 and "behavior" not in hpa["spec"]


# The HPA's model --------------------------------------------------------------------------------------------------


def test_readings_may_be_those_of_the_next_look():
    first = {"time_s": 0, "current": 1, "pods": [{"name": "a", "ready": True, "cpu_millicores": 5}, {"name": "gone", "cpu_millicores": 6}]}
    second = {"time_s": 1, "current": 2, "pods": [{"name": "a", "ready": False, "cpu_millicores": 9}]}
    assert hpa_model.read_ahead([first, second]) == [
        {"time_s": 0, "current": 1, "pods": [{"name": "a", "ready": True, "cpu_millicores": 9}, {"name": "gone"}]}]


def test_only_what_the_model_asks_for_itself_is_its_own():
    lines = [{"time_s": at, "current": current} for at, current in enumerate([1, 1, 1, 2, 2, 2, 3])]
    following = [{"time_s": at, "desired": line["current"]} for at, line in enumerate(lines)]
    assert hpa_model.proposed(following, lines) == []
    asking = [{"time_s": 1, "desired": 2}, {"time_s": 2, "desired": 2}, {"time_s": 4, "desired": 3}, {"time_s": 6, "desired": 3}]
    assert hpa_model.proposed(asking, lines) == [(1, 2), (4, 3)]


@pytest.mark.parametrize("model, apart, why", [
    ([(11, 2), (31, 3)], 1, "the same, a second later"),
    ([(11, 2), (31, 3), (58, 2)], 1, "what either does in the last period the other may do after it"),
    ([(11, 2)], float("inf"), "one change too few"),
    ([(11, 2), (31, 4)], float("inf"), "another count"),
])
def test_model_and_controller_agree_on_all_that_both_had_the_time_for(monkeypatch, model, apart, why):
    counts = [1] * 10 + [2] * 20 + [3] * 25 + [2] * 5
    lines = [{"time_s": at, "current": count, "pods": []} for at, count in enumerate(counts)]
    # Only with this phase does the model look when the controller does.
    monkeypatch.setattr(hpa_model, "replayed", lambda program, seen, flags: model if flags[-1] == 11 else [])
    real, fitting, seen_apart = hpa_model.agreement("program", lines, 15, [])
    assert real == [(10, 2), (30, 3)]
    assert (fitting, seen_apart) == ([each for each in model if each[0] <= 44], apart), why


# The simulator beside the runs ------------------------------------------------------------------------------------

# 20 s of service in 100 requests, all of the same length.
COUNTERS = {"completions": [0, 100], "service_seconds": [0, 20], "service_seconds_squared": [0, 4]}
UNSEEN = {**COUNTERS, "service_seconds": None}


def test_service_times_are_what_the_counters_grew_by():
    assert simulated.service_of(**COUNTERS) == (pytest.approx(0.2), pytest.approx(0))


@pytest.mark.parametrize("counters", [UNSEEN, {**COUNTERS, "completions": [7, 7]}])
def test_counters_that_nobody_saw_or_that_stood_tell_no_service_time(counters):
    assert simulated.service_of(**counters) is None


def compared(tmp_path, monkeypatch, words, counters=COUNTERS, programs=BIN):
    """What experiment.json says after cluster.py without a cluster: its runs find their counters and starts made up."""
    class MadeUp:
        own, hpa_inputs, starts = True, [], {"w": (0.0, 3.0)}

        def __init__(self, *arguments):
            self.out = arguments[-1]

        def version(self):
            return "none"

        def stop(self):
            pass

        def play(self, scaler, trace, trace_file):
            self.out.mkdir()
            (self.out / "service.json").write_text(json.dumps(counters))
            return {"p50_ms": 1, "p99_ms": 2, "errors": 0}

    monkeypatch.setenv("EI_BIN", str(programs))
    for name in ("Prometheus", "Run"):
        monkeypatch.setattr(cluster, name, MadeUp)
    monkeypatch.setattr(cluster, "provide", lambda *_: MadeUp(None))
    monkeypatch.setattr(cluster, "calibrate", lambda *_: (5.0, 5.0))
    monkeypatch.setattr(cluster, "make_pictures", lambda *_: None)
    trace = tmp_path / "mine.txt"
    trace.write_text("5 " * 60)
    chosen = flags.cluster([*words, "--trace", str(trace), "--scale", "1", "--out", str(tmp_path / "out")])
    with contextlib.ExitStack() as stack:
        cluster.experiment(chosen, stack)
    return json.loads((tmp_path / "out/experiment.json").read_text())


@needs_bench
def test_peers_are_simulated_whoever_is_run(tmp_path, monkeypatch):
    about = compared(tmp_path, monkeypatch, ["--scaler", "hpa90,hpa70"])
    assert about["scalers"] == ["hpa90", "hpa70"] and list(about["manifests"]) == about["scalers"]
    assert [row["scaler"] for row in about["simulated"]] == ["hpa90", "hpa70", "kpa", "keda"]
    assert all(row["core_seconds"] > 0 for row in about["simulated"])
    assert {path.name for path in (tmp_path / "out/sim").iterdir()} == {"hpa90.csv", "hpa70.csv"}
    assert "(200 ms, squared coefficient of variation 0.00) and 3.0 s" in about["notes"][-1]


@needs_bench
def test_runs_whose_counters_nobody_saw_are_kept(tmp_path, monkeypatch):
    about = compared(tmp_path, monkeypatch, ["--scaler", "hpa70,ours", "--peers", ""], counters=UNSEEN)
    assert about["scalers"] == ["hpa70", "ours"] and about["simulated"] == []
    assert about["notes"][-1] == "The dispatcher told no service times: nothing was simulated."


@needs_bench
def test_a_simulator_that_fails_is_told_and_costs_no_run(tmp_path, monkeypatch):
    program = tmp_path / "bin/inference-bench"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n[ "$1" != policy ] || {{ echo broken; exit 1; }}\nexec {BIN.resolve()}/inference-bench "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    about = compared(tmp_path, monkeypatch, ["--scaler", "ours,hpa70"], programs=program.parent)
    assert about["scalers"] == ["ours", "hpa70"] and about["simulated"] == []
    assert about["notes"][-1].startswith("The simulation failed: ") and "broken" in about["notes"][-1]


# The flags --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words, code, says", [
    (["--help"], 0, "--peers"),
    (["--local", "--help"], 0, "--peers"),
    (["--scaler", "ours,kpa"], 2, "'kpa' is not allowed"),
    (["--scaler", "ours,ours"], 2, "each only once"),
    (["--peers", "hpa70"], 2, "'hpa70' is not allowed"),
    (["--trace", "/no/such/file"], 2, "is no file"),
    (["--cpu", "many"], 2, "'many' is none"),
    (["--max", "0"], 2, "less than 1"),
    (["--local", "--max", "3"], 2, "unrecognized arguments"),
])
def test_flags_are_read_before_anything_is_installed_or_built(tmp_path, words, code, says):
    for name in ("dpkg-query", "apt-get", "cmake", "ninja"):
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/touched\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run([experiment.ROOT / "bench/run", "cluster", *words], capture_output=True, text=True, timeout=30,
                          env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.returncode == code and says in done.stdout + done.stderr
    assert not (tmp_path / "touched").exists()
