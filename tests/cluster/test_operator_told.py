"""The operator against a bare API server: what stands in its way is told, and not run against in a hot loop."""

import copy
import json
import subprocess
import time

import yaml

from bench.waiting import eventually
from tests.cluster.conftest import CRD_FILE
from tests.cluster.operator_process import PROGRAM
from tests.cluster.played_pods import Played, owned_by
from tests.cluster.proxied_operator import (  # noqa: F401 (fixtures)
    CHILDREN,
    children,
    condition,
    create,
    expect,
    notes,
    operator,
    proxy,
    server,
    space,
    wait_for_children,
)


def test_what_is_denied_is_not_asked_for_in_a_hot_loop_and_harms_nobody_else(server, space, proxy, tmp_path):
    proxy.before = lambda method, path: 403 if method == "PATCH" and "/deployments/denied-" in path else None
    create(server, space, "denied")
    create(server, space, "fine")
    since = time.monotonic()
    with operator(proxy, space, tmp_path):
        eventually(lambda: expect("Deployment/fine-worker" in children(server, space)), 10)
        time.sleep(10 - (time.monotonic() - since))
        # 5 ms doubled: eleven tries in ten seconds, each of both Deployments.
        for name in ("denied-dispatcher", "denied-worker"):
            assert 3 < len([each for each in proxy.writes(since) if f"/deployments/{name}" in each[1]]) < 16, name
        proxy.before = None
        eventually(lambda: expect("Deployment/denied-worker" in children(server, space)), 30)


def test_a_quota_is_told_and_not_run_against_in_a_hot_loop(server, space, proxy, tmp_path):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}}
    hard = {"count/deployments.apps": "1"}
    server.apply({**quota, "spec": {"hard": hard}}, space)

    def allow(deployments):
        # No controller counts here.
        status = {"hard": {"count/deployments.apps": deployments}, "used": {"count/deployments.apps": "0"}}
        server.kubectl("patch", "quota", "full", "-n", space, "--subresource=status", "--type=merge", "-p",
                       json.dumps({"spec": {"hard": status["hard"]}, "status": status}))

    allow("1")
    create(server, space, "svc")
    since = time.monotonic()
    with operator(proxy, space, tmp_path):

        def told():
            conditions = {each["type"]: each for each in server.get("eis", "svc", "-n", space)["status"]["conditions"]}
            assert conditions["WorkersReady"]["reason"] == "Refused"
            assert "exceeded quota: full" in conditions["WorkersReady"]["message"]
            # Nothing of the status is missing though a child is.
            assert conditions["Ready"]["status"] == "False" and conditions["Stalled"]["status"] == "True"
            found = server.get("eis", "svc", "-n", space)
            assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
            assert found["status"]["desiredReplicas"] == 1 and found["status"]["readyReplicas"] == 0

        eventually(told, 10)
        time.sleep(max(0, 10 - (time.monotonic() - since)))
        assert 3 < len([each for each in proxy.writes(since) if "/deployments/" in each[1]]) < 20
        # The same refusal is one event, however often it comes.
        notes = [each["note"] for each in server.get("events.events.k8s.io", "-n", space)["items"] if each["reason"] == "Refused"]
        assert 1 <= len(notes) <= 2, notes
        server.kubectl("delete", "quota", "full", "-n", space)
        # Its next try comes within twice the time that it has waited.
        eventually(lambda: expect({"Deployment/svc-worker", "Deployment/svc-dispatcher"} <= set(children(server, space))), 30)


