"""Our binaries, started as their users start them."""
import json
import os
import pathlib
import signal

import requests

from bench.processes import spawn
from bench.waiting import wait_until
from tests.process.fake_worker import TOKEN
from tests.process.metrics import Metrics

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("EI_BIN", ROOT / "build/release/bin"))
# Sanitized binaries on a busy machine start slowly; a test that waits this long has failed.
START_SECONDS = 20

class Program:
    """One of our binaries, running; its standard error is kept, one JSON object per line."""
    lossy_log = False  # set where the log's disk was full: a line may then be cut anywhere

    def __init__(self, name, directory, flags, ports=True, prefix=(), **popen):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log_path = self.directory / f"{name}.log"
        self.ports_path = self.directory / f"{name}.ports"
        self.ports_path.unlink(missing_ok=True)
        command = [*prefix, str(BIN / name), *flags]
        if ports:
            command += ["--ports-file", str(self.ports_path)]
        self.process = spawn(command, log=self.log_path, **popen)
        self.ports = self._wait_for_ports() if ports else {}

    def _wait_for_ports(self):
        def read():
            assert self.process.poll() is None, f"exited with {self.process.returncode}: {self.log_text()}"
            return self.ports_path.exists() and json.loads(self.ports_path.read_text())
        try:
            return wait_until(read, START_SECONDS, "the ports file")
        except BaseException:
            self.kill()
            raise

    def log_text(self):
        return self.log_path.read_text(errors="replace")

    def log(self, event=None):
        """The log's objects so far, all of them or one event's."""
        lines = []
        for line in self.log_text().splitlines():
            if not line.startswith("{"):
                continue
            try:
                lines.append(json.loads(line))
            except json.JSONDecodeError:
                if not self.lossy_log:
                    raise
        lines = [line for line in lines if "event" in line]  # --decision-log=- puts decisions between them
        return [line for line in lines if event in (None, line["event"])]

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, seconds=20):
        return self.process.wait(seconds)

    def stop(self, seconds=20):
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.signal()
        return self.wait(seconds)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Dispatcher(Program):
    def __init__(self, directory, *flags, token=TOKEN, address="127.0.0.1", link_port=0, **popen):
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        default = ["--address", address, "--port", "0", "--metrics-port", "0", "--link-port", str(link_port),
                   "--grpc-port", "0"]
        if token:
            (directory / "token").write_text(token + "\n")
            default += ["--token-file", str(directory / "token")]
        super().__init__("inference-dispatcher", directory, [*default, *flags], **popen)
        self.http = self.ports["http"]
        self.link = self.ports["link"]
        self.url = f"http://{address}:{self.http}"
        self.metrics_url = f"http://{address}:{self.ports['metrics']}/metrics"

    def metrics(self):
        return Metrics(requests.get(self.metrics_url, timeout=10).text)

    def wait_for_metric(self, name, value, **labels):
        wait_until(lambda: self.metrics().get(name, **labels) == value, what=f"{name}{labels} = {value}")
