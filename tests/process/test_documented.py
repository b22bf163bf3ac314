"""What the documents say of the programs: their options, and their metrics' types and labels."""
import re
import subprocess

import pytest
import requests

from bench.waiting import wait_until
from tests.process import local
from tests.process.certificates import Authority, Secret
from tests.process.metrics import Metrics
from tests.process.programs import BIN, ROOT, Dispatcher
from tests.process.worker import Worker
from tests.tidy import documents

SUBCOMMANDS = {"inference-bench": ("load", "trace", "policy", "hpa"), "inference-operator": ("explain", "top", "replay")}
# What only a cluster's API server, broken weights or a failure bring about.
NOT_HERE = {"rest_client_requests_total", "rest_client_request_duration_seconds", "eis_operator_reconcile_errors_total",
            # Of a worker that computes in int8, which the one here is not asked to.
            "ml_app_int8_agreement", "ml_app_int8_largest_difference", "dispatcher_int8_agreement"}


def program_of(command):
    """The words of a command up to its options' owner: (program, subcommand…), or None where a script answers."""
    program, *words = command
    if program == "bench/run" and words[:1] == ["policy"]:
        return "inference-bench", "policy"
    if not program.startswith("inference-"):
        return None
    return (program, words[0]) if words and words[0] in SUBCOMMANDS.get(program, ()) else (program,)


def help_of(program):
    name, *words = program
    return subprocess.run([BIN / name, *words, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout


def test_the_programs_know_the_options_that_the_documents_name():
    used = {}
    for page in documents.pages():
        for command in documents.commands(page.read_text()):
            if (program := program_of(command)) is not None:
                used.setdefault(program, []).extend((page.name, flag) for flag in documents.flags_of(command[1:]))
    assert {("inference-operator",), ("inference-bench", "policy"), ("inference-bench", "load")} <= set(used)
    wrong = []
    for program, flags in used.items():
        known = set(documents.FLAG.findall(help_of(program)))
        wrong += [f"{page}: {' '.join(program)} knows no {flag}" for page, flag in flags if flag not in known]
    assert not wrong, wrong


def test_an_option_named_alone_is_one_of_ours():
    known = set()
    for program in [("inference-operator",), ("inference-dispatcher",), ("inference-worker",),
                    *((name, sub) for name, subs in SUBCOMMANDS.items() for sub in subs)]:
        known |= set(documents.FLAG.findall(help_of(program)))
    for command in documents.HELP.values():
        known |= set(documents.FLAG.findall(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60).stdout))
    others = {"--set", "--wait", "--reuse-values", "--take-ownership", "--build-arg", "--platform",  # of helm and of docker
              "--insecure-ignore-tlog"}  # of cosign
    wrong = []
    for page in documents.pages():
        if page.parent.name == "cluster":  # these are of Kubernetes' programs
            continue
        for code in documents.INLINE.findall(documents.blocks(page.read_text())[0]):
            if (flag := documents.FLAG.match(code)) and flag[0] not in known | others:
                wrong.append(f"{page.name}: {code}")
    assert not wrong, wrong


def exposed(text):
    """name -> (type, label names) of every family of an exposition that has a sample."""
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    found = {}
    for name, labels in Metrics(text).samples:
        family = name if name in kinds else documents.metric_of(name)
        names = frozenset(key for key, _ in labels) - {"le"}
        assert found.setdefault(family, (kinds[family], names)) == (kinds[family], names), f"{family} has samples of different labels"
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The three programs' families, those of TLS and of traces among them, after one picture and one decision."""
    folder = tmp_path_factory.mktemp("documented")
    programs = []
    try:
        programs.append(dispatcher := Dispatcher(folder / "dispatcher"))
        (folder / "cpu.max").write_text("max 100000\n")
        programs.append(worker := Worker(folder / "worker", "--standby-below", "1", "--cpu-max-file", str(folder / "cpu.max"),
                                         dispatchers=[dispatcher]))
        (folder / "operator").mkdir()
        # Advice has metrics of its own, and so have advisors.
        manifest = local.manifest(scaling={"mode": "Advise", "advisors": ["Hpa70"]})
        programs.append(operator := local.LocalOperator(folder / "operator", manifest, "--metrics-port", "0"))
        wait_until(lambda: dispatcher.metrics().get("dispatcher_workers", state="idle") == 1, what="a linked worker")
        assert local.predict(dispatcher.url).status_code == 200
        operator.wait_ready()
        authority = Authority(folder, "authority")
        (folder / "encrypted").mkdir()
        secret = Secret(folder / "secret", authority.issue("server", "IP:127.0.0.1"), authority)
        # Nobody listens there: what there is to count is zero.
        programs.append(encrypted := Dispatcher(folder / "encrypted", *secret.flags(), "--otlp-endpoint", "http://127.0.0.1:1"))
        urls = [dispatcher.metrics_url, encrypted.metrics_url, worker.metrics_url, f"http://127.0.0.1:{operator.ports['metrics']}/metrics"]
        families = {}
        for url in urls:
            families |= exposed(requests.get(url, timeout=10).text)
        yield families
    finally:
        for program in reversed(programs):
            program.stop()


def test_the_metrics_have_the_types_and_labels_of_the_reference(served):
    reference = documents.metrics_reference()
    assert set(served) - set(reference) == set(), "not in docs/metrics.md"
    assert set(reference) - set(served) - NOT_HERE == set(), "in docs/metrics.md, and no program serves it"
    wrong = {name: (served[name], reference[name]) for name in served if served[name] != reference[name]}
    assert not wrong, f"served beside written: {wrong}"
