"""Every panel of the dashboard and every alert of the chart, asked of a real Prometheus that scrapes a running service as the chart's
monitors have it scraped."""
import json
import math
import re

import pytest
import requests
import yaml

from bench.waiting import Failed, wait_until
from tests.process.certificates import Authority, Secret
from tests.process.fake_worker import TOKEN
from tests.process.local import KeptConnection, LocalOperator, manifest
from tests.process.programs import ROOT, Dispatcher
from tests.process.test_operator_local import two_cores
from tests.process.test_operator_prometheus import Prometheus

RULES = ROOT / "helm/files/alerts.yaml"
DASHBOARD = ROOT / "helm/files/dashboards/elastic-inference.json"
JOB, NAMESPACE = "eis-elastic-inference-metrics", "elastic-inference"
COMPARISON = re.compile(r"\s(?:>|<|==)\s[\d.]+(?:\s\*\s[\d.]+)*")
# Prometheus, a second worker's start and ten samples after that, on a busy machine.
DATA_SECONDS = 60

pytestmark = two_cores


def address(folder, name):
    (file,) = folder.glob(f"**/{name}.ports")
    return f"127.0.0.1:{json.loads(file.read_text())['metrics']}"


def targets(address, pod, namespace="default", service="resnet18"):
    return {"targets": [address], "labels": {"namespace": namespace, "service": service, "pod": pod}}


class Observed:
    """One service with more load than its two workers serve in time, and a dispatcher under TLS."""

    def __init__(self):
        self.started = []

    def start(self, folder):
        for name in ("operator", "prometheus", "authority"):
            (folder / name).mkdir()
        scaling = {"minReplicas": 1, "maxReplicas": 2, "latencyTarget": "20ms"}
        self.operator = self._keep(LocalOperator(folder / "operator", manifest(scaling=scaling), fake=False))
        authority = Authority(folder / "authority", "authority")
        secret = Secret(folder / "secret", authority.issue("server", "IP:127.0.0.1"), authority)
        encrypted = self._keep(Dispatcher(folder / "encrypted", *secret.flags(), token=TOKEN))
        self.prometheus = self._keep(Prometheus(folder / "prometheus"))
        url = self.operator.wait_ready(seconds=60)
        workers = folder / "workers.json"
        workers.write_text("[]")
        config = {
            "global": {"scrape_interval": "500ms", "scrape_timeout": "400ms"},
            "scrape_configs": [
                {"job_name": "dispatchers", "static_configs": [
                    *self._targets("-dispatcher-"), targets(f"127.0.0.1:{encrypted.ports['metrics']}", "encrypted-1", service="encrypted")]},
                {"job_name": "workers", "file_sd_configs": [{"files": [str(workers)], "refresh_interval": "500ms"}]},
                {"job_name": JOB, "honor_labels": True, "static_configs": [
                    targets(f"127.0.0.1:{self.operator.ports['metrics']}", "operator-1", NAMESPACE, JOB)]},
            ],
        }
        (folder / "prometheus/prometheus.yml").write_text(json.dumps(config))
        self.prometheus.start()
        # What grows before it is first seen does not count as growth.
        self.wait_for_data({"before": 'eis_operator_overload_to_ready_seconds_count{name="resnet18"} == 0'})
        self.clients = [self._keep(KeptConnection(url)) for _ in range(8)]
        wait_until(lambda: self.operator.status()["readyReplicas"] == 2, 60, "a second worker")
        workers.write_text(json.dumps(self._targets("-worker-")))

    def _targets(self, kind):
        return [targets(address(self.operator.directory, name), name) for name in self.operator.processes() if kind in name]

    def _keep(self, thing):
        self.started.append(thing)
        return thing

    def stop(self):
        for thing in reversed(self.started):
            thing.stop()

    def ask(self, expression):
        """The values of a query's samples that are numbers."""
        answer = requests.get(self.prometheus.url + "/api/v1/query", params={"query": expression}, timeout=10).json()
        assert answer["status"] == "success", (expression, answer)
        values = [float(sample["value"][1]) for sample in answer["data"]["result"]]
        return [value for value in values if not math.isnan(value)]

    def wait_for_data(self, expressions):
        """Fails with the names of those that give none."""
        silent = dict(expressions)

        def all_speak():
            for name, expression in list(silent.items()):
                if self.ask(expression):
                    del silent[name]
            return not silent
        try:
            wait_until(all_speak, DATA_SECONDS, "data")
        except Failed:
            raise AssertionError("no data: " + "\n".join(f"{name}: {text}" for name, text in silent.items())) from None


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    running = Observed()
    try:
        running.start(tmp_path_factory.mktemp("monitoring"))
        yield running
    finally:
        running.stop()


def filled_in(expression):
    for name, value in (("$__rate_interval", "10s"), ("$__range", "5m"), ("$namespace", "default"), ("$service", ".+")):
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


def alerts():
    text = RULES.read_text().replace("OPERATOR_JOB", JOB).replace("OPERATOR_NAMESPACE", NAMESPACE)
    return {rule["alert"]: rule["expr"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]}


def test_every_line_of_every_panel_shows_data(observed):
    panels = json.loads(DASHBOARD.read_text())["panels"]
    lines = {f"{panel['title']}, {target['refId']}": filled_in(target["expr"]) for panel in panels for target in panel["targets"]}
    assert len(lines) > 30
    observed.wait_for_data(lines)


def test_the_dashboards_variables_find_the_service(observed):
    found = {}
    for variable in json.loads(DASHBOARD.read_text())["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", filled_in(variable["query"])).groups()
            answer = requests.get(observed.prometheus.url + f"/api/v1/label/{label}/values", params={"match[]": selector}, timeout=10)
            found[variable["name"]] = answer.json()["data"]
    assert found == {"namespace": ["default"], "service": ["resnet18"]}


def test_what_every_alert_watches_is_there(observed):
    watched = {}
    for name, expression in alerts().items():
        inside = re.fullmatch(r"absent\((.+)\)", expression)
        watched[name] = inside[1] if inside else COMPARISON.sub("", expression)
        assert watched[name] != expression
    observed.wait_for_data(watched)


def test_a_service_that_is_too_small_is_told(observed):
    names = ("EISTargetMissedFast", "EISTargetMissedSlow", "EISLimitedByMaximum")
    observed.wait_for_data({name: alerts()[name] for name in names})


def test_an_operator_that_is_gone_is_told(observed):
    assert observed.ask(alerts()["EISNoLeader"]) == []
    for client in observed.clients:
        assert set(client.stop()) == {200}
    observed.operator.stop()
    observed.wait_for_data({"EISNoLeader": alerts()["EISNoLeader"]})
