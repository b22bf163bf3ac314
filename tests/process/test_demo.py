"""The demo as its users run it, on programs that are built already, and whether its exit code tells the truth."""
import json
import os
import pathlib
import pty
import signal
import subprocess

import pytest

from bench.processes import spawn
from bench.waiting import wait_until
from tests.process import picture_files
from tests.process.local import alive, fake_bin_dir
from tests.process.programs import BIN, ROOT

pytestmark = pytest.mark.alone

needs_two_cores = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="a second worker needs a second core")


@pytest.fixture
def environment(tmp_path):
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    return {**os.environ, "EI_BIN": str(BIN), "TMPDIR": str(scratch), "PYTHONPATH": str(ROOT)}


@pytest.fixture(autouse=True)
def leaves_nothing_behind(tmp_path):
    """No process that knows the test's folder, and nothing in its folder for temporary files."""
    yield
    wait_until(lambda: not processes_of(tmp_path), 15, "every process of the demo to end")
    assert not list((tmp_path / "tmp").iterdir())


def processes_of(folder):
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in command and int(path.name) != os.getpid() and alive(path.name):
            found.append(command.replace(b"\0", b" ").decode())
    return found


def command(tmp_path, *flags):
    return [str(ROOT / "bench/demo"), "--out", str(tmp_path / "out"), "--json", str(tmp_path / "demo.json"), *map(str, flags)]


def run(tmp_path, environment, *flags):
    done = subprocess.run(command(tmp_path, *flags), env=environment, capture_output=True, text=True, timeout=240)
    path = tmp_path / "demo.json"
    return done, json.loads(path.read_text()) if path.exists() else None


def fake_programs(tmp_path):
    """The real programs, but for a worker that names every picture after the model."""
    folder = fake_bin_dir(tmp_path)
    for name in ("inference-operator", "inference-bench"):
        (folder / name).symlink_to((BIN / name).resolve())
    return folder


@needs_two_cores
def test_the_demo_answers_every_picture_and_scales_up_and_back_down(tmp_path, environment):
    done, result = run(tmp_path, environment, "--seconds", 30)
    assert done.returncode == 0, done.stderr + done.stdout
    assert set(result) == {"requests", "ok", "errors", "p50_ms", "p99_ms", "replicas_peak", "replicas_final", "prediction",
                           "accuracy", "weights"}
    assert result["requests"] == result["ok"] > 20 and result["errors"] == 0
    assert 0 < result["p50_ms"] <= result["p99_ms"]
    assert result["replicas_peak"] > result["replicas_final"] == 1
    assert result["accuracy"] >= 0.95
    assert result["weights"] == "builtin://shapes"
    label, share = result["prediction"].split(": ")
    assert label and share.endswith("%")
    assert (tmp_path / "out/demo.png").read_bytes().startswith(b"\x89PNG")


@needs_two_cores
def test_wrong_labels_make_the_demo_fail(tmp_path, environment):
    environment |= {"EI_BIN": str(fake_programs(tmp_path)), "FAKE_SERVICE_SECONDS": "0.05"}
    done, result = run(tmp_path, environment, "--seconds", 25)
    assert done.returncode == 1, done.stderr
    assert "only 0.0 % of the labels are right" in done.stderr
    assert result["accuracy"] == 0 and result["ok"] == result["requests"]


@needs_two_cores
def test_pictures_of_the_users_own_need_no_labels(tmp_path, environment):
    environment |= {"EI_BIN": str(fake_programs(tmp_path)), "FAKE_SERVICE_SECONDS": "0.05"}
    images = tmp_path / "images"
    images.mkdir()
    (images / "one.jpg").write_bytes(picture_files.picture())
    (images / "two.png").write_bytes(picture_files.picture("PNG"))
    done, result = run(tmp_path, environment, "--seconds", 25, "--images", images)
    assert done.returncode == 0, done.stderr
    assert result["accuracy"] is None
    assert "labels" not in done.stderr


def test_a_worker_that_cannot_run_makes_the_demo_fail_and_say_why(tmp_path, environment):
    broken = fake_programs(tmp_path)
    (broken / "inference-worker").unlink()
    done, result = run(tmp_path, {**environment, "EI_BIN": str(broken)})
    assert done.returncode == 1 and result is None
    assert "inference-worker is needed" in done.stderr


def test_an_operator_that_ends_makes_the_demo_fail_and_say_why(tmp_path, environment):
    broken = fake_programs(tmp_path)
    (broken / "inference-operator").unlink()
    (broken / "inference-operator").write_text("#!/bin/sh\necho no more memory >&2\nexit 3\n")
    (broken / "inference-operator").chmod(0o755)
    done, result = run(tmp_path, {**environment, "EI_BIN": str(broken)})
    assert done.returncode == 1 and result is None
    assert "ended with 3" in done.stderr and "no more memory" in done.stderr


def test_options_out_of_range_are_refused(tmp_path, environment):
    for flags, words in ((["--seconds", "5"], "25 to 3600"), (["--images", tmp_path / "none"], "no folder"),
                         (["--json", tmp_path / "none/demo.json"], "no folder")):
        done, result = run(tmp_path, environment, *flags)
        assert done.returncode == 2 and words in done.stderr and result is None


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_demo_that_is_ended_ends_all_it_started(tmp_path, environment, number, code):
    programs = fake_programs(tmp_path)
    # As a terminal starts it: what runs in a script's background ignores Ctrl-C, and its children do too.
    demo = spawn(command(tmp_path, "--seconds", 60), env={**environment, "EI_BIN": str(programs)},
                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                 in_child=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        wait_until(lambda: (tmp_path / "out/requests.csv").exists(), 60, "the load")
        demo.send_signal(number)
        assert demo.wait(30) == code
    finally:
        demo.kill()
    wait_until(lambda: not processes_of(tmp_path), 20, "every process of the demo to end")
    if number == signal.SIGKILL:  # nobody was left to remove the pictures
        for path in (tmp_path / "tmp").glob("elastic-inference-demo-*"):
            for picture in path.rglob("*.*"):
                picture.unlink()
            (path / "pictures").rmdir()
            path.rmdir()


def test_on_a_terminal_the_demo_shows_the_live_table(tmp_path, environment):
    programs = fake_programs(tmp_path)
    screen, terminal = pty.openpty()
    demo = spawn(command(tmp_path, "--seconds", 60), env={**environment, "EI_BIN": str(programs)},
                 stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown = b""
    try:
        def table():
            nonlocal shown
            shown += os.read(screen, 65536)
            return b"Elastic Inference on this machine" in shown and b"resnet18" in shown and b"DESIRED" in shown.upper()
        wait_until(table, 60, "the table")
    finally:
        demo.terminate()
        while True:
            try:
                if not os.read(screen, 65536):
                    break
            except OSError:  # the last one has closed the terminal
                break
        os.close(screen)
        assert demo.wait(30) == 130
