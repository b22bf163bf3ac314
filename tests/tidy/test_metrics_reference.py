"""docs/metrics.md and the code name the same metrics; so do the dashboards and every other page. Their types and labels are compared
with real answers in tests/process."""
import re
import subprocess

from tests.tidy import documents
from tests.tidy.documents import METRIC, ROOT

REGISTERING = {"dispatcher/metrics/metrics.cpp", "inference/service/metrics.cpp", "operator/reconcile/metrics.cpp"}
# Names that two programs use stand once, in their contract.
SOURCES = REGISTERING | {"dispatcher/contract/metrics.hpp"}


def registered():
    return {name for source in SOURCES for name in re.findall(rf'"({METRIC})"', (ROOT / source).read_text())}


def tracked(*patterns):
    return subprocess.run(["git", "ls-files", "--", *patterns], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()


def test_every_metric_of_the_code_has_a_row_and_every_row_a_metric():
    code, rows = registered(), set(documents.metrics_reference())
    assert code, "the names moved to another file"
    assert code - rows == set(), "not in docs/metrics.md"
    assert rows - code == set(), "not in the code"


def test_only_the_metrics_files_register_metrics():
    elsewhere = []
    for name in tracked("dispatcher/*.cpp", "inference/*.cpp", "operator/*.cpp"):
        if name not in REGISTERING and re.search(rf'\b(?:counter|gauge|histogram|Name)\(\s*"{METRIC}"', (ROOT / name).read_text()):
            elsewhere.append(name)
    assert not elsewhere, f"{elsewhere}: one file for each program, {sorted(REGISTERING)}"


def test_documents_and_dashboards_name_metrics_that_exist():
    known, wrong = registered(), []
    for path in [*documents.pages(), *(ROOT / name for name in tracked("helm/files/dashboards/*", "crds/*", "helm/*.yaml"))]:
        series = re.findall(rf"(?<![\w/.-]){METRIC}\b(?![/(.])", path.read_text().replace("\\_", "_"))
        wrong += [f"{path.relative_to(ROOT)}: {name}" for name in series if documents.metric_of(name) not in known]
    assert not wrong, wrong
