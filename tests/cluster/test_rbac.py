"""The chart's roles: the operator does its work with them, and every verb in them is one that it needs.

The operator runs as a process against a bare API server, as the chart's service account. For each verb the role is
taken away once, and the API server's audit log must show the operator asking for it and being refused.
"""

import copy
import json
import os
import time

import pytest
import yaml

from bench.waiting import eventually
from tests.cluster.conftest import ROOT, Cluster
from tests.cluster.obstacles import webhook_that_is_down
from tests.cluster.operator_process import MONITOR_CRD, Audit, operator, resource_of, with_token

NAMESPACE = "rbac"
ACCOUNT = "eis-elastic-inference"
# Its rule is in the roles only where claims are allowed by a label.
CLAIM_LABEL = "elasticinference.dev/models"
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"


def verbs_of(objects):
    """(group, resource, verb) of every rule of the operator's roles."""
    for role in objects:
        if role["kind"] in ("ClusterRole", "Role") and not role["metadata"]["name"].endswith(("-view", "-edit")):
            for rule in role["rules"]:
                for group in rule["apiGroups"]:
                    for resource in rule["resources"]:
                        for verb in rule["verbs"]:
                            yield group, resource, verb


def without(objects, taken):
    """The roles less one verb."""
    objects = copy.deepcopy(objects)
    group, resource, verb = taken
    for role in objects:
        rules = []
        for rule in role.get("rules", []):
            if group in rule["apiGroups"] and resource in rule["resources"] and verb in rule["verbs"]:
                kept = [each for each in rule["verbs"] if each != verb]
                others = [each for each in rule["resources"] if each != resource]
                if others:
                    rules.append({**rule, "resources": others})
                if kept:
                    rules.append({**rule, "resources": [resource], "verbs": kept})
            else:
                rules.append(rule)
        if "rules" in role:
            role["rules"] = rules
    return objects


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A bare API server of our own that writes an audit log and enforces owner references' permissions."""
    folder = str(tmp_path_factory.mktemp("rbac") / "state")
    own = Cluster(os.path.join(folder, "admin.kubeconfig"), folder)
    arguments = (
        "--apiserver-arg=--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
        # Where a server has streaming lists, the operator watches and never lists.
        "--apiserver-arg=--feature-gates=WatchList=false",
    )
    own.harness("up", "--bare", "--audit", *arguments, timeout=3600)
    try:
        own.kubectl("create", "namespace", NAMESPACE)
        own.kubectl("apply", "-f", "-", stdin=json.dumps(MONITOR_CRD))
        yield own
    finally:
        own.harness("down")


@pytest.fixture(scope="module")
def chart(server):
    """The chart's objects, less the Deployment: the operator is a process here."""
    text = server.helm("template", "eis", ROOT / "helm", "-n", NAMESPACE, "--set", f"allow.claims={CLAIM_LABEL}")
    objects = [each for each in yaml.safe_load_all(text) if each and each["kind"] not in ("Deployment", "Pod", "Service")]
    apply(server, objects)
    server.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    return objects


def apply(server, objects):
    server.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin="\n---\n".join(map(json.dumps, objects)))


def run_operator(server, tmp_path):
    """The operator under the chart's service account."""
    token = server.kubectl("create", "token", ACCOUNT, "-n", NAMESPACE, "--duration=1h").strip()
    config = with_token(server, token, tmp_path / "operator.kubeconfig", NAMESPACE)
    flags = (f"--lease-name={ACCOUNT}", f"--allow-claim={CLAIM_LABEL}")
    return operator(config, tmp_path, f"operator-{time.monotonic_ns()}", NAMESPACE, *flags)


def asked_of(audit):
    """What the operator asked for: (group, resource, verb) -> status codes and messages."""
    asked = {}
    for entry in audit.entries(USER):
        key = (entry["objectRef"].get("apiGroup", ""), resource_of(entry), entry["verb"])
        status = entry.get("responseStatus", {})
        asked.setdefault(key, []).append((status.get("code"), status.get("message", "")))
    return asked


def service(name, fewest=1):
    return {
        "apiVersion": "elasticinference.dev/v1alpha1",
        "kind": "InferenceService",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"scaling": {"minReplicas": fewest}},
    }


