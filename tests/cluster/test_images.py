"""The three Dockerfiles, built for real from an empty Debian and run as a cluster would run them."""

import json

import pytest

from bench.waiting import eventually
from tests.cluster.harness import images

COMPONENTS = sorted(images.COMPONENTS)


@pytest.fixture(scope="session")
def built(cluster):
    """Builds a component's image through all its stages, and gives it to the node; once each."""
    done = {}

    def build(component):
        if component not in done:
            done[component] = images.build(component)
            cluster.harness("load", done[component])
        return images.image_name(component)

    return build


@pytest.fixture(autouse=True)
def own_node(cluster):
    if not cluster.provisioned:
        pytest.skip("builds images for the harness's own node; KUBECONFIG names another cluster")


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_program_starts_in_its_image_under_the_restricted_standard(cluster, namespace, built, component):
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    container = {
        "name": "program",
        "image": built(component),
        "imagePullPolicy": "Never",
        "args": ["--help"],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    pod = {"restartPolicy": "Never", "securityContext": security, "containers": [container]}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": pod}, namespace)

    def finished():
        status = cluster.get("pod", "probe", "-n", namespace)["status"]
        assert status["phase"] in ("Succeeded", "Failed"), json.dumps(status.get("containerStatuses"))
        return status["phase"]

    assert eventually(finished, 60) == "Succeeded", cluster.kubectl("logs", "probe", "-n", namespace)
    assert "--metrics-port" in cluster.kubectl("logs", "probe", "-n", namespace)


@pytest.mark.parametrize("component", COMPONENTS)
def test_images_run_their_program_as_a_numbered_user(built, component):
    built(component)
    config = images.config(component)
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == [f"/usr/bin/inference-{component}"]


@pytest.mark.parametrize("component", ["operator", "dispatcher"])
def test_small_images_add_at_most_40_megabytes_to_debian(built, component):
    built(component)
    assert images.size_above_base(component) <= 40


@pytest.mark.parametrize("suite", [each for each in images.SUITES if each != images.SUITE])
@pytest.mark.parametrize("component", COMPONENTS)
def test_the_other_release_has_the_packages_of_both_stages(component, suite):
    images.simulate_packages(component, suite)


def test_two_builds_of_an_image_have_one_digest():
    # The operator's has most that a package's installation writes: certificates and time zones.
    assert images.fresh_digest("operator") == images.fresh_digest("operator")
