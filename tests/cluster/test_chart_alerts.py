"""The chart's alerts, as helm renders them, in Prometheus' own rule tests."""

import re
import shutil
import subprocess

import pytest
import yaml

from tests.cluster import rendered

SERVICE = 'namespace="default",name="resnet18"'
DISPATCHER = 'namespace="default",service="resnet18",pod="resnet18-dispatcher-1"'
OPERATOR = 'namespace="default",job="eis-elastic-inference-metrics"'


def answers(late, total=600):
    """Counters that grow by so many a minute for seven hours."""
    return {f"eis_operator_answers_total{{{SERVICE}}}": f"0+{total}x420", f"eis_operator_late_answers_total{{{SERVICE}}}": f"0+{late}x420"}


def late_for(minutes, until=420):
    """Nothing late for the most part, then half of the answers for the last minutes."""
    calm = until - minutes
    return {
        f"eis_operator_answers_total{{{SERVICE}}}": f"0+600x{until}",
        f"eis_operator_late_answers_total{{{SERVICE}}}": f"0x{calm} 300+300x{minutes - 1}",
    }


def queue(size):
    return {f"dispatcher_queue_size{{{DISPATCHER}}}": f"{size}x20", f"dispatcher_queue_capacity{{{DISPATCHER}}}": "1000x20"}


def dropped(reason, each_minute):
    return {
        f'dispatcher_dropped_total{{{DISPATCHER},reason="{reason}"}}': f"0+{each_minute}x30",
        f"dispatcher_arrivals_total{{{DISPATCHER}}}": "0+600x30",
    }


def condition(name, values):
    return {f'eis_operator_condition{{{SERVICE},type="{name}"}}': values}


def failing(values):
    return {f"eis_operator_failing_workers{{{SERVICE}}}": values}


def counter(name, reason, values):
    return {f"{name}{{{DISPATCHER},{reason}}}": values}


def ends(seconds_after_start):
    return {f"dispatcher_tls_certificate_expiry_timestamp_seconds{{{DISPATCHER}}}": f"{seconds_after_start}x300"}


DAY = 86400
TLS = "dispatcher_tls_renewals_total"
DEATHS = "dispatcher_worker_deaths_total"

# alert, why, series, at, whether it fires
ROWS = [
    ("EISTargetMissedFast", "a fifth of the answers is late", answers(120), "2h", True),
    ("EISTargetMissedFast", "as many are late as the objective allows", answers(6), "2h", False),
    ("EISTargetMissedFast", "a burst of two minutes is over", late_for(2), "420m", False),
    ("EISTargetMissedFast", "half are late for half an hour", late_for(30), "420m", True),
    ("EISTargetMissedFast", "nobody asks", answers(0, total=0), "2h", False),
    ("EISTargetMissedSlow", "a tenth is late for hours", answers(60), "7h", True),
    ("EISTargetMissedSlow", "a thirtieth is late, which a month bears for some days", answers(20), "7h", False),
    ("EISTargetMissedSlow", "an incident of a quarter of an hour", late_for(15), "420m", False),
    ("EISQueueNearCapacity", "nine tenths are taken", queue(900), "5m", True),
    ("EISQueueNearCapacity", "half is taken", queue(500), "5m", False),
    ("EISRequestsDropped", "one of ten is turned away", dropped("full", 60), "20m", True),
    ("EISRequestsDropped", "one of a thousand", dropped("deadline", 0.6), "20m", False),
    ("EISRequestsDropped", "clients leave by themselves", dropped("client_gone", 60), "20m", False),
    ("EISMetricsUnavailable", "lost for ten minutes", condition("MetricsAvailable", "1x5 0x15"), "17m", True),
    ("EISMetricsUnavailable", "lost for a moment", condition("MetricsAvailable", "1x5 0x2 1x10"), "12m", False),
    ("EISLimitedByMaximum", "for a quarter of an hour", condition("ScalingLimited", "1x20"), "15m", True),
    ("EISLimitedByMaximum", "for the length of a burst", condition("ScalingLimited", "0x10 1x5"), "15m", False),
    ("EISLimitedByMaximum", "nobody knows", condition("ScalingLimited", "-1x20"), "15m", False),
    ("EISWorkersCrashLooping", "ready in between", failing("0x3 1 0 1 0 0 1 0 1 0 1 0 1 0"), "15m", True),
    ("EISWorkersCrashLooping", "one bad start", failing("0x3 1 0x20"), "15m", False),
    ("EISWorkersLost", "one ended under its request", counter(DEATHS, 'reason="crash"', "0x5 1x20"), "10m", True),
    ("EISWorkersLost", "they left as they were told", counter(DEATHS, 'reason="leaving"', "0+1x20"), "10m", False),
    ("EISServiceStalled", "an edit that cannot come into force", condition("Stalled", "1x20"), "10m", True),
    ("EISServiceStalled", "a rollout", condition("Stalled", "0x20"), "10m", False),
    ("EISCertificateNearEnd", "in less than three days", ends(3 * DAY), "2h", True),
    ("EISCertificateNearEnd", "a certificate of 90 days before its renewal", ends(30 * DAY), "2h", False),
    ("EISCertificateRefused", "the new one is broken", counter(TLS, 'result="refused"', "0x5 1x20"), "10m", True),
    ("EISCertificateRefused", "the new one is taken", counter(TLS, 'result="success"', "0x5 1x20"), "10m", False),
    ("EISNoLeader", "two wait for each other", {f'eis_operator_leader{{{OPERATOR},pod="{pod}"}}': "0x10" for pod in "ab"}, "5m", True),
    ("EISNoLeader", "no operator runs", {}, "5m", True),
    ("EISNoLeader", "another release has one", {'eis_operator_leader{namespace="x",job="y"}': "1x10"}, "5m", True),
    (
        "EISNoLeader",
        "one of two leads",
        {f'eis_operator_leader{{{OPERATOR},pod="a"}}': "1x10", f'eis_operator_leader{{{OPERATOR},pod="b"}}': "0x10"},
        "5m",
        False,
    ),
]


