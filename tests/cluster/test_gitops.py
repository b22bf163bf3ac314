"""What docs/gitops.md tells Argo CD and Flux, on objects of a service's life. kstatus itself is the judge of both."""

import json
import re
import shutil
import subprocess

import pytest
import yaml

from tests.cluster import rendered
from tests.cluster.harness import tools

LIFE = yaml.safe_load((rendered.ROOT / "tests/cluster/service_life.yaml").read_text())
PAGE = (rendered.ROOT / "docs/gitops.md").read_text()
SCRIPT = rendered.ROOT / "docs/gitops/argocd_health.lua"
# The words of the two for the same three states.
ARGOCD = {"Current": "Healthy", "InProgress": "Progressing", "Failed": "Degraded"}


def lua(value):
    """A value as Lua writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"[{json.dumps(key)}] = {lua(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ", ".join(map(lua, value)) + "}"
    return json.dumps(value).replace("null", "nil")


def argocd_health(item):
    # Argo CD's interpreter is of Lua 5.1.
    program = shutil.which("lua5.1")
    assert program, "Debian's package lua5.1 is needed"
    ask = f"obj = {lua(item)}\nlocal health = (function() {SCRIPT.read_text()} end)()\nprint(health.status)\nprint(health.message)\n"
    done = subprocess.run([program, "-"], input=ask, capture_output=True, text=True, timeout=10)
    assert done.returncode == 0, done.stderr
    status, message = done.stdout.split("\n", 1)
    return status, message.strip()


def asked(program, objects, *args):
    """The lines of one of the harness's programs that read objects."""
    path = tools.ensure([program])[program]
    text = "\n".join(map(json.dumps, objects))
    done = subprocess.run([path, *args], input=text, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_recorded_life_has_every_state():
    assert {each["argocd"] for each in LIFE} == set(ARGOCD.values())
    assert all(ARGOCD[each["kstatus"]] == each["argocd"] for each in LIFE)


def test_kstatus_sees_what_is_written_beside_each_object():
    lines = asked("kstatus", [each["object"] for each in LIFE])
    assert [line["status"] for line in lines] == [each["kstatus"] for each in LIFE]


@pytest.mark.parametrize("row", LIFE, ids=lambda row: row["why"])
def test_argo_cd_shows_the_state_and_the_words_of_its_condition(row):
    status, message = argocd_health(row["object"])
    assert status == row["argocd"]
    conditions = {each["type"]: each for each in row["object"]["status"].get("conditions", [])}
    telling = {"Healthy": "Ready", "Degraded": "Stalled", "Progressing": "Reconciling"}[status]
    fresh = row["object"]["metadata"]["generation"] == row["object"]["status"]["observedGeneration"]
    assert message == (conditions[telling]["message"] if fresh else "the operator has not looked at this spec yet")


@pytest.mark.parametrize("status", [{}, {"status": {}}, {"status": {"observedGeneration": 1}}, {"status": {"observedGeneration": 1, "conditions": []}}])
def test_a_status_with_gaps_is_progress(status):
    item = {"metadata": {"generation": 1}, **status}
    assert argocd_health(item)[0] == "Progressing"


def flux_expressions():
    (text,) = re.findall(r"```yaml\n(apiVersion: kustomize.+?)```", PAGE, re.DOTALL)
    (check,) = yaml.safe_load(text)["spec"]["healthCheckExprs"]
    return check


def test_flux_comes_to_the_same():
    check = flux_expressions()
    objects = [each["object"] for each in LIFE] + [{"metadata": {"generation": 1}, "status": {}}]
    lines = asked("cel", objects, check["inProgress"], check["failed"], check["current"])

    def state(in_progress, failed, current):
        # The order in which Flux asks.
        return "InProgress" if in_progress else "Failed" if failed else "Current" if current else "InProgress"

    assert [state(*line) for line in lines] == [each["kstatus"] for each in LIFE] + ["InProgress"]


def test_the_page_names_the_group_and_kind_of_the_crd():
    crd = yaml.safe_load((rendered.CHART / "files/inferenceservices.yaml").read_text())["spec"]
    check = flux_expressions()
    assert (check["apiVersion"], check["kind"]) == (f"{crd['group']}/{crd['versions'][0]['name']}", crd["names"]["kind"])
    assert f"resource.customizations.health.{crd['group']}_{crd['names']['kind']}`" in PAGE
    assert crd["names"]["shortNames"] == ["eis"]


def test_argo_cd_can_be_given_a_chart_without_a_lease(tmp_path):
    kinds = [each["kind"] for each in rendered.objects(tmp_path, {"lease": {"create": False}})]
    assert "Lease" not in kinds and "Deployment" in kinds


def test_under_external_a_sync_leaves_alone_what_somebody_scaled(crd, namespace):
    def sync(**scaling):
        sample = yaml.safe_load((rendered.ROOT / "crds/samples/resnet18.yaml").read_text())
        sample["spec"]["scaling"] = {"policy": "External", "minReplicas": 1, "maxReplicas": 5, **scaling}
        sample["metadata"]["name"] = "synced"
        apply = ("apply", "-n", namespace, "--server-side", "--field-manager=argocd-controller", "--force-conflicts", "-f", "-")
        crd.kubectl(*apply, stdin=json.dumps(sample))

    def now():
        return json.loads(crd.kubectl("get", "eis", "synced", "-n", namespace, "--show-managed-fields", "-o", "json"))

    sync()
    crd.kubectl("scale", "eis/synced", "-n", namespace, "--replicas=3")
    sync(cooldown="40s")
    found = now()
    assert found["spec"]["replicas"] == 3 and found["spec"]["scaling"]["cooldown"] == "40s"
    # Of what `scale` writes to a custom resource the API server notes no owner.
    assert [each["manager"] for each in found["metadata"]["managedFields"]] == ["argocd-controller"]
    crd.kubectl("patch", "eis", "synced", "-n", namespace, "--type=merge", "--field-manager=scaler", "-p", '{"spec": {"replicas": 4}}')
    sync()
    found = now()
    owners = [each["manager"] for each in found["metadata"]["managedFields"] if "f:replicas" in each["fieldsV1"].get("f:spec", {})]
    assert found["spec"]["replicas"] == 4 and owners == ["scaler"]
