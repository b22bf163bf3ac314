"""Traces and decision logs as people have them: packed, cut, scaled, wrong, endless."""
import bz2
import gzip
import json
import subprocess

import pytest

from tests.process.programs import BIN


def trace(*flags, stdin=b""):
    done = subprocess.run([str(word) for word in (BIN / "inference-bench", "trace", *flags)], input=stdin, capture_output=True, timeout=60)
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    return done


@pytest.mark.parametrize("pack", [lambda text: text, gzip.compress, bz2.compress, lambda text: gzip.compress(text[:4]) + gzip.compress(text[4:]),
                                  lambda text: bz2.compress(text[:4]) + bz2.compress(text[4:])],
                         ids=["plain", "gzip", "bzip2", "two members", "two streams"])
def test_a_trace_is_read_however_it_is_packed(tmp_path, pack):
    (tmp_path / "trace").write_bytes(pack(b"1 2\n3,4\n"))
    assert trace("--trace", tmp_path / "trace").stdout.split() == ["1", "2", "3", "4"]
    assert trace("--trace", "-", stdin=pack(b"1 2\n3,4\n")).stdout.split() == ["1", "2", "3", "4"]


def test_a_window_is_cut_out_and_scaled(tmp_path):
    (tmp_path / "trace").write_text("9 1 2 4 9")
    assert trace("--trace", tmp_path / "trace", "--window", "1s+3", "--scale-to", "8").stdout.split() == ["2", "4", "8"]


def test_minutes_are_spread_and_the_seed_is_told(tmp_path):
    (tmp_path / "invocations.csv").write_text("HashOwner,HashApp,HashFunction,Trigger,1,2\no,a,f,http,100,20\n")
    done = trace("--trace", tmp_path / "invocations.csv", "--seed", "7")
    counts = [int(line) for line in done.stdout.split()]
    assert [sum(counts[:60]), sum(counts[60:]), len(counts)] == [100, 20, 120]
    assert "--seed 7" in done.stderr


@pytest.mark.parametrize("content, says", [
    (b"1\n2\nthree", "line 3: 'three': requests in a second"),
    (gzip.compress(b"1 2 3")[:-6], "gzip: "),
    (bz2.compress(b"1 2 3")[:-6], "bzip2: the data end too early"),
    (b"BZh9 is no trace", "bzip2: the data are broken"),
    (gzip.compress(bytes([10]) * (600 << 20), 1), "more than 536870912 bytes, unpacked"),
    (b"\x00\xff\xfe", "line 1: '???'"),
], ids=["word", "cut gzip", "cut bzip2", "broken", "inflating", "binary"])
def test_a_file_that_is_no_trace_is_named_with_what_is_wrong(tmp_path, content, says):
    (tmp_path / "trace").write_bytes(content)
    done = trace("--trace", tmp_path / "trace")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(f"error: {tmp_path}/trace: ") and says in done.stderr


def test_targets_are_columns_of_the_tables_and_of_the_files(tmp_path):
    (tmp_path / "trace").write_text("5 " * 30 + "25 " * 30)
    done = subprocess.run([BIN / "inference-bench", "policy", "--trace", tmp_path / "trace", "--service-ms", "100", "--runs", "1",
                           "--slo", "500ms,1s", "--out", tmp_path / "out"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert ">500ms % in time/core-s" in done.stdout and "\n  bound " in done.stdout
    for cell in json.loads(done.stdout.splitlines()[-1])["cells"]:
        half, whole = cell["slo"]
        assert half["target_ms"] == 500 and half["late_ratio"] == cell["late_ratio"] >= whole["late_ratio"]
        assert whole["goodput_per_core_second"] >= half["goodput_per_core_second"] > 0
    assert "late_ratio_1000ms,goodput_per_core_second_1000ms" in (tmp_path / "out/cells.csv").read_text()


@pytest.mark.parametrize("value", ["500", "fast", "500ms,,1s", "1ms", "1s,1s,1s,1s,1s"])
def test_a_target_that_is_none_is_refused(tmp_path, value):
    (tmp_path / "trace").write_text("5 5 5")
    done = subprocess.run([BIN / "inference-bench", "policy", "--trace", tmp_path / "trace", "--slo", value], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 1 and "--slo '" in done.stderr and "10ms and 60s" in done.stderr
