"""The operator on this machine, with fake workers where a test is about the operator alone."""
import concurrent.futures
import json
import os
import pathlib
import shutil
import threading
import time

import requests
import yaml

from bench.waiting import wait_until
from tests.process import picture_files
from tests.process.metrics import Metrics
from tests.process.plain_json import read_json
from tests.process.programs import BIN, ROOT, Program


def manifest(name="resnet18", **spec):
    return {"apiVersion": "elasticinference.dev/v1alpha1", "kind": "InferenceService", "metadata": {"name": name}, "spec": spec}


def fake_bin_dir(directory):
    """A folder with the real dispatcher and the fake worker."""
    folder = pathlib.Path(directory) / "bin"
    folder.mkdir()
    (folder / "inference-dispatcher").symlink_to((BIN / "inference-dispatcher").resolve())
    shutil.copy(ROOT / "tests/process/fake_worker_program.py", folder / "inference-worker")
    (folder / "inference-worker").chmod(0o755)
    return folder


class LocalOperator(Program):
    def __init__(self, directory, documents, *flags, fake=True, environment=(), drain_timeout="5s", decisions=None, **popen):
        self.directory = pathlib.Path(directory)
        self.manifest_path = self.directory / "services.yaml"
        self.status_path = self.directory / "status.json"
        self.decisions_path = self.directory / "decisions.jsonl"
        self.write(documents)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.directory), **dict(environment)}
        if fake:
            flags = ["--bin-dir", str(fake_bin_dir(directory)), *flags]
        super().__init__("inference-operator", directory,
                         ["--local", str(self.manifest_path), "--dispatcher-port", "0", "--drain-timeout", drain_timeout,
                          "--status-json", str(self.status_path), "--decision-log", str(decisions or self.decisions_path), *flags],
                         env=environment, **popen)

    def write(self, documents):
        """Rewrites the manifest as an editor does: a new file renamed over the old one."""
        partial = self.manifest_path.with_suffix(".new")
        partial.write_text(yaml.safe_dump_all(documents if isinstance(documents, list) else [documents]))
        partial.rename(self.manifest_path)

    def service(self, name="resnet18"):
        """The newest status as people read it; None while there is none."""
        if not self.status_path.exists():
            return None
        for service in read_json(self.status_path.read_text())["services"]:
            if service["name"] == name:
                return service
        return None

    def status(self, name="resnet18"):
        service = self.service(name)
        return service["status"] if service else {}

    def condition(self, kind, name="resnet18"):
        for condition in self.status(name).get("conditions", []):
            if condition["type"] == kind:
                return condition
        return {"status": "absent", "reason": "", "message": ""}

    def wait_ready(self, name="resnet18", workers=1, seconds=30):
        def ready():
            return self.condition("Ready", name)["status"] == "True" and self.status(name)["readyReplicas"] == workers
        wait_until(ready, seconds, f"{name} with {workers} ready workers")
        return self.service(name)["endpoint"]

    def events(self, reason=None):
        return [line for line in self.log("service_event") if reason in (None, line["reason"])]

    def processes(self):
        """Process id by name, of the children that run."""
        running = {}
        for line in self.log():
            if line["event"] == "process_started":
                running[line["process"]] = line["pid"]
            elif line["event"] == "process_ended":
                running.pop(line["process"], None)
        return running

    def dispatcher_metrics(self, name="resnet18"):
        process, = [each for each in self.processes() if each.startswith(f"{name}-dispatcher-")]
        ports, = self.directory.glob(f"inference-operator-*/*/{process}.ports")
        return Metrics(requests.get(f"http://127.0.0.1:{json.loads(ports.read_text())['metrics']}/metrics", timeout=5).text)

    def workers(self):
        return {name: pid for name, pid in self.processes().items() if "-worker-" in name}


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def predict(url, picture=None, timeout=30):
    return requests.post(url + "/predict", files={"image": ("p.png", picture or picture_files.picture("PNG"), "image/png")}, timeout=timeout)


def told(answer):
    """The status of an answer, and of one that is no 200 also its words: after an hour nobody can ask again."""
    return 200 if answer.status_code == 200 else f"{answer.status_code} at {time.strftime('%H:%M:%S')}: {answer.text[:300]}"


class KeptConnection:
    """One request after the other as clients with a connection pool send them, until stop()."""

    def __init__(self, url):
        self.stopping = False
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.answers = self.pool.submit(self._run, url)

    def _run(self, url):
        statuses = []
        with requests.Session() as session:
            while not self.stopping:
                answer = session.post(url + "/predict", data=picture_files.picture("PNG"), headers={"Content-Type": "image/png"}, timeout=30)
                statuses.append(told(answer))
        return statuses

    def stop(self):
        """What was told of every answer."""
        self.stopping = True
        return self.answers.result()


class Load:
    """Requests at a steady rate, each at its intended time, until stop()."""

    def __init__(self, url, rate):
        self.answers = []
        self.stopping = False
        self.pool = concurrent.futures.ThreadPoolExecutor(200)
        self.thread = threading.Thread(target=self._run, args=(url, rate))
        self.thread.start()

    def _run(self, url, rate):
        start = time.monotonic()
        sent = 0
        while not self.stopping:
            wait = start + sent / rate - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            self.answers.append(self.pool.submit(lambda: told(predict(url))))
            sent += 1

    def stop(self):
        """What was told of every answer."""
        self.stopping = True
        self.thread.join()
        return [answer.result() for answer in self.answers]
