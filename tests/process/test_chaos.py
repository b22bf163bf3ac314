"""The short form of the chaos tests: real processes, everything that goes wrong in tests/chaos for a few seconds each. What is
asserted holds on any machine; the long form (./tests/run chaos) measures too."""
import contextlib
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "chaos"))

import phases  # noqa: E402
from scene import Scene  # noqa: E402

pytestmark = pytest.mark.alone

# Few enough for a busy machine of two cores: the two workers answer many times as many.
RATE_RPS = 8
pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two workers need two cores")


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
