"""A service on this machine with real workers, load on it whose every answer is checked, and what both must keep to while
things go wrong. The chaos tests, short and long, and the soak are made of these."""
import concurrent.futures
import contextlib
import csv
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

from bench.processes import spawn
from bench.waiting import wait_until
from tests.process.local import LocalOperator, alive, manifest
from tests.process.picture_files import picture
from tests.process.programs import BIN, ROOT
from tests.process.raw_client import RawClient

WORKERS = 2
# A status that says the truth about a request that was not served: too many, no worker, two workers lost, too late.
HONEST = {"http_429", "http_502", "http_503", "http_504"}
READY_SECONDS = 90  # two real workers on a busy machine
PICTURES = 24


def draw_pictures(folder):
    """Pictures of shapes, the same every time."""
    subprocess.run([sys.executable, ROOT / "inference/train/shapes.py", "--out", folder, "--count", str(PICTURES),
                    "--seed", "4711", "--format", "mixed"], check=True, stdout=subprocess.DEVNULL, timeout=120)
    return folder


def learn_answers(url, folder):
    """Asks for every picture once, while all is calm, and writes the answers down as the labels to expect: from then on a
    picture with another answer got somebody else's."""
    import requests
    rows = ["file,label"]
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".png", ".jpg"):
            continue
        kind = "image/png" if path.suffix == ".png" else "image/jpeg"
        answer = requests.post(url + "/predict", data=path.read_bytes(), headers={"Content-Type": kind}, timeout=60)
        assert answer.status_code == 200, (path.name, answer.status_code, answer.text)
        rows.append(f"{path.name},{answer.json()['top'][0]['label']}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")


