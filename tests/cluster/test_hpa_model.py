"""The simulator's HPA beside the controller: the same CPU series, the same sequence of replica counts."""

import json
import os
import time

import pytest

from bench.compare import hpa_model, kube, watch
from bench.compare.experiment import Clock, EverySecond
from tests.cluster.conftest import ROOT

BENCH = os.path.join(os.environ.get("EI_BIN", ROOT / "build/release/bin"), "inference-bench")
PAUSE_IMAGE = "localhost/elastic-inference/pause:1"  # one busybox, on every node of the harness
SYNC_S = 5  # the harness's controller manager
PUBLISHED_S = 120  # a deadline: metrics-server of the harness publishes every 15 s, a pod's first reading can take two
# What is measured between a look and the controller's is not seen in time: the looks are close together.
SAMPLE_S = 0.25
REQUEST, TARGET, MOST = 50, 50, 6
# (seconds, CPU wanted of all pods together in percent of one pod's request): one pod or two, three or more, six, one. On a
# slow machine more is used than wanted, as the burner counts its turns.
DEMAND = [(35, 40), (70, 130), (60, 260), (60, 20)]
STABILIZATION_S = 18  # no multiple of the period: a recommendation just as old as the window is in it or not by chance

# Reads how much to burn, burns it in a tenth of a second's cycle, and sleeps. What it really uses is what is measured.
BURNER = """
while :; do
  read percent < /load/percent || percent=0
  left=$((percent * 60))
  while [ $left -gt 0 ]; do left=$((left - 1)); done
  usleep 90000
done
"""


def deployment(name, folder):
    container = {
        "name": "burner",
        "image": PAUSE_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/busybox", "sh", "-c", BURNER],
        "resources": {"requests": {"cpu": f"{REQUEST}m"}, "limits": {"cpu": f"{4 * REQUEST}m"}},
        "volumeMounts": [{"name": "load", "mountPath": "/load", "readOnly": True}],
    }
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [container],
                    "volumes": [{"name": "load", "hostPath": {"path": str(folder), "type": "Directory"}}],
                },
            },
        },
    }


def autoscaler(name, behavior):
    utilization = {"type": "Utilization", "averageUtilization": TARGET}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicas": 1,
        "maxReplicas": MOST,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": utilization}}],
    }
    if behavior:
        spec["behavior"] = {"scaleDown": {"stabilizationWindowSeconds": STABILIZATION_S}}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name}, "spec": spec}


class Burners:
    """A Deployment under an HPA: its load, shared by its pods, and what the controller sees of it."""

    def __init__(self, cluster, api, namespace, name, folder):
        self.cluster, self.api, self.namespace, self.name = cluster, api, namespace, name
        self.load = folder / name
        self.load.mkdir()
        self.load.chmod(0o755)
        self.demand, self.lines = 0, []
        self._share(1)
        cluster.apply(deployment(name, self.load), namespace)

    def autoscale(self, behavior):
        self.cluster.apply(autoscaler(self.name, behavior), self.namespace)

    def _share(self, pods):
        fresh = self.load / "new"
        fresh.write_text(f"{self.demand // max(1, pods)}\n")
        fresh.rename(self.load / "percent")

    def metrics(self):
        return self.api.get(f"/apis/metrics.k8s.io/v1beta1/namespaces/{self.namespace}/pods")

    def await_second_reading(self):
        """Returns just after metrics-server has published the one pod's second reading; its start is in the first."""
        seen, deadline = set(), time.monotonic() + PUBLISHED_S
        while len(seen) < 2:
            assert time.monotonic() < deadline, f"{self.name} has the readings {seen} after {PUBLISHED_S} s"
            seen |= {each["timestamp"] for each in self.metrics()["items"] if each["metadata"]["name"].startswith(self.name)}
            time.sleep(SAMPLE_S / 2)

    def sample(self):
        at = time.time()
        pods = self.api.get(f"/api/v1/namespaces/{self.namespace}/pods?labelSelector=app%3D{self.name}")["items"]
        scale = self.api.get(f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{self.name}/scale")
        metrics = self.metrics()
        self._share(sum(watch.is_ready(pod) for pod in pods))
        self.lines.append(watch.hpa_input(at, scale["spec"]["replicas"], pods, metrics))


def agreement(lines, behavior):
    clock = Clock(lines[0]["time_s"])
    flags = ["--target-percent", TARGET, "--request-millicores", REQUEST, "--max", MOST]
    flags += ["--behavior", "--stabilization", STABILIZATION_S] if behavior else []
    return hpa_model.agreement(BENCH, [watch.on_clock(line, clock) for line in lines], SYNC_S, flags, SAMPLE_S)


def test_the_model_scales_as_the_controller_does(cluster, namespace, tmp_path):
    if not cluster.provisioned:
        pytest.skip("the load comes through a folder of this machine, which another cluster's nodes do not have")
    # pytest's folders are for their owner alone, and the burners are nobody.
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    api = kube.Cluster(cluster.folder)
    api.connect()
    try:
        names = {False: "plain", True: "brisk"}
        both = {each: Burners(cluster, api, namespace, name, tmp_path) for each, name in names.items()}
        # The controller looks every period from an HPA's creation on, and readings are published every third period. If
        # both fall together, nobody can see whether it read before or after; so they are put half a period apart.
        both[False].await_second_reading()
        time.sleep(SYNC_S / 2)
        for each in both:
            both[each].autoscale(each)
        watchers = [EverySecond(each.sample, SAMPLE_S) for each in both.values()]
        for seconds, demand in DEMAND:
            for each in both.values():
                each.demand = demand
            time.sleep(seconds)
        for each in watchers:
            each.stop()
            assert not each.fault, each.fault
    finally:
        api.disconnect()
    for behavior, burners in both.items():
        (tmp_path / f"{burners.name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in burners.lines))
        real, model, apart = agreement(burners.lines, behavior)
        told = f"{burners.name}: controller {real}, model {model}"
        print(told)
        assert max(count for _, count in real) >= 3, told
        # One look for the reading, one for the change that came of it.
        assert apart <= SYNC_S + 2 * SAMPLE_S, told
    # With a short window the load's end is seen too.
    assert real[-1][1] < max(count for _, count in real), told
