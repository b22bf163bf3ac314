"""The classic rule on a real Prometheus, which scrapes the service's real dispatcher."""
import json
import shutil
import signal
import subprocess

import pytest
import requests

from bench.processes import free_port, spawn
from bench.waiting import wait_until
from tests.process.local import Load, manifest
from tests.process.test_operator_local import two_cores

QUERY = "sum(dispatcher_queue_size)"


class Prometheus:
    """Scrapes whatever `scrape` names, five times a second."""

    def __init__(self, directory):
        self.directory = directory
        self.targets = directory / "targets.json"
        self.scrape([])
        (directory / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
            "scrape_configs": [{"job_name": "dispatchers", "file_sd_configs": [
                {"files": [str(self.targets)], "refresh_interval": "200ms"}]}],
        }))
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process = None

    def scrape(self, addresses):
        partial = self.targets.with_suffix(".new")
        partial.write_text(json.dumps([{"targets": addresses}]))
        partial.rename(self.targets)

    def start(self):
        self.process = spawn(
            ["prometheus", f"--config.file={self.directory}/prometheus.yml", f"--storage.tsdb.path={self.directory}/data",
             f"--web.listen-address={self.url.split('//')[1]}"], log=self.directory / "prometheus.log", append=True)
        wait_until(self._ready, 30, "Prometheus")

    def _ready(self):
        assert self.process.poll() is None, (self.directory / "prometheus.log").read_text()[-2000:]
        try:
            return requests.get(self.url + "/-/ready", timeout=1).status_code == 200
        except requests.ConnectionError:
            return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)


@pytest.fixture
def prometheus(tmp_path):
    assert shutil.which("prometheus"), "Debian's package prometheus is needed"
    folder = tmp_path / "prometheus"
    folder.mkdir()
    server = Prometheus(folder)
    yield server
    server.stop()


def metrics_address(operator):
    """Of the one dispatcher, from the file with its ports."""
    (file,) = operator.directory.glob("inference-operator-*/**/*dispatcher*.ports")
    return f"127.0.0.1:{json.loads(file.read_text())['metrics']}"


def scaling(**more):
    return {"policy": "QueueRatio", "prometheusQuery": QUERY, "queueTarget": 2, "minReplicas": 1, "maxReplicas": 2,
            "interval": "200ms", "cooldown": "0s", **more}


@two_cores
def test_workers_follow_the_queue_that_prometheus_knows_and_its_loss_is_told(start_operator, prometheus):
    prometheus.start()
    operator = start_operator(manifest(scaling=scaling()),
                              environment={"FAKE_SERVICE_SECONDS": "0.1", "PROMETHEUS_URL": prometheus.url})
    url = operator.wait_ready()

    def metrics(status, says):
        condition = operator.condition("MetricsAvailable")
        return condition["status"] == status and says in condition["message"]

    # Nothing scraped yet is no data, and not an empty queue.
    wait_until(lambda: metrics("False", "no sample"), 10, "no sample")
    prometheus.scrape([metrics_address(operator)])
    wait_until(lambda: metrics("True", "Prometheus answers"), 20, "an answer")
    load = Load(url, rate=25)  # one worker answers 10 a second
    wait_until(lambda: operator.status()["readyReplicas"] == 2, 30, "a second worker")
    (event,) = operator.events("ScaledUp")[:1]
    assert "waiting / 2" in event["message"]
    assert set(load.stop()) == {200}
    wait_until(lambda: operator.status()["replicas"] == 1, 30, "one worker again")

    prometheus.stop()
    wait_until(lambda: metrics("False", "Prometheus: "), 10, "its loss")
    assert operator.condition("MetricsAvailable")["reason"] == "NoFreshMetrics"
    assert operator.events("MetricsUnavailable")
    assert operator.condition("Ready")["status"] == "True"
    prometheus.start()
    wait_until(lambda: metrics("True", "Prometheus answers"), 20, "its return")

    operator.write(manifest(scaling=scaling(prometheusQuery="sum(")))
    wait_until(lambda: metrics("False", "bad_data: "), 10, "the refusal of the query")


def test_a_query_without_a_prometheus_is_told(start_operator):
    operator = start_operator(manifest(scaling=scaling(maxReplicas=1)))
    operator.wait_ready()
    wait_until(lambda: "PROMETHEUS_URL" in operator.condition("MetricsAvailable")["message"], 10, "what is missing")


def test_an_address_that_is_none_ends_the_operator_at_once(tmp_path):
    from tests.process.programs import BIN
    file = tmp_path / "m.yaml"
    file.write_text(json.dumps(manifest()))
    done = subprocess.run([BIN / "inference-operator", "--local", file, "--prometheus-url", "prometheus:9090"],
                          capture_output=True, text=True, timeout=10)
    assert done.returncode == 1
    assert "--prometheus-url prometheus:9090" in done.stderr