def test_public_keys_that_cannot_be_read_are_told_and_those_published_before_stay(server, space, proxy, tmp_path):
    def refuse(method, path):
        return 403 if path.startswith(("/openid/", "/.well-known/")) else None

    create(server, space, "before")
    with operator(proxy, space, tmp_path):
        wait_for_children(server, space)
    keys = server.get("configmap", "before-link-keys", "-n", space)["data"]
    assert json.loads(keys["keys.json"])["keys"][0]["kid"]
    proxy.before = refuse
    since = time.monotonic()
    with operator(proxy, space, tmp_path, "refused"):
        create(server, space, "after")

        def told():
            refused = condition(server, space, "after", "WorkersReady")
            assert refused["reason"] == "Refused" and "/.well-known/openid-configuration" in refused["message"], refused

        eventually(told, 10)
        # A service that has its keys is served on.
        server.kubectl("-n", space, "delete", "deployment", "before-dispatcher")
        eventually(lambda: expect("Deployment/before-dispatcher" in children(server, space)), 10)
        assert server.get("configmap", "before-link-keys", "-n", space)["data"] == keys
        time.sleep(max(0, 10 - (time.monotonic() - since)))
        assert len(proxy.matching("/.well-known/", since)) <= 12, "the keys are asked for in a hot loop"
        proxy.before = None
        eventually(lambda: expect("Deployment/after-dispatcher" in children(server, space)), 30)


def test_a_stored_service_that_is_invalid_is_told_and_harms_nobody_else(server, space, proxy, tmp_path):
    """One of a time when the CRD had fewer rules."""
    crd = yaml.safe_load(CRD_FILE.read_text())
    loose = copy.deepcopy(crd)
    spec = loose["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"]["scaling"]["x-kubernetes-validations"]
    apply = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    try:
        server.kubectl(*apply, stdin=json.dumps(loose))
        eventually(lambda: create(server, space, "invalid", scaling={"minReplicas": 5, "maxReplicas": 2}), 10)
    finally:
        server.kubectl(*apply, stdin=json.dumps(crd))
    create(server, space, "fine")
    with operator(proxy, space, tmp_path):

        def told():
            ready = condition(server, space, "invalid", "Ready")
            assert (ready["status"], ready["reason"]) == ("False", "InvalidSpec")
            assert "minReplicas" in ready["message"]
            found = children(server, space)
            assert len(found) == CHILDREN and all("fine" in name for name in found), sorted(found)

        eventually(told, 20)
        assert [note for note in notes(server, space, "InvalidSpec") if "minReplicas" in note]


def test_an_object_of_somebody_else_with_a_childs_name_is_told_and_left_alone(server, space, proxy, tmp_path):
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "svc"}, "spec": {"ports": [{"name": "pg", "port": 5432}]}}
    server.apply(theirs, space)
    create(server, space, "svc")
    with operator(proxy, space, tmp_path):

        def told():
            workers = condition(server, space, "svc", "WorkersReady")
            assert (workers["status"], workers["reason"]) == ("False", "Refused")
            assert "svc" in workers["message"]

        eventually(told, 10)
        eventually(lambda: expect(notes(server, space, "Refused")), 10)
        kept = server.get("service", "svc", "-n", space)
        assert [port["port"] for port in kept["spec"]["ports"]] == [5432] and "ownerReferences" not in kept["metadata"]
        # Out of the way, the service gets its own.
        server.kubectl("-n", space, "delete", "service", "svc")
        wait_for_children(server, space)


def test_dispatchers_that_a_quota_forbids_are_told_in_its_words(server, space, proxy, tmp_path):
    create(server, space, "svc")
    words = 'pods "svc-dispatcher-1" is forbidden: exceeded quota: full, requested: pods=1, used: pods=4, limited: pods=4'
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": words}
    with operator(proxy, space, tmp_path):
        wait_for_children(server, space)
        # As the Deployment's controller passes on what its ReplicaSet was told; there is none here.
        patch = json.dumps({"status": {"conditions": [failure]}})
        server.kubectl("-n", space, "patch", "deployment", "svc-dispatcher", "--subresource=status", "-p", patch)

        def told():
            ready = condition(server, space, "svc", "DispatcherReady")
            assert (ready["status"], ready["reason"]) == ("False", "QuotaExceeded")
            assert "exceeded quota: full" in ready["message"]

        eventually(told, 10)
        eventually(lambda: expect([note for note in notes(server, space, "QuotaExceeded") if "quota: full" in note]), 10)


