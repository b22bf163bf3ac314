"""`./bench/run dispatcher` as a program, with the least counts."""
import csv
import json
import os
import subprocess
import sys

import pytest

from tests.process.programs import BIN, ROOT

pytest.importorskip("cv2")
pytest.importorskip("aiohttp")
RUN = [sys.executable, "-m", "bench.dispatcher.run"]


def run(*flags, binaries=BIN):
    return subprocess.run([*RUN, *map(str, flags)], cwd=ROOT, capture_output=True, text=True, timeout=300,
                          env={**os.environ, "EI_BIN": str(binaries)})


def test_it_measures_each_way_and_ends_with_json(tmp_path):
    done = run("--rounds", 1, "--seconds", 1, "--rate", 40, "--idle", 20, "--peers", "aiohttp", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    rows = {(row["name"], row["way"]): row for row in result["rows"]}
    assert set(rows) == {("ours", "raw"), ("ours", "form"), ("aiohttp", "form"), ("direct", "raw")}
    assert all(row["requests"] > 0 and row["errors"] == 0 for row in rows.values())
    assert all(row["cpu_ms"] > 0 for (name, _), row in rows.items() if name != "direct")
    assert rows["direct", "raw"]["added_p50_ms"] == 0
    assert result["ratios"]["form, our CPU / aiohttp's"] > 0
    assert result["ratios"]["raw, our CPU / haproxy's"] is None
    assert set(result["idle_mb"]) == {"ours"}
    assert [row["waiting"] for row in result["queue"]] == [10, 1000, 100000]
    with open(tmp_path / "turns.csv", newline="") as file:
        assert {(row["name"], row["way"]) for row in csv.DictReader(file)} == set(rows)


@pytest.mark.parametrize("flags, words", [
    (["--rounds", "0"], "--rounds: is 0; allowed are 1 to 10000"),
    (["--peers", "envoy"], "--peers: has 'envoy'; allowed are haproxy, nginx and aiohttp"),
    (["--core", "4711"], "--core: is 4711; allowed are ["),
])
def test_a_bad_flag_is_told(flags, words):
    done = run(*flags)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_dispatcher_that_does_not_start_is_told_in_one_line(tmp_path):
    program = tmp_path / "bin/inference-dispatcher"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    done = run("--peers", "", "--out", tmp_path / "out", binaries=program.parent)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == f"==> FAILED: the dispatcher ended with 3: see {tmp_path}/out/dispatcher.log\n"