def in_the_way(name):
    """Objects of somebody else with the names of the children: the operator must look whose they are."""
    meta = {"namespace": NAMESPACE}
    ports = [{"name": "http", "port": 81}]
    pod = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "c"}]}}
    labels = {"matchLabels": {"a": "b"}}
    return {
        "services": {"apiVersion": "v1", "kind": "Service", "metadata": {**meta, "name": name}, "spec": {"ports": ports}},
        "configmaps": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**meta, "name": f"{name}-link-keys"}},
        "deployments": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {**meta, "name": f"{name}-dispatcher"},
            "spec": {"replicas": 7, "selector": labels, "template": pod},
        },
        "poddisruptionbudgets": {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {**meta, "name": f"{name}-dispatcher"},
            "spec": {"maxUnavailable": 3, "selector": labels},
        },
        "networkpolicies": {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {**meta, "name": f"{name}-dispatcher"},
            "spec": {"podSelector": labels, "policyTypes": ["Egress"]},
        },
    }


# A child of each kind.
WITH_OWNERS = {
    "services": "{}",
    "configmaps": "{}-link-keys",
    "deployments": "{}-worker",
    "poddisruptionbudgets": "{}-worker",
    "networkpolicies": "{}-worker",
    "servicemonitors": "{}",
}


def repeat_an_event(server, name):
    """The same happens twice: the event is prolonged and not made again."""
    for paused in (True, False, True):
        patch = json.dumps({"spec": {"scaling": {"paused": paused}}})
        server.kubectl("patch", "eis", name, "-n", NAMESPACE, "--type=merge", "-p", patch)

        def seen():
            conditions = server.get("eis", name, "-n", NAMESPACE)["status"]["conditions"]
            assert {each["type"]: each["status"] for each in conditions}["Paused"] == str(paused)

        eventually(seen, 10)


def hang_a_worker(server, name):
    """Two workers' pods, as their ReplicaSet and their kubelet would show them: one works, one has hung for an hour.

    A worker that hangs is replaced soon only where another one shows that the template can work."""
    labels = {
        "app.kubernetes.io/managed-by": "inference-operator",
        "app.kubernetes.io/component": "worker",
        "elasticinference.dev/service": name,
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": NAMESPACE, "labels": labels},
        "spec": {"containers": [{"name": "worker", "image": "w"}]},
    }

    def owned_by(kind, owner):
        meta = server.get(kind, owner, "-n", NAMESPACE)["metadata"]
        kind = {"deployment": "Deployment", "replicaset": "ReplicaSet"}[kind]
        return [{"apiVersion": "apps/v1", "kind": kind, "name": owner, "uid": meta["uid"], "controller": True}]

    replica_set = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {**pod["metadata"], "name": f"{name}-worker-1", "ownerReferences": owned_by("deployment", f"{name}-worker")},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod["spec"]}},
    }
    apply(server, [replica_set])
    hour_ago = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
    for suffix, is_ready in (("works", True), ("hung", False)):
        pod["metadata"] = {**pod["metadata"], "name": f"{name}-worker-{suffix}", "ownerReferences": owned_by("replicaset", f"{name}-worker-1")}
        apply(server, [pod])
        ready = {"type": "Ready", "status": str(is_ready), "lastTransitionTime": hour_ago}
        state = {"running": {"startedAt": hour_ago}}
        running = {"name": "worker", "image": "w", "imageID": "w", "ready": is_ready, "restartCount": 0, "state": state}
        status = json.dumps({"status": {"phase": "Running", "conditions": [ready], "containerStatuses": [running]}})
        server.kubectl("patch", "pod", pod["metadata"]["name"], "-n", NAMESPACE, "--subresource=status", "-p", status)


def test_what_a_role_lacks_is_asked_for_ever_more_rarely_told_and_done_once_it_is_given(server, chart, tmp_path):
    apply(server, without(chart, ("apps", "deployments", "create")))
    audit = Audit(server)
    try:
        with run_operator(server, tmp_path):
            apply(server, [service("lacking")])

            def told():
                conditions = server.get("eis", "lacking", "-n", NAMESPACE)["status"]["conditions"]
                (workers,) = [each for each in conditions if each["type"] == "WorkersReady"]
                assert workers["reason"] == "Refused"
                assert 'cannot create resource "deployments"' in workers["message"]

            eventually(told, 10)
            time.sleep(10)
            refused = [seen for key, seen in asked_of(audit).items() if key[:2] == ("apps", "deployments")]
            # 5 ms doubled: eleven tries in ten seconds, twelve in twenty; each is of both Deployments.
            assert 2 * 3 < sum(code == 403 for seen in refused for code, _ in seen) < 2 * 20
            apply(server, chart)
            eventually(lambda: server.get("deploy", "lacking-worker", "-n", NAMESPACE), 30)
    finally:
        apply(server, chart)
        server.kubectl("delete", "eis", "--all", "-n", NAMESPACE)


