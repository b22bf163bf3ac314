"""`inference-bench hpa` between a driver that writes and reads line by line."""
import json
import subprocess

import pytest

from bench.processes import spawn
from tests.process.programs import BIN

POD = {"name": "a", "ready": True, "started_s": -600, "transition_s": -590, "cpu_millicores": 900, "metrics_time_s": 0,
       "window_s": 15.2}


def line(time_s, **fields):
    return json.dumps({"time_s": time_s, "current": 1, "pods": [POD], **fields}) + "\n"


def run(*flags, lines=""):
    return subprocess.run([str(BIN / "inference-bench"), "hpa", *flags], input=lines, capture_output=True, text=True, timeout=30)


def test_each_answer_is_there_before_the_next_line_is_written():
    with spawn([BIN / "inference-bench", "hpa", "--target-percent", "90", "--sync", "2"], text=True,
               stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1) as filter_:
        for second in range(4):
            filter_.stdin.write(line(second))
            if second % 2 == 0:
                assert json.loads(filter_.stdout.readline()) == {"time_s": second, "proposal": 1, "desired": 1}
        filter_.stdin.close()
        assert filter_.stdout.read() == ""
    assert filter_.returncode == 0


def test_an_answer_without_metrics_has_no_proposal():
    done = run(lines=line(0, pods=[]))
    assert json.loads(done.stdout) == {"time_s": 0, "proposal": None, "desired": 1}


def test_a_bad_line_is_named_and_ends_it():
    done = run(lines=line(0) + "\n" + line(1, current="many") + line(2))
    assert done.returncode == 1
    assert done.stderr == "error: line 3: current is \"many\"; allowed: a whole number from 0 to 100000\n"
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("flags, says", [(("--min", "3", "--max", "2"), "--min"), (("--target-percent", "0"), "--target-percent")])
def test_flags_that_make_no_sense_are_refused(flags, says):
    done = run(*flags)
    assert done.returncode == 2
    assert says in done.stdout + done.stderr
