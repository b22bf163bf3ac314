"""Values that are missing, and names that no object can have: each renders whole, or is refused in words before anything is made."""

import filecmp

import pytest
import yaml

from tests.cluster import rendered

DEFAULTS = yaml.safe_load((rendered.CHART / "values.yaml").read_text())
BLOCKS = [name for name, value in DEFAULTS.items() if isinstance(value, dict) and value]
# Whose keys are the user's own words: null takes the defaults away.
FREE = {"resources"}


def test_the_defaults_that_fill_gaps_are_the_charts():
    copy = rendered.CHART / "files/defaults.yaml"
    assert filecmp.cmp(rendered.CHART / "values.yaml", copy, shallow=False), f"cp helm/values.yaml {copy}"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return rendered.objects(tmp_path_factory.mktemp("whole"), {})


@pytest.mark.parametrize("name", sorted(set(BLOCKS) - FREE))
def test_a_block_that_is_taken_away_has_its_defaults(tmp_path, whole, name):
    assert rendered.objects(tmp_path, {name: None}) == whole


@pytest.mark.parametrize("name", sorted(set(BLOCKS) - FREE))
def test_so_has_each_value_of_a_block(tmp_path, whole, name):
    done = rendered.template(tmp_path, {name: {key: None for key in DEFAULTS[name]}}, check=False)
    if done.returncode != 0:
        assert "nil pointer" not in done.stderr and name in done.stderr
        return
    assert [each for each in yaml.safe_load_all(done.stdout) if each] == whole


def test_without_any_value_everything_is_as_by_default(tmp_path, whole):
    assert rendered.objects(tmp_path, dict.fromkeys(set(DEFAULTS) - FREE)) == whole


def test_what_is_set_stays_where_the_rest_of_its_block_is_missing(tmp_path):
    objects = rendered.objects(tmp_path, {"rbac": {"create": False, "aggregate": None}, "crd": None, "replicas": 0})
    assert not {"Role", "ClusterRole"} & {each["kind"] for each in objects}
    assert rendered.only(objects, "Deployment")["spec"]["replicas"] == 0


@pytest.mark.parametrize("path", ["resources", "resources.limits"])
def test_limits_can_be_taken_away(tmp_path, path):
    deployment = rendered.only(rendered.objects(tmp_path, {}, "--set", f"{path}=null"), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert "limits" not in container["resources"]


@pytest.mark.parametrize(
    "why, release, values",
    [
        ("a dot", "v1.2", {}),
        ("a digit first", "1st", {}),
        ("a dot in a longer name", "team.elastic-inference", {}),
        ("capitals", "eis", {"fullnameOverride": "Operator"}),
        ("an underscore", "eis", {"nameOverride": "my_operator"}),
    ],
)
def test_a_release_whose_services_could_not_be_made_is_refused(tmp_path, why, release, values):
    done = rendered.template(tmp_path, values, release=release, check=False)
    assert done.returncode != 0, why
    assert "allowed for a Service" in done.stderr and "fullnameOverride" in done.stderr


def test_a_name_is_cut_where_no_dash_ends_it(tmp_path):
    objects = rendered.objects(tmp_path, {"nameOverride": "x" * 34 + "---y"})
    assert rendered.only(objects, "Service")["metadata"]["name"] == "eis-" + "x" * 34 + "-metrics"


def test_another_name_makes_such_a_release_possible(tmp_path):
    objects = rendered.objects(tmp_path, {"fullnameOverride": "operator"}, release="v1.2")
    assert rendered.only(objects, "Service")["metadata"]["name"] == "operator-metrics"


@pytest.mark.parametrize(
    "values, says",
    [
        ({"serviceAccount": {"name": "Robot"}}, "/serviceAccount/name"),
        ({"serviceAccount": {"annotations": {"a b": "x"}}}, "a b"),
        ({"priorityClass": {"name": "very_high", "create": True}}, "/priorityClass/name"),
        ({"services": {"priorityClass": "-"}}, "/services/priorityClass"),
        ({"services": {"imagePullSecrets": ["Registry"]}}, "/services/imagePullSecrets/0"),
        ({"imagePullSecrets": [""]}, "/imagePullSecrets/0"),
        ({"podLabels": {"team": "of two"}}, "/podLabels/team"),
        ({"podLabels": {"-team": "x"}}, "-team"),
        ({"serviceMonitor": {"labels": {"release": "a" * 64}}}, "/serviceMonitor/labels/release"),
        ({"podAnnotations": {"a/b/c": "x"}}, "a/b/c"),
        ({"nodeSelector": {"disk": "ssd!"}}, "/nodeSelector/disk"),
    ],
)
def test_names_that_the_api_server_would_refuse_are_refused_by_helm(tmp_path, values, says):
    done = rendered.template(tmp_path, values, check=False)
    assert done.returncode != 0
    assert says in done.stderr


def test_a_version_with_build_metadata_is_a_valid_label_and_tag(tmp_path):
    rendered.helm("package", rendered.CHART, "--version", "0.2.0+abc", "--app-version", "0.2.0+abc", "-d", tmp_path)
    (packed,) = tmp_path.glob("*.tgz")
    deployment = rendered.only(rendered.objects(tmp_path, {}, chart=packed), "Deployment")
    assert deployment["metadata"]["labels"]["helm.sh/chart"] == "elastic-inference-0.2.0_abc"
    assert deployment["metadata"]["labels"]["app.kubernetes.io/version"] == "0.2.0_abc"
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":0.2.0_abc")