def test_with_the_charts_roles_nothing_is_refused(server, chart, tmp_path):
    audit = Audit(server)
    with run_operator(server, tmp_path):
        apply(server, [service("allowed")])

        def settled():
            assert server.get("eis", "allowed", "-n", NAMESPACE)["status"]["observedGeneration"] == 1
            assert server.get("deploy", "allowed-worker", "-n", NAMESPACE)

        eventually(settled, 20)
    refused = {key: seen for key, seen in asked_of(audit).items() if any(code == 403 for code, _ in seen)}
    assert refused == {}
    server.kubectl("delete", "eis", "--all", "-n", NAMESPACE)


def test_the_roles_give_no_right_to_secrets(chart):
    """Nor to everything, nor to tokens of service accounts, which are as good."""
    found = set(verbs_of(chart))
    assert {each for each in found if "secret" in each[1] or "serviceaccount" in each[1]} == set()
    assert {each for each in found if "*" in each} == set()


def cases():
    text = (ROOT / "helm" / "templates" / "_helpers.tpl").read_text()
    text = text.partition('{{- define "ei.rules" -}}')[2].partition("{{- end -}}")[0]
    rules = yaml.safe_load("\n".join(line for line in text.splitlines() if not line.startswith("{{-")))
    found = verbs_of([{"kind": "Role", "metadata": {"name": "x"}, "rules": rules}])
    lease = [("coordination.k8s.io", "leases", verb) for verb in ("create", "get", "list", "update")]
    return sorted(set(found)) + lease


@pytest.mark.parametrize("taken", cases(), ids="/".join)
def test_without_it_the_operator_is_refused(server, chart, tmp_path, taken):
    group, resource, verb = taken
    apply(server, without(chart, taken))
    name = f"s{os.urandom(4).hex()}"
    audit = Audit(server)
    try:
        if verb == "get" and resource in in_the_way(name):
            apply(server, [in_the_way(name)[resource]])
        if resource == "leases":
            server.kubectl("delete", "lease", "--all", "-n", NAMESPACE)
        with run_operator(server, tmp_path):
            wanted = service(name)
            if resource == "persistentvolumeclaims":
                wanted["spec"]["model"] = {"uri": "pvc://models/m.pth"}
            apply(server, [wanted])

            def refused():
                asked = asked_of(audit)
                if resource == "inferenceservices/finalizers":
                    # Not a request of its own: the API server demands it of every writer of an owner reference.
                    seen = [each for key in asked if key[2] in ("create", "patch") for each in asked[key]]
                    assert any(code == 403 and "blockOwnerDeletion" in message for code, message in seen), asked
                    return
                if verb == "delete" and resource in WITH_OWNERS:
                    # Nor is this: it is demanded of who writes an owner into an object that exists.
                    seen = asked.get((group, resource, "patch"), [])
                    assert any(code == 403 and "you can't delete" in message for code, message in seen), asked
                    return
                seen = list(asked.get(taken, []))
                if verb == "create":
                    # A server-side apply of what is not there yet is a patch that must be allowed to create.
                    seen += asked.get((group, resource, "patch"), [])
                assert any(code == 403 for code, _ in seen), asked

            if resource == "events":
                eventually(lambda: server.get("deploy", f"{name}-worker", "-n", NAMESPACE), 20)
                apply(server, [service(name, fewest=2)])  # scaled up: there is something to tell
            if taken == ("events.k8s.io", "events", "patch"):
                repeat_an_event(server, name)
            if verb == "delete" and resource in WITH_OWNERS:
                eventually(lambda: server.get(resource, WITH_OWNERS[resource].format(name), "-n", NAMESPACE), 20)
                patch = '{"metadata": {"ownerReferences": null}}'
                server.kubectl("patch", resource, WITH_OWNERS[resource].format(name), "-n", NAMESPACE, "--type=merge", "-p", patch)
            if taken == ("", "pods", "delete"):
                eventually(lambda: server.get("deploy", f"{name}-worker", "-n", NAMESPACE), 20)
                hang_a_worker(server, name)
            if resource == "deployments/scale":
                eventually(lambda: server.get("deploy", f"{name}-worker", "-n", NAMESPACE), 20)
                with webhook_that_is_down(server, NAMESPACE):  # the count is a write of its own then
                    edited = service(name, fewest=2)
                    edited["spec"]["model"] = {"precision": "fp32"}
                    apply(server, [edited])
                    eventually(refused, 20)
            # A worker hangs from when it was seen, and for ten seconds at least.
            eventually(refused, 40 if verb == "delete" else 20)
    finally:
        apply(server, chart)
        server.kubectl("delete", "eis", "--all", "-n", NAMESPACE)
        if verb == "get" and resource in in_the_way(name):
            server.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=json.dumps(in_the_way(name)[resource]))