def replica_set(server, space, name, labels, owners):
    """As a Deployment's controller makes one; there is none here."""
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "c"}]}}
    meta = {"name": name, "labels": labels, "ownerReferences": owners}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    server.apply({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta, "spec": spec}, space)
    return server.get("replicaset", name, "-n", space)["metadata"]


def test_pods_are_its_own_by_their_owners_and_not_by_their_labels(server, space, proxy, tmp_path):
    labels = {
        "app.kubernetes.io/managed-by": "inference-operator",
        "app.kubernetes.io/component": "dispatcher",
        "elasticinference.dev/service": "svc",
    }
    spec = {"containers": [{"name": "dispatcher", "image": "d"}]}
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = json.dumps({"status": {"phase": "Running", "podIP": "127.0.0.1", "conditions": [ready]}})

    def ready_pod(name, owners=()):
        meta = {"name": name, "labels": labels, "ownerReferences": list(owners)}
        server.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}, space)
        server.kubectl("patch", "pod", name, "-n", space, "--subresource=status", "-p", status)

    create(server, space, "svc")
    with operator(proxy, space, tmp_path):
        wait_for_children(server, space)
        deployment = server.get("deployment", "svc-dispatcher", "-n", space)["metadata"]
        ready_pod("svc-labels")
        stranger = replica_set(server, space, "stranger", labels, [])
        ready_pod("svc-strangers", owned_by("ReplicaSet", stranger))
        gone = {**deployment, "uid": "6d8f9f0e-0000-4000-8000-000000000000"}
        earlier = replica_set(server, space, "earlier", labels, owned_by("Deployment", gone))
        ready_pod("svc-earliers", owned_by("ReplicaSet", earlier))
        ready_pod("svc-shortcut", owned_by("Deployment", deployment))
        time.sleep(3)
        assert condition(server, space, "svc", "DispatcherReady")["message"] == "0 of 1 dispatcher is ready"
        Played(server, space).start("svc", "dispatcher", "svc-own")
        Played(server, space).ready("svc-own")

        def counted():
            assert condition(server, space, "svc", "DispatcherReady")["message"] == "1 of 1 dispatcher is ready"

        eventually(counted, 10)


def test_a_child_that_only_carries_the_labels_is_told_and_left_alone(server, space, proxy, tmp_path):
    labels = {
        "app.kubernetes.io/managed-by": "inference-operator",
        "app.kubernetes.io/component": "dispatcher",
        "elasticinference.dev/service": "svc",
    }
    meta = {"name": "svc-dispatcher", "labels": labels}
    theirs = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": {"maxUnavailable": 5}}
    server.apply(theirs, space)
    create(server, space, "svc")
    with operator(proxy, space, tmp_path):

        def told():
            workers = condition(server, space, "svc", "WorkersReady")
            assert (workers["status"], workers["reason"]) == ("False", "Refused")
            assert "with this service's labels and not made by this operator: remove it" in workers["message"]

        eventually(told, 10)
        kept = server.get("pdb", "svc-dispatcher", "-n", space)
        assert kept["spec"]["maxUnavailable"] == 5 and "ownerReferences" not in kept["metadata"]
        server.kubectl("-n", space, "delete", "pdb", "svc-dispatcher")
        wait_for_children(server, space)


