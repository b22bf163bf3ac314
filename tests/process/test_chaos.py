"""The short form of the chaos tests: real processes, everything that goes wrong in tests/chaos for a few seconds each. What is
asserted holds on any machine; the long form (./tests/run chaos) measures too."""
import contextlib
import os

import pytest

from tests.chaos import chaos, phases, report
from tests.chaos.scene import Scene

# Few enough for a busy machine of two cores: the two workers answer many times as many.
RATE_RPS = 8
pytestmark = [pytest.mark.alone, pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two workers need two cores")]


@contextlib.contextmanager
def scene_in(folder, **settings):
    # A queue that overload fills within seconds, and empties again.
    spec = {"scaling": {"minReplicas": 2, "maxReplicas": 2}, "dispatcher": {"requestTimeout": "20s", "queueCapacity": 40}}
    scene = Scene(folder, seed=1, spec=spec, **settings)
    try:
        yield scene
    finally:
        scene.close()


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with scene_in(tmp_path_factory.mktemp("chaos")) as scene:
        yield scene


def test_workers_that_are_killed_cost_no_answer(scene):
    assert phases.workers_die(scene, RATE_RPS, seconds=8, every=2.5)["kills"] >= 1


def test_a_dispatcher_is_replaced_unnoticed_and_one_that_is_killed_is_back_at_once(scene):
    phases.dispatcher_restarts(scene, RATE_RPS, seconds=6)


def test_under_overload_every_request_is_answered_or_told_why_not(scene):
    phases.overload(scene, capacity_rps=40, seconds=4)


def test_slow_clients_keep_no_honest_one_from_an_answer(scene):
    phases.slow_clients(scene, RATE_RPS, seconds=3, count=300)


def test_hostile_pictures_among_good_ones_cost_these_nothing(scene):
    phases.hostile_pictures(scene, RATE_RPS, seconds=4)


def test_a_worker_without_memory_is_no_client_s_fault(scene):
    phases.memory_runs_out(scene, RATE_RPS, seconds=4)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_full_disk_stops_nothing_that_runs(tmp_path):
    (tmp_path / "operator").mkdir()
    with phases.small_disk(tmp_path / "operator"), scene_in(tmp_path) as scene:
        phases.disk_fills(scene, RATE_RPS, seconds=4)
        scene.wait_whole()


@pytest.mark.skipif("asan" in os.environ.get("EI_BIN", ""), reason="AddressSanitizer must be the first library, and so must faketime")
def test_a_clock_that_jumps_is_not_noticed(tmp_path):
    clock = tmp_path / "clock"
    with scene_in(tmp_path, environment=phases.clock_environment(clock)) as scene:
        phases.clock_jumps(scene, clock, RATE_RPS, seconds=6)


def test_the_page_of_a_long_run_tells_what_was_kept_and_what_was_missed():
    results = {"capacity": {"seconds": 8, "fault": None, "figures": {"capacity_rps": 40}},
               "calm": {"seconds": 9, "fault": None, "figures": {"requests": 90, "ok": 88, "p99_ms": 12.3, "faults": {"429": 2}}},
               "overload": {"seconds": 9, "fault": "AssertionError: a | b\nc", "figures": {"goodput_ratio": 0.9}},
               "slow_clients": {"seconds": 9, "fault": None, "figures": {"requests": 9, "ok": 9, "p99_ms": 1, "faults": {}, "p99_ratio": 1.05}}}
    page = report.chaos_page(results, chaos.goals(results), report.provenance(12, 7, "./tests/run chaos --seconds 9"), 9, 10_000)
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert [row for row in rows if row.startswith("| calm")] == [
        "| calm | nothing goes wrong, to compare with | 90 | 88 | 12 ms | 2 429 | kept |"]
    assert any("overload" in row and "**broken**: AssertionError: a / b c" in row for row in rows)
    assert "| overload: goodput ratio | 0.9 | at least 0.95 | no |" in rows
    assert "| slow clients: p99 ratio | 1.05 | at most 1.1 | yes |" in rows
    assert "seed 7" in page and report.cpu_model() in page and "| capacity" not in page
