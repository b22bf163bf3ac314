"""The load generator against the real dispatcher and against servers that misbehave."""
import csv
import http.server
import json
import subprocess
import threading
import time

import pytest

from bench.processes import spawn
from bench.waiting import wait_until
from tests.process.background import Background
from tests.process.fake_worker import WorkingWorker
from tests.process.picture_files import picture
from tests.process.plain_json import read_json
from tests.process.programs import BIN

pytestmark = pytest.mark.alone


@pytest.fixture
def images(tmp_path):
    """Three pictures; the labels say that two of them show a cat."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.jpg").write_bytes(picture())
    (folder / "labels.csv").write_text("file,label,index\na.jpg,cat,0\nb.jpg,cat,0\nc.jpg,dog,1\n")
    return folder


class Result:
    def __init__(self, process, folder):
        self.code = process.returncode
        self.text = process.stdout + process.stderr
        self.summary = read_json((folder / "summary.json").read_text()) if (folder / "summary.json").exists() else None
        self.seconds = self._rows(folder / "seconds.csv")
        self.requests = self._rows(folder / "requests.csv")

    @staticmethod
    def _rows(path):
        if not path.exists():
            return None
        with open(path, newline="") as table:
            return list(csv.DictReader(table))


@pytest.fixture
def load(tmp_path, images):
    def run(url, *flags):
        command = [str(BIN / "inference-bench"), "load", "--url", url, "--images", str(images),
                   "--json", str(tmp_path / "summary.json"), "--csv", str(tmp_path / "seconds.csv"),
                   "--requests-csv", str(tmp_path / "requests.csv"), *map(str, flags)]
        return Result(subprocess.run(command, capture_output=True, text=True, timeout=120), tmp_path)
    return run


@pytest.fixture
def toy_server():
    """Starts HTTP servers that run a function for every POST."""
    servers = []

    def start(post):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                post(self)

            def reply(self, status, body=b"{}"):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/predict"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_every_picture_of_a_trace_is_answered_checked_and_written_down(dispatcher, link, load, tmp_path):
    link(WorkingWorker, name="cat")  # answers every picture with its name
    (tmp_path / "trace").write_text("10, 0, 20  # requests in each second\n")
    result = load(dispatcher.url + "/predict", "--trace", tmp_path / "trace", "--scale", "2", "--seed", "7")
    assert result.code == 0, result.text
    assert "seed 7" in result.text
    summary = result.summary
    assert (summary["requests"], summary["ok"], summary["errors"], summary["seed"]) == (60, 60, 0, 7)
    assert summary["labelled"] == 60 and summary["accuracy"] == pytest.approx(2 / 3)
    assert 0 < summary["p50_ms"] <= summary["p99_ms"] <= summary["max_ms"]
    assert sum(int(row["offered"]) for row in result.seconds) == 60
    assert sum(int(row["completed"]) for row in result.seconds) == 60
    assert len(result.requests) == 60
    assert {row["file"] for row in result.requests} == {"a.jpg", "b.jpg", "c.jpg"}
    for row in result.requests:
        assert row["status"] == "200" and row["label"] == "cat" and row["fault"] == ""
        assert row["right"] == ("0" if row["file"] == "c.jpg" else "1")
        assert float(row["intended_s"]) <= float(row["sent_s"]) <= float(row["ended_s"])
    assert dispatcher.metrics().sum("dispatcher_completions_total") == 60


def test_the_same_seed_sends_at_the_same_times(dispatcher, link, load):
    link(WorkingWorker)
    flags = ("--rate", 30, "--seconds", 1)

    def times(seed):
        return sorted(row["intended_s"] for row in load(dispatcher.url + "/predict", *flags, "--seed", seed).requests)
    first = times(3)
    assert times(3) == first
    assert times(4) != first


@pytest.mark.parametrize("connections", [1, 256])
def test_a_stalled_server_is_charged_for_everyone_who_waited(dispatcher, link, load, tmp_path, connections):
    """A load of 50/s for 2 s; the worker stands still for its first 2 s. Were a request sent only after the answer to
    the last (coordinated omission), one would be slow. From the intended times all are, by what was left of the stall."""
    worker = link()
    stall = 2

    def serve():
        job = worker.take(timeout=30)
        time.sleep(stall)
        for _ in range(99):
            worker.answer(job)
            job = worker.take(timeout=30)
        worker.answer(job)
    serving = Background(serve)
    (tmp_path / "trace").write_text("50\n50\n")
    result = load(dispatcher.url + "/predict", "--trace", tmp_path / "trace", "--connections", connections)
    serving.result()
    assert result.summary["requests"] == result.summary["ok"] == 100
    first = min(float(row["sent_s"]) for row in result.requests)
    for row in result.requests:
        assert float(row["latency_ms"]) >= 1000 * (first + stall - float(row["intended_s"])) - 1, row
    assert result.summary["p50_ms"] > 1000 * stall / 3
    assert result.summary["max_ms"] >= 1000 * stall
    if connections == 1:
        # Nobody else had a connection until the stall's end: that wait is counted, and told apart.
        assert result.summary["send_delay_p99_ms"] > 1000 * stall / 2
    else:
        assert result.summary["send_delay_p99_ms"] < 1000 * stall / 2


def test_refusals_are_counted_by_their_status_and_are_no_latency(load, toy_server):
    answered = []

    def post(request):
        answered.append(1)
        request.reply(429 if len(answered) % 2 else 200)
    result = load(toy_server(post), "--rate", 50, "--seconds", 1)
    assert result.code == 0, result.text
    summary = result.summary
    assert summary["faults"] == {"http_429": summary["errors"]}
    assert summary["ok"] + summary["errors"] == summary["requests"] == len(answered)
    assert sum(int(row["errors"]) for row in result.seconds) == summary["errors"] > 0
    assert summary["accuracy"] == 0  # answers without a label are not right


def test_a_server_that_never_answers_ends_the_run_in_time_with_timeouts(load, toy_server):
    end = threading.Event()
    started = time.monotonic()
    try:
        result = load(toy_server(lambda request: end.wait(60)), "--rate", 20, "--seconds", 1, "--timeout", "500ms",
                      "--connections", 4)
    finally:
        end.set()
    assert time.monotonic() - started < 10
    summary = result.summary
    assert summary["errors"] == summary["requests"] > 4
    assert summary["faults"] == {"timeout": summary["requests"]}
    # Even the least that is known of them counts: dropping them would hide the stall.
    assert summary["p50_ms"] >= 499


def test_nobody_listening_is_an_error_for_each_request(load):
    result = load("http://127.0.0.1:1/predict", "--rate", 20, "--seconds", 0.5)
    assert result.code == 0, result.text
    assert result.summary["faults"] == {"unavailable": result.summary["requests"]}


def test_wrong_input_is_refused_before_anything_is_sent(load, tmp_path):
    url = "http://127.0.0.1:1/predict"
    (tmp_path / "trace").write_text("10, ten\n")
    (tmp_path / "empty").mkdir()
    for flags, code, words in (
        ([], 2, "--trace or --rate"),
        (["--rate", "0"], 2, "--rate"),
        (["--rate", "1", "--trace", tmp_path / "trace"], 2, "excludes"),
        (["--trace", tmp_path / "trace"], 1, "ten"),
        (["--rate", "1", "--timeout", "soon"], 1, "--timeout"),
        (["--rate", "1e9"], 1, "at most"),
    ):
        result = load(url, *flags)
        assert result.code == code and words in result.text, (flags, result.text)
        assert result.summary is None
    assert load("ftp://127.0.0.1/", "--rate", "1").code == 1


def test_an_interrupted_run_says_so_and_tells_what_it_has(dispatcher, link, images, tmp_path):
    link(WorkingWorker)
    command = [str(BIN / "inference-bench"), "load", "--url", dispatcher.url + "/predict", "--images", str(images),
               "--rate", "50", "--seconds", "60", "--json", str(tmp_path / "summary.json")]
    running = spawn(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: dispatcher.metrics().sum("dispatcher_completions_total") > 10, what="some answers")
    running.terminate()
    _, errors = running.communicate(timeout=20)
    assert running.returncode == 130
    assert "interrupted" in errors
    assert json.loads((tmp_path / "summary.json").read_text())["ok"] >= 10