def test_what_is_not_allowed_is_told_and_nothing_is_made_or_changed_of_it(server, space, proxy, tmp_path):
    create(server, space, "svc", worker={"image": "r.example/team-evil/x:1"})
    with operator(proxy, space, tmp_path, "operator-0", "--allow-image=r.example/team"):

        def refused():
            ready = condition(server, space, "svc", "Ready")
            assert (ready["status"], ready["reason"]) == ("False", "InvalidSpec")
            assert 'spec.worker.image: Forbidden: "r.example/team-evil/x:1": allowed is w:1' in ready["message"]
            assert "--allow-image (the chart's allow.images)" in ready["message"]

        eventually(refused, 20)
        assert children(server, space) == {}
        create(server, space, "svc", worker={"image": "r.example/team/x:1"})
        wait_for_children(server, space)
        for spec in (
            {"worker": {"image": "r.example/team@evil"}},
            {"worker": {"image": "r.example/team/x:2", "tolerations": [{"operator": "Exists"}]}},
            {"model": {"uri": "pvc://claim/m.pth"}},
            {"model": {"uri": "https://169.254.169.254/m?KEY"}},
            {"model": {"labels": "https://127.0.0.1/m"}},
        ):
            create(server, space, "svc", **spec)

            def told(spec=spec):
                status = server.get("eis", "svc", "-n", space)
                assert status["status"]["observedGeneration"] == status["metadata"]["generation"]
                message = condition(server, space, "svc", "Ready")["message"]
                assert "Forbidden" in message and "KEY" not in message

            eventually(told, 20)
            template = server.get("deployment", "svc-worker", "-n", space)["spec"]["template"]["spec"]
            assert template["containers"][0]["image"] == "r.example/team/x:1" and "tolerations" not in template


def test_claims_are_allowed_by_their_label(server, space, proxy, tmp_path):
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "models"},
        "spec": {"accessModes": ["ReadOnlyMany"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    server.apply(claim, space)
    create(server, space, "svc", model={"uri": "pvc://models/m.pth"})
    with operator(proxy, space, tmp_path, "operator-0", "--allow-claim=serves=models"):

        def refused():
            message = condition(server, space, "svc", "Ready")["message"]
            assert "allowed are PersistentVolumeClaims with the label serves=models" in message

        eventually(refused, 20)
        assert children(server, space) == {}
        server.kubectl("-n", space, "label", "pvc", "models", "serves=models")
        eventually(lambda: expect(children(server, space)), 30)
        wait_for_children(server, space)
        create(server, space, "svc", model={"uri": "pvc://missing/m.pth"})

        def kept():
            message = condition(server, space, "svc", "Ready")["message"]
            assert "there is no PersistentVolumeClaim of this name" in message
            template = server.get("deployment", "svc-worker", "-n", space)["spec"]["template"]["spec"]
            claims = [each["persistentVolumeClaim"]["claimName"] for each in template["volumes"] if "persistentVolumeClaim" in each]
            assert claims == ["models"]

        eventually(kept, 20)


def test_explain_tells_the_same_from_the_cluster_as_from_the_decision_log(server, space, proxy, tmp_path):
    def explained(*words):
        command = [PROGRAM, "explain", "svc", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and not done.stderr, done
        decisions = [each.splitlines() for each in ("\n" + done.stdout).partition("\nnow: ")[0].split("Z  svc ")[1:]]
        # Without what begins the next one: its time. By the decision's id.
        return {each[0].partition("(decision ")[2]: [each[0], *(line for line in each[1:] if line.startswith("  "))] for each in decisions}

    create(server, space, "svc", scaling={"policy": "External", "minReplicas": 1, "maxReplicas": 3})
    log = tmp_path / "decisions.jsonl"
    with operator(proxy, space, tmp_path, "operator-0", "--decision-log", log):
        wait_for_children(server, space)
        server.kubectl("scale", "eis", "svc", "-n", space, "--replicas=2")

        def told():
            here = explained("-n", space, "--kubeconfig", server.kubeconfig)
            there = explained("--log", log, "--all", "--last", "10000")
            assert here.items() <= there.items(), (here, there)
            heads = [lines[0].partition(":")[0] for lines in here.values()]
            # The change from its Event, and the last one, which kept the count, from the status.
            assert heads[-1] == "stays at 2 workers" and "goes from 1 to 2 workers" in heads, heads
            assert all(any(line.startswith("  measured: ") for line in lines) for lines in here.values()), here

        eventually(told, 30, 1)
