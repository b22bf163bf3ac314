"""The chart's dashboards, read by Grafana's own SDK. What its panels show is seen in tests/process/test_monitoring.py."""

import json
import subprocess

import pytest

from tests.cluster import rendered
from tests.cluster.harness import tools

DASHBOARDS = sorted((rendered.CHART / "files/dashboards").glob("*.json"))


def read_strictly(file):
    program = tools.ensure(["dashboard"])["dashboard"]
    done = subprocess.run([program, file], capture_output=True, text=True, timeout=30)
    return done.returncode, done.stderr


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.name)
def test_grafanas_schema_has_every_field(file):
    assert read_strictly(file) == (0, "")


@pytest.mark.parametrize(
    "right, wrong, says",
    [
        ('"legendFormat"', '"legend_format"', "legend_format"),
        ('"showLegend": true', '"showLegend": "yes"', "showLegend"),
        ('"gridPos"', '"grid"', "grid"),
        ('"fieldConfig"', '"fieldConfigs"', "fieldConfigs"),
    ],
)
def test_a_field_that_grafana_does_not_know_is_seen(tmp_path, right, wrong, says):
    text = DASHBOARDS[0].read_text()
    assert right in text
    (tmp_path / "wrong.json").write_text(text.replace(right, wrong))
    code, said = read_strictly(tmp_path / "wrong.json")
    assert code == 1 and says in said


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.name)
def test_nothing_in_it_is_of_a_kind_that_the_reader_lets_pass(file):
    dashboard = json.loads(file.read_text())
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    for panel in dashboard["panels"]:
        assert panel["type"] in ("timeseries", "state-timeline"), panel["title"]
        assert panel["description"]
        for target in panel["targets"]:
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.name)
def test_one_chooses_where_and_what_to_look_at(file):
    names = [each["name"] for each in json.loads(file.read_text())["templating"]["list"]]
    assert names == ["datasource", "namespace", "service"]


def test_the_config_map_holds_them_as_they_are(tmp_path):
    objects = rendered.objects(tmp_path, {"dashboards": {"enabled": True}})
    config = rendered.only(objects, "ConfigMap")
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert config["data"] == {file.name: file.read_text() for file in DASHBOARDS}