class Load:
    """`inference-bench load`, running: requests at times fixed beforehand, whatever becomes of the earlier ones."""

    def __init__(self, scene, rate_rps, seconds, timeout="30s", connections=256):
        self.folder = scene.directory / f"load{next(scene.numbers)}"
        self.folder.mkdir()
        self.process = spawn(
            [str(BIN / "inference-bench"), "load", "--url", scene.url + "/predict", "--images", str(scene.pictures),
             "--rate", str(rate_rps), "--seconds", str(seconds), "--timeout", timeout, "--connections", str(connections),
             "--seed", str(scene.dice.randrange(1 << 30)), "--requests-csv", str(self.folder / "requests.csv"),
             "--json", str(self.folder / "summary.json")],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.patience = seconds + 120

    def running(self):
        return self.process.poll() is None

    def result(self):
        text, _ = self.process.communicate(timeout=self.patience)
        assert self.process.returncode == 0, text
        with open(self.folder / "requests.csv", newline="") as table:
            return Outcome(list(csv.DictReader(table)), json.loads((self.folder / "summary.json").read_text()))

    def kill(self):
        if self.running():
            self.process.kill()
        self.process.wait()


class Outcome:
    """What became of every request of a load."""

    def __init__(self, rows, summary):
        self.rows, self.summary = rows, summary
        self.ok = sum(row["fault"] == "" for row in rows)
        self.faults = {}
        for row in rows:
            if row["fault"]:
                self.faults[row["fault"]] = self.faults.get(row["fault"], 0) + 1

    def check(self, allowed=frozenset(HONEST)):
        """One outcome for each request, the right answer or an error of `allowed`."""
        numbers = [int(row["request"]) for row in self.rows]
        assert sorted(numbers) == list(range(len(numbers))), "a request without an outcome, or with two"
        wrong = [row for row in self.rows if row["fault"] == "" and row["right"] != "1"]
        assert not wrong, f"{len(wrong)} answers of another picture: {wrong[:3]}"
        unexpected = {fault: count for fault, count in self.faults.items() if fault not in allowed}
        assert not unexpected, f"of {len(self.rows)} requests: {unexpected}; allowed: {sorted(allowed)}"
        return self

    def answered_rps(self, seconds):
        """Right answers a second while the load lasted, its first second left out."""
        return sum(row["fault"] == "" and 1 < float(row["ended_s"]) <= seconds for row in self.rows) / (seconds - 1)

    def figures(self):
        return {"requests": len(self.rows), "ok": self.ok, "faults": self.faults,
                "p50_ms": self.summary.get("p50_ms"), "p99_ms": self.summary.get("p99_ms")}


class Auditor:
    """One client with one kept connection that asks under names of its own and reads every byte that comes back: an answer
    that comes twice, or to somebody else's question, shows here. A connection that is cut is opened again and counted."""

    def __init__(self, scene, pause_seconds=0.2):
        import base64
        self.port = int(scene.url.rsplit(":", 1)[1])
        self.data = base64.b64encode(picture("PNG", size=(32, 32))).decode()
        self.pause_seconds = pause_seconds
        self.statuses, self.cuts, self.fault = [], 0, None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _ask(self, client, name):
        body = json.dumps({"id": name, "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [self.data]}]})
        client.send(f"POST /v2/models/resnet18/infer HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        status, headers, answer = client.response(timeout=60)
        self.statuses.append(status)
        if status == 200 and json.loads(answer)["id"] != name:
            self.fault = f"asked as {name}, answered {answer[:200]!r}"
        if client.buffer:
            self.fault = f"bytes after an answer: {client.buffer[:200]!r}"
        return headers.get("connection", "").lower() != "close"

    def _run(self):
        client, number = None, 0
        while not self.stopping.wait(self.pause_seconds) and not self.fault:
            try:
                # A dispatcher that leaves closes who waits between two requests; every client's pool looks for that first.
                if client and client.left():
                    client.close()
                    client = None
                client = client or RawClient(self.port)
                number += 1
                if not self._ask(client, f"audit-{number}"):
                    client.close()
                    client = None
            except OSError:
                self.cuts += 1
                if client:
                    client.close()
                client = None

    def stop(self):
        self.stopping.set()
        self.thread.join(90)
        assert not self.thread.is_alive(), "a request was left without an answer"
        assert not self.fault, self.fault
        return {"audited": len(self.statuses), "cuts": self.cuts}


class Scene:
    """An operator with one service of real workers (two), its address and its pictures."""

    def __init__(self, directory, seed, environment=(), spec=None, flags=(), workers=WORKERS):
        self.count = workers
        self.directory = pathlib.Path(directory)
        self.dice = random.Random(seed)
        self.numbers = iter(range(1 << 30))
        self.pictures = draw_pictures(self.directory / "pictures")
        self.home = self.directory / "operator"
        self.home.mkdir(exist_ok=True)
        self.spec = spec or {"scaling": {"minReplicas": workers, "maxReplicas": workers}, "dispatcher": {"requestTimeout": "20s"}}
        self.operator = LocalOperator(self.home, manifest(**self.spec), "--no-table", *flags, fake=False, environment=environment)
        self.loads = []
        self.askers = concurrent.futures.ThreadPoolExecutor(8)
        try:
            self.url = self.operator.wait_ready(workers=workers, seconds=READY_SECONDS)
            learn_answers(self.url, self.pictures)
        except BaseException:
            self.close()
            raise

    def load(self, rate_rps, seconds, **options):
        self.loads.append(Load(self, rate_rps, seconds, **options))
        return self.loads[-1]

    def workers(self):
        return {name: pid for name, pid in self.operator.workers().items() if alive(pid)}

    def dispatcher(self):
        """The process id of the newest dispatcher; none while one is replaced."""
        return next((pid for name, pid in reversed(self.operator.processes().items()) if "-dispatcher-" in name), None)

    def edit(self, part, **fields):
        """Rewrites the manifest with other fields in one part of the spec."""
        self.spec = {**self.spec, part: {**self.spec.get(part, {}), **fields}}
        self.operator.write(manifest(**self.spec))

    def kill_worker(self, spared=()):
        """SIGKILL to one of them; its process id."""
        victims = sorted(pid for pid in self.workers().values() if pid not in spared)
        victim = self.dice.choice(victims) if victims else None
        if victim:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        return victim

    def answers(self):
        import requests
        try:
            path = next(each for each in sorted(self.pictures.iterdir()) if each.suffix == ".png")
            return requests.post(self.url + "/predict", data=path.read_bytes(), headers={"Content-Type": "image/png"},
                                 timeout=10).status_code == 200
        except requests.RequestException:
            return False

    def seconds_to_answer(self, patience=60):
        """Until a request is answered."""
        begin = time.monotonic()
        wait_until(self.answers, patience, "an answer")
        return time.monotonic() - begin

    def wait_whole(self):
        """All workers are there again."""
        self.operator.wait_ready(workers=self.count, seconds=READY_SECONDS)

    def capacity_rps(self, seconds=4):
        """What the service answers in a second when a little more than that is asked."""
        begin = time.monotonic()
        count = 0
        while time.monotonic() - begin < 2:
            count += sum(bool(each.result()) for each in [self.askers.submit(self.answers) for _ in range(8)])
        guess = count / (time.monotonic() - begin)
        return self.load(1.5 * guess, seconds).result().check().answered_rps(seconds)

    def close(self):
        for load in self.loads:
            load.kill()
        try:
            code = self.operator.stop(40)
        except BaseException:
            self.operator.kill()
            raise
        assert code == 0, f"the operator ended with {code}: {self.operator.log_text()[-4000:]}"
        left = [name for name, pid in self.operator.processes().items() if alive(pid)]
        assert not left, f"processes that outlived the operator: {left}"