def rule_object(folder, **values):
    objects = rendered.objects(folder, {"prometheusRule": {"enabled": True, **values}})
    return rendered.only(objects, "PrometheusRule")


def alerts_of(rule):
    return {each["alert"]: each for group in rule["spec"]["groups"] for each in group["rules"]}


def promtool(*args, cwd):
    program = shutil.which("promtool")
    assert program, "Debian's package prometheus is needed"
    done = subprocess.run([program, *args], cwd=cwd, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    """A folder with the rules as Prometheus reads them, and the chart's object."""
    folder = tmp_path_factory.mktemp("rules")
    rule = rule_object(folder)
    (folder / "rules.yaml").write_text(yaml.safe_dump(rule["spec"]))
    return folder, rule


def test_prometheus_reads_the_rules(rules):
    code, said = promtool("check", "rules", "--lint=all", "--lint-fatal", "rules.yaml", cwd=rules[0])
    assert code == 0, said


def test_every_alert_fires_when_it_should_and_only_then(rules):
    folder, rule = rules
    rows = {(alert, fires) for alert, *_, fires in ROWS}
    assert rows == {(alert, fires) for alert in alerts_of(rule) for fires in (True, False)}, "a row for each alert and for each silence"
    tests = []
    for alert, why, series, at, fires in ROWS:
        firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
        tests.append({
            "name": f"{alert}: {why}",
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [{"expr": firing, "eval_time": at, "exp_samples": [{"labels": "{}", "value": 1}] if fires else []}],
        })
    (folder / "tests.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}))
    code, said = promtool("test", "rules", "tests.yaml", cwd=folder)
    assert code == 0, said


def test_each_alert_has_a_runbook_that_says_what_to_do(rules):
    page = (rendered.ROOT / "docs/operations.md").read_text()
    for name, alert in alerts_of(rules[1]).items():
        assert alert["annotations"]["runbook_url"].endswith(f"/docs/operations.md#{name.lower()}")
        section = re.search(rf"^### {name}\n\n(.+?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
        assert section and len(section[1].split()) > 20, f"docs/operations.md: ### {name}"


def test_nothing_is_made_unless_it_is_asked_for(tmp_path):
    kinds = {each["kind"] for each in rendered.objects(tmp_path, {})}
    assert not kinds & {"PrometheusRule", "ServiceMonitor", "PodMonitor"}


def test_alerts_can_be_left_out_and_found_elsewhere(tmp_path):
    rule = rule_object(tmp_path, disabled=["EISNoLeader"], runbookUrl="https://wiki.example/ops", labels={"release": "prom"})
    assert "EISNoLeader" not in alerts_of(rule)
    assert alerts_of(rule)["EISWorkersLost"]["annotations"]["runbook_url"] == "https://wiki.example/ops#eisworkerslost"
    assert rule["metadata"]["labels"]["release"] == "prom"


def test_a_name_that_is_no_alert_is_refused(tmp_path):
    done = rendered.template(tmp_path, {"prometheusRule": {"enabled": True, "disabled": ["EISNoLeder"]}}, check=False)
    assert done.returncode != 0 and "prometheusRule.disabled has EISNoLeder" in done.stderr


def test_services_of_the_watched_namespaces_are_told_of_their_workers(tmp_path):
    def selects(values):
        return rendered.only(rendered.objects(tmp_path, {"workerMonitor": {"enabled": True}, **values}), "PodMonitor")["spec"]["namespaceSelector"]

    assert selects({}) == {"any": True}
    assert selects({"watchNamespaces": ["a", "b"]}) == {"matchNames": ["a", "b"]}
