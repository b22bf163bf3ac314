"""A service on this machine for the demo and for comparisons: the operator's process, what it says of the service, and
what one of its workers can carry."""
import contextlib
import json
import math
import os
import pathlib
import statistics
import subprocess
import threading
import time
import urllib.request

from bench.processes import end, spawn
from bench.waiting import Failed, wait_until

# The operator reads its dispatcher once a second and writes its status four times a second.
POLL_SECONDS = 0.2
READY_SECONDS = 60  # a worker starts in a second; the first read of its libraries from a slow disk takes longer
CALIBRATION_SECONDS, ASKING_SECONDS = 2.4, 0.3
REQUEST_TIMEOUT_SECONDS = 20


def usable_cores():
    """As the operator counts them: what this process may run on, cut to its control group's quota."""
    cores = len(os.sched_getaffinity(0))
    with contextlib.suppress(OSError, ValueError):  # no quota: no such file, or "max 100000"
        quota, period = map(int, pathlib.Path("/sys/fs/cgroup/cpu.max").read_text().split())
        cores = min(cores, max(1, math.ceil(quota / period)))
    return cores


def predict(endpoint, path):
    kind = "image/png" if path.suffix.lower() == ".png" else "image/jpeg"
    request = urllib.request.Request(endpoint + "/predict", path.read_bytes(), {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_SECONDS) as answer:
        return json.load(answer)


def pictures_of(folder):
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not files:
        raise Failed(f"{folder} holds no .jpg, .jpeg or .png")
    return files


def ask(service, files):
    """Answers to pictures one after the other: asks half of the time, so that no second worker is called for, and without a
    pause for a while, as a worker that is asked now and then finds cold caches and a sleeping core."""
    answers = []
    stop = time.monotonic() + CALIBRATION_SECONDS
    while time.monotonic() < stop:
        pause = time.monotonic() + ASKING_SECONDS
        while time.monotonic() < pause:
            try:
                answers.append(predict(service.endpoint, files[len(answers) % len(files)]))
            except OSError as error:
                raise Failed(f"the first pictures were not answered: {error}") from error
        time.sleep(time.monotonic() - pause + ASKING_SECONDS)
    return answers


def calibrate(service, files):
    """(requests per second one worker carries, an answer)."""
    answers = ask(service, files)
    busy_ms = [answer["timing"]["total_ms"] - answer["timing"]["queue_ms"] for answer in answers]
    return 1000 / statistics.median(busy_ms), answers[-1]


class Service:
    """`inference-operator --local` with one manifest; `samples` are what its status said over time."""

    def __init__(self, programs, manifest, folder, table=False, flags=()):
        """programs, folder: paths; table: let the operator draw its live table on this terminal; flags: more of them."""
        self.folder = folder
        self.status_path = folder / "status.json"
        self.log_path = folder / "operator.log"
        for old in (self.status_path, self.log_path):  # of an earlier run into the same folder
            old.unlink(missing_ok=True)
        self.samples = []  # (monotonic time, status)
        self.endpoint = ""
        command = [programs / "inference-operator", "--local", manifest, "--bin-dir", programs, "--drain-timeout", "5s",
                   "--status-json", self.status_path, "--decision-log", folder / "decisions.jsonl",
                   "--log-file", self.log_path, *flags]
        # The log has its own file; standard error hears only of an operator that cannot start.
        with open(folder / "operator.err", "wb") as errors:
            if table:
                self.process = spawn(command, stderr=errors)
            else:
                self.process = spawn([*command, "--no-table"], stdout=subprocess.DEVNULL, stderr=errors)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def _follow(self):
        while not self.stopping.wait(POLL_SECONDS):
            try:
                services = json.loads(self.status_path.read_text())["services"]
            except FileNotFoundError:
                continue
            if services:
                self.samples.append((time.monotonic(), services[0]["status"]))
                self.endpoint = services[0]["endpoint"]

    @property
    def status(self):
        return self.samples[-1][1] if self.samples else {}

    def ready(self):
        return any(c["type"] == "Ready" and c["status"] == "True" for c in self.status.get("conditions", []))

    def wait_for(self, condition, deadline):
        """True once condition() is, False at the deadline or when the operator has ended."""
        with contextlib.suppress(Failed):
            wait_until(lambda: condition() or self.process.poll() is not None, deadline - time.monotonic(), interval=0.05)
        return condition()

    def wait_ready(self):
        if not self.wait_for(self.ready, time.monotonic() + READY_SECONDS):
            ended = self.process.poll()
            how = f"was not ready within {READY_SECONDS} s" if ended is None else f"never got ready: the operator ended with {ended}"
            raise Failed(f"the service {how}: {self.last_words()}")

    def last_words(self):
        """The end of what it logged, warnings and errors first of all."""
        logged = self.log_path.read_text(errors="replace").splitlines() if self.log_path.exists() else []
        bad = [line for line in logged if '"level":"error"' in line or '"level":"warn"' in line]
        said = (self.folder / "operator.err").read_text(errors="replace").splitlines()
        return "\n".join([*said, *(bad or logged)[-5:]])

    def stop(self):
        self.stopping.set()
        self.thread.join()
        end(self.process, 20)
