"""Pods as a Deployment's controller makes them and a kubelet shows them, where an API server is alone."""

import json
import time

READY = {"type": "Ready", "status": "True"}
NOT_READY = {"type": "Ready", "status": "False"}


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def owned_by(kind, meta):
    return [{"apiVersion": "apps/v1", "kind": kind, "name": meta["name"], "uid": meta["uid"], "controller": True}]


class Played:
    """The pods of one namespace."""

    def __init__(self, server, space):
        self._server, self._space = server, space

    def start(self, service, component, name):
        """A pod of the Deployment's template as it is now; not ready yet."""
        deployment = self._server.get("deployment", f"{service}-{component}", "-n", self._space)
        template = deployment["spec"]["template"]
        meta = {"labels": template["metadata"]["labels"], "annotations": template["metadata"]["annotations"]}
        containers = [{"name": component, "image": component}]
        made = {"name": f"{name}-set", **meta, "ownerReferences": owned_by("Deployment", deployment["metadata"])}
        spec = {"selector": {"matchLabels": meta["labels"]}, "template": {"metadata": meta, "spec": {"containers": containers}}}
        self._server.apply({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": made, "spec": spec}, self._space)
        owner = self._server.get("replicaset", made["name"], "-n", self._space)["metadata"]
        pod = {"name": name, **meta, "ownerReferences": owned_by("ReplicaSet", owner)}
        self._server.apply({"apiVersion": "v1", "kind": "Pod", "metadata": pod, "spec": {"containers": containers}}, self._space)

    def ready(self, name):
        self._show(name, READY, {"restartCount": 0, "ready": True, "state": {"running": {"startedAt": now()}}})

    def crashing(self, name, words):
        """For the third time, with these last words in its log."""
        ended = {"exitCode": 1, "reason": "Error", "message": json.dumps({"level": "error", "event": words})}
        state = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ended}}
        self._show(name, NOT_READY, {"restartCount": 2, "ready": False, **state})

    def _show(self, name, ready, container):
        container = {"name": name, "image": "i", "imageID": "i", **container}
        ready = {**ready, "lastTransitionTime": now()}
        status = {"phase": "Running", "podIP": "127.0.0.1", "conditions": [ready], "containerStatuses": [container]}
        patch = json.dumps({"status": status})
        self._server.kubectl("patch", "pod", name, "-n", self._space, "--subresource=status", "-p", patch)

    def gone(self, name):
        self._server.kubectl("delete", "pod", name, "-n", self._space, "--grace-period=0", "--force")
