"""What the worker's tests share."""
import json
import pathlib
import subprocess

from bench.waiting import wait_until
from tests.process.fake_worker import TOKEN
from tests.process.metrics import Metrics
from tests.process.programs import BIN, ROOT, START_SECONDS, Program


class Worker(Program):
    """An inference-worker that links to the given dispatchers."""

    def __init__(self, directory, *flags, dispatchers=(), token=TOKEN, ready=True, prefix=()):
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        default = ["--address", "127.0.0.1", "--port", "0", "--metrics-port", "0", "--cache-dir", str(directory / "cache")]
        if token:
            (directory / "token").write_text(token + "\n")
            default += ["--token-file", str(directory / "token")]
        for dispatcher in dispatchers:
            default += ["--dispatcher", f"127.0.0.1:{dispatcher.link}"]
        super().__init__("inference-worker", directory, [*default, *flags], prefix=prefix)
        self.url = f"http://127.0.0.1:{self.ports['http']}"
        self.metrics_url = f"http://127.0.0.1:{self.ports['metrics']}/metrics"
        if ready:
            self.wait_ready()

    def wait_ready(self, seconds=START_SECONDS):
        import requests

        def check():
            assert self.process.poll() is None, f"exited with {self.process.returncode}: {self.log_text()}"
            return requests.get(self.url + "/readyz", timeout=10).status_code == 200
        try:
            wait_until(check, seconds, "the worker's readiness")
        except BaseException:
            self.kill()
            raise

    def metrics(self):
        import requests
        return Metrics(requests.get(self.metrics_url, timeout=10).text)


def run(*flags, timeout=60, **options):
    """Runs a worker that is expected to end by itself; gives the finished process."""
    return subprocess.run([str(BIN / "inference-worker"), *map(str, flags)], capture_output=True, text=True,
                          timeout=timeout, stdin=subprocess.DEVNULL, **options)


def start_error(*flags, **options):
    """Why a worker did not start."""
    done = run("--address", "127.0.0.1", "--port", "0", "--metrics-port", "0", *flags, **options)
    assert done.returncode == 1, (done.returncode, done.stderr)
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    return next(line["error"] for line in lines if line["level"] == "error")


def classify(files, *flags):
    """file name -> its line of --classify."""
    done = run(*flags, "--classify", *files)
    assert done.stdout, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["file"]: line for line in lines}


def generated_pictures(directory, count, seed):
    """Pictures of the embedded model's classes, of odd sizes, JPEG and PNG: file -> label."""
    subprocess.run(["/usr/bin/python3", str(ROOT / "inference/train/shapes.py"), "--out", str(directory),
                    "--count", str(count), "--seed", str(seed), "--format", "mixed"], check=True, stdout=subprocess.DEVNULL)
    lines = (directory / "labels.csv").read_text().splitlines()[1:]
    return {str(directory / line.split(",")[0]): line.split(",")[1] for line in lines}
