"""Others who write the operator's objects: a controller that changes them back, a second operator, orphans of an earlier service."""

import contextlib
import json
import threading
import time

from bench.waiting import eventually
from tests.cluster.proxied_operator import (  # noqa: F401 (fixtures)
    CHILDREN,
    KINDS,
    children,
    condition,
    create,
    expect,
    monitors,
    notes,
    operator,
    proxy,
    server,
    space,
    wait_for_children,
)

EXTERNAL = {"policy": "External", "minReplicas": 1, "maxReplicas": 5}


def deployment(server, space):
    return server.get("deployment", "svc-worker", "-n", space)


def image_of(found):
    return found["spec"]["template"]["spec"]["containers"][0]["image"]


@contextlib.contextmanager
def rival(server, space, image):
    """Somebody else's controller, which holds the workers' image for its own."""
    ending = threading.Event()
    patch = json.dumps({"spec": {"template": {"spec": {"containers": [{"name": "worker", "image": image}]}}}})

    def fight():
        while not ending.is_set():
            if image_of(deployment(server, space)) != image:
                server.kubectl("patch", "deployment", "svc-worker", "-n", space, "--field-manager=rival", "-p", patch)

    thread = threading.Thread(target=fight)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def told(server, space, words):
    stalled = condition(server, space, "svc", "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "WritesUndone"), stalled
    assert all(each in stalled["message"] for each in words), stalled
    assert [note for note in notes(server, space, "WritesUndone") if all(each in note for each in words)]


def test_who_changes_a_child_back_is_named_written_against_ever_more_rarely_and_does_not_stop_scaling(server, space, proxy, tmp_path):
    create(server, space, "svc", scaling=EXTERNAL)
    with operator(proxy, space, tmp_path):
        wait_for_children(server, space)
        with rival(server, space, "theirs:1"):
            eventually(lambda: told(server, space, ['"rival"', "spec.template.spec.containers[worker].image", "svc-worker"]), 20)
            before, since = deployment(server, space)["metadata"]["generation"], time.monotonic()
            time.sleep(12)
            written = [each for each in proxy.writes(since) if "/deployments/svc-worker" in each[1]]
            # 1 s, doubled: four writes in twelve seconds, and as many answers to them.
            assert deployment(server, space)["metadata"]["generation"] - before <= 12 and len(written) <= 6, written
            server.kubectl("scale", "eis", "svc", "-n", space, "--replicas=4")

            def scaled():
                assert deployment(server, space)["spec"]["replicas"] == 4

            eventually(scaled, 5)
        # The other has ended: the next write stands.
        eventually(lambda: expect(image_of(deployment(server, space)) == "w:1"), 40)
        assert deployment(server, space)["spec"]["replicas"] == 4


def test_two_operators_with_different_defaults_do_not_fight_without_a_word(server, space, proxy, tmp_path):
    create(server, space, "svc", scaling=EXTERNAL)
    with operator(proxy, space, tmp_path):
        wait_for_children(server, space)
        with operator(proxy, space, tmp_path, "operator-1", worker_image="w:2"):
            eventually(lambda: told(server, space, ["another operator", "svc-worker", "containers[worker].image"]), 20)
            before = deployment(server, space)["metadata"]["generation"]
            time.sleep(12)
            assert deployment(server, space)["metadata"]["generation"] - before <= 20


def test_what_a_service_deleted_with_cascade_orphan_left_belongs_to_its_successor(server, space, proxy, tmp_path, monitors):
    kinds = KINDS + ",servicemonitors"

    def found():
        return {f"{each['kind']}/{each['metadata']['name']}": each["metadata"] for each in server.get(kinds, "-n", space)["items"]}

    def all_owned():
        uid = server.get("eis", "svc", "-n", space)["metadata"]["uid"]
        seen = found()
        assert len(seen) == CHILDREN + 1, sorted(seen)
        for name, each in seen.items():
            assert [owner["uid"] for owner in each.get("ownerReferences", [])] == [uid], name
        return seen

    create(server, space, "svc")
    with operator(proxy, space, tmp_path):
        before = eventually(all_owned, 20)
    orphan(server, space, before)
    create(server, space, "svc")
    with operator(proxy, space, tmp_path, "operator-1"):
        after = eventually(all_owned, 20)
        assert {name: each["uid"] for name, each in after.items()} == {name: each["uid"] for name, each in before.items()}
        assert condition(server, space, "svc", "Stalled")["status"] == "False"
        # And where somebody takes an owner away while the service lives.
        orphan_children(server, space, after)
        eventually(all_owned, 20)


def orphan_children(server, space, children):
    """As the garbage collector does: the children lose their owner, and stay."""
    for name in children:
        kind, _, child = name.partition("/")
        server.kubectl("patch", kind, child, "-n", space, "--type=merge", "-p", '{"metadata": {"ownerReferences": null}}')


def orphan(server, space, children):
    """kubectl delete --cascade=orphan; there is no garbage collector here, so this does its work."""
    server.kubectl("delete", "eis", "svc", "-n", space, "--cascade=orphan", "--wait=false")
    orphan_children(server, space, children)
    server.kubectl("patch", "eis", "svc", "-n", space, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    eventually(lambda: expect(not server.get("eis", "-n", space)["items"]), 10)
