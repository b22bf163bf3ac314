"""The chart as a package: what Artifact Hub reads, the values in ci/, and its way through a registry."""

import base64
import json
import re
import select
import subprocess

import pytest
import yaml

from bench.processes import spawn
from bench.processes import spawn
from tests.cluster import rendered
from tests.cluster.harness import tools

CHART = yaml.safe_load((rendered.CHART / "Chart.yaml").read_text())
HUB = {name.removeprefix("artifacthub.io/"): value for name, value in CHART["annotations"].items()}
CI = sorted((rendered.CHART / "ci").glob("*-values.yaml"))


def test_the_icon_is_the_picture_in_the_repository():
    picture = (rendered.CHART / "icon.svg").read_text().strip()
    assert CHART["icon"] == "data:image/svg+xml;base64," + base64.b64encode(picture.encode()).decode()


def test_artifact_hub_is_told_of_the_crd_and_its_sample():
    crd = yaml.safe_load((rendered.CHART / "files/inferenceservices.yaml").read_text())
    (told,) = yaml.safe_load(HUB["crds"])
    assert told["name"] == crd["metadata"]["name"]
    assert (told["kind"], told["version"]) == (crd["spec"]["names"]["kind"], crd["spec"]["versions"][0]["name"])
    sample = yaml.safe_load((rendered.ROOT / "crds/samples/resnet18.yaml").read_text())
    (example,) = yaml.safe_load(HUB["crdsExamples"])
    assert example["apiVersion"] == sample["apiVersion"] and example["metadata"] == sample["metadata"]
    assert example["spec"]["scaling"] == sample["spec"]["scaling"]


def test_artifact_hub_is_told_of_the_images_that_the_chart_uses(tmp_path):
    text = rendered.template(tmp_path, {}).stdout
    for image in yaml.safe_load(HUB["images"]):
        assert image["image"] in text, image
    assert len(yaml.safe_load(HUB["images"])) == 3


def test_artifact_hub_is_told_of_the_licence_and_the_changes():
    licence = (rendered.ROOT / "LICENSE").read_text()
    assert "Apache License" in licence and "Version 2.0" in licence and HUB["license"] == "Apache-2.0"
    changes = yaml.safe_load(HUB["changes"])
    # The kinds that Artifact Hub knows.
    assert changes and {each["kind"] for each in changes} <= {"added", "changed", "deprecated", "removed", "fixed", "security"}
    assert HUB["operator"] == "true"


def test_the_chart_has_the_version_of_the_programs():
    cmake = (rendered.ROOT / "CMakeLists.txt").read_text()
    assert CHART["version"] == CHART["appVersion"] == re.search(r"project\(elastic_inference VERSION ([\d.]+)", cmake)[1]


@pytest.mark.parametrize("file", CI, ids=lambda file: file.stem)
def test_the_values_for_continuous_integration_are_clean(file):
    assert "0 chart(s) failed" in rendered.helm("lint", "--strict", rendered.CHART, "-f", file).stdout
    kinds = re.findall(r"^kind: (\w+)$", rendered.helm("template", "eis", rendered.CHART, "-f", file).stdout, re.MULTILINE)
    assert "Deployment" in kinds
    if file.stem == "namespaced-values":
        assert not {"CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy"} & set(kinds)


@pytest.fixture
def registry():
    """HOST:PORT of an empty registry."""
    program = tools.ensure(["registry"])["registry"]
    with spawn([program], stdout=subprocess.PIPE, text=True) as running:
        try:
            assert select.select([running.stdout], [], [], 20)[0], "the registry did not start"
            yield running.stdout.readline().strip()
        finally:
            running.terminate()


def release(*args, check=True):
    command = [rendered.ROOT / ".ci/release", "--helm", tools.ensure(["helm"])["helm"], *args]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=rendered.DEADLINE_S)
    assert not check or done.returncode == 0, done.stderr
    return done


def test_a_release_pushes_the_chart_and_everybody_can_pull_it(tmp_path, registry):
    url = f"oci://{registry}/charts"
    release("chart", "--version", "1.2.3", "--push", url, "--plain-http", "--home", "https://example.org", "--source", "https://example.org/git",
            "--out", tmp_path)
    sums = (tmp_path / "SHA256SUMS").read_text()
    assert re.fullmatch(r"[0-9a-f]{64}  chart-1\.2\.3\.intoto\.json\n[0-9a-f]{64}  elastic-inference-1\.2\.3\.tgz\n", sums)
    pulled = tmp_path / "pulled"
    rendered.helm("pull", f"{url}/elastic-inference", "--version", "1.2.3", "--plain-http", "--untar", "-d", pulled)
    told = yaml.safe_load((pulled / "elastic-inference/Chart.yaml").read_text())
    assert (told["version"], told["appVersion"], told["home"], told["sources"]) == ("1.2.3", "1.2.3", "https://example.org", ["https://example.org/git"])
    assert all(each["image"].endswith(":1.2.3") for each in yaml.safe_load(told["annotations"]["artifacthub.io/images"]))
    assert not (pulled / "elastic-inference/ci").exists()
    here, there = (json.dumps(rendered.objects(tmp_path, {}, chart=chart), sort_keys=True) for chart in (rendered.CHART, pulled / "elastic-inference"))
    assert there == here.replace("0.1.0", "1.2.3")


@pytest.mark.parametrize(
    "args, says",
    [
        (["chart", "--version", "1.2"], "the version is '1.2'"),
        (["chart", "--version", "v1.2.3"], "the version is 'v1.2.3'"),
        (["chart", "--version", "1.2.3", "--push", "http://registry"], "--push is 'http://registry'"),
        (["charts"], "unknown argument 'charts'"),
        (["--version"], "--version needs a value"),
    ],
)
def test_what_a_release_cannot_be_made_of_is_refused(tmp_path, args, says):
    done = release(*args, "--out", tmp_path, check=False) if args != ["--version"] else release(*args, check=False)
    assert done.returncode != 0 and says in done.stderr
    assert not list(tmp_path.iterdir())
