"""Two releases that watch all namespaces of one cluster: the one that was there first works, and the other says so."""

import json
import os
import urllib.error
import urllib.request

import pytest

from bench.waiting import eventually
from tests.cluster.operator_process import bare_server, operator
from tests.cluster.proxied_operator import expect


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with bare_server(tmp_path_factory.mktemp("releases") / "state") as own:
        yield own


def release(server, tmp_path, name, *flags, dispatcher_image="d:1"):
    """Whose services show by the dispatcher's image which of the two they are of."""
    flags = (f"--lease-name={name}", "--ports-file", str(tmp_path / f"{name}.ports"), *flags)
    return operator(server.kubeconfig, tmp_path, name, name, *flags, dispatcher_image=dispatcher_image)


def log_of(tmp_path, name, event):
    lines = [json.loads(line) for line in (tmp_path / f"{name}.log").read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


def readiness(tmp_path, name):
    """The status and the words of /readyz."""
    port = json.loads((tmp_path / f"{name}.ports").read_text())["metrics"]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def service(name, namespace):
    kind = {"apiVersion": "elasticinference.dev/v1alpha1", "kind": "InferenceService"}
    return {**kind, "metadata": {"name": name, "namespace": namespace}}


def image_of_dispatcher(server, namespace, name):
    found = server.get("deployment", f"{name}-dispatcher", "-n", namespace)
    return found["spec"]["template"]["spec"]["containers"][0]["image"]


def events_of(server, namespace, reason):
    found = server.get("events.events.k8s.io", "-n", namespace)["items"]
    return [each for each in found if each["reason"] == reason]


@pytest.fixture
def spaces(server):
    """Namespaces of the first release, of the second, and of a service."""
    names = [f"test-{each}-{os.urandom(3).hex()}" for each in ("first", "second", "service")]
    for name in names:
        server.kubectl("create", "namespace", name)
    return names


def test_the_second_release_does_nothing_says_why_and_takes_over_when_the_first_is_gone(server, spaces, tmp_path):
    first, second, space = spaces
    with release(server, tmp_path, first):
        eventually(lambda: expect(log_of(tmp_path, first, "leadership_gained")), 20)
        with release(server, tmp_path, second, dispatcher_image="d:2"):
            eventually(lambda: expect(log_of(tmp_path, second, "another_release")), 20)
            server.apply(service("svc", space), space)
            eventually(lambda: image_of_dispatcher(server, space, "svc"), 20)
            assert image_of_dispatcher(server, space, "svc") == "d:1"
            status, words = readiness(tmp_path, second)
            assert status == 503 and f"{first}/{first}" in words, words
            assert readiness(tmp_path, first)[0] == 200
            (event,) = events_of(server, second, "AnotherRelease")
            assert event["type"] == "Warning" and f"{first}/{first}" in event["note"]
            assert event["regarding"]["kind"] == "Lease" and event["regarding"]["name"] == second
            assert server.get("deployment", "svc-dispatcher", "-n", space)["metadata"]["generation"] == 1
        assert not log_of(tmp_path, first, "another_release")
    with release(server, tmp_path, second, dispatcher_image="d:2"):
        eventually(lambda: expect(image_of_dispatcher(server, space, "svc") == "d:2"), 40)
        assert readiness(tmp_path, second)[0] == 200
        # The first comes back: it is the older one still, and the second makes way.
        with release(server, tmp_path, first):
            eventually(lambda: expect(log_of(tmp_path, second, "another_release")), 40)
            eventually(lambda: expect(image_of_dispatcher(server, space, "svc") == "d:1"), 40)


def test_a_release_of_one_namespace_is_told_of_and_does_not_stop_the_one_of_all(server, spaces, tmp_path):
    first, second, space = spaces
    with release(server, tmp_path, first, "--namespace", space):
        eventually(lambda: expect(log_of(tmp_path, first, "leadership_gained")), 20)
        with release(server, tmp_path, second):
            eventually(lambda: expect(log_of(tmp_path, second, "release_beside")), 20)
            (told,) = log_of(tmp_path, second, "release_beside")
            assert told["watches"] == space
            eventually(lambda: expect(readiness(tmp_path, second)[0] == 200), 20)
            server.apply(service("svc", second), second)
            eventually(lambda: image_of_dispatcher(server, second, "svc"), 20)
