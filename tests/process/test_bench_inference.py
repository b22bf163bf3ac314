"""`./bench/run inference` as a program, with the least counts and nobody from the package index."""
import csv
import json
import os
import subprocess
import sys

import pytest

from tests.process.programs import BIN, ROOT

pytest.importorskip("torch")
pytest.importorskip("torchvision")
RUN = [sys.executable, "-m", "bench.inference.run"]


def run(*flags):
    return subprocess.run([*RUN, *map(str, flags)], cwd=ROOT, capture_output=True, text=True, timeout=600,
                          env={**os.environ, "EI_BIN": str(BIN)})


def test_it_measures_each_precision_and_ends_with_json(tmp_path):
    done = run("--rounds", 1, "--passes", 1, "--starts", 1, "--peers", "none", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    names = {row["name"] for row in result["passes"]}
    assert {"ours fp32", "ours int8"} <= names
    assert all(row["median_ms"] > 0 and row["passes"] == 1 for row in result["passes"])
    assert set(result["decode_ms"]) == {"500x375", "12MP"}
    assert result["start"]["int8"]["peak_mib"] > 0
    assert result["ratios"]["our int8 / our fp32"] > 0
    assert result["ratios"]["our int8 / openvino int8"] is None
    with open(tmp_path / "passes.csv", newline="") as file:
        assert {row["name"] for row in csv.DictReader(file)} == names


@pytest.mark.parametrize("flags, words", [
    (["--rounds", "0"], "--rounds: is 0; allowed are 1 to 10000"),
    (["--core", "4711"], "--core: is 4711; allowed are ["),
    (["--peers", "some"], "invalid choice: 'some'"),
])
def test_a_bad_flag_is_told(flags, words):
    done = run(*flags)
    assert done.returncode == 2
    assert words in done.stderr
