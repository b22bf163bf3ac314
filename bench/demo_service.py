"""The operator of a demo run: its process, and what it says of the service."""
import ctypes
import json
import signal
import subprocess
import threading
import time

PR_SET_PDEATHSIG = 1  # linux/prctl.h
# The operator reads its dispatcher once a second and writes its status four times a second.
POLL_SECONDS = 0.2
LIBC = ctypes.CDLL(None)


def end_with_parent():
    """In a child: SIGTERM when this process ends, however it ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def spawn(command, **options):
    """A child in a session of its own, so that Ctrl-C reaches this process alone, which ends the child in order."""
    return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, start_new_session=True,
                            preexec_fn=end_with_parent, **options)


def end(process, patience_seconds):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Service:
    """`inference-operator --local` with one manifest; `samples` are what its status said over time."""

    def __init__(self, programs, manifest, folder, table):
        """programs, folder: paths; table: let the operator draw its live table on this terminal."""
        self.folder = folder
        self.status_path = folder / "status.json"
        self.log_path = folder / "operator.log"
        for old in (self.status_path, self.log_path):  # of an earlier run into the same folder
            old.unlink(missing_ok=True)
        self.samples = []  # (monotonic time, status)
        self.endpoint = ""
        command = [programs / "inference-operator", "--local", manifest, "--bin-dir", programs, "--drain-timeout", "5s",
                   "--status-json", self.status_path, "--decision-log", folder / "decisions.jsonl",
                   "--log-file", self.log_path]
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
        while time.monotonic() < deadline:
            if condition():
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(0.05)
        return condition()

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
