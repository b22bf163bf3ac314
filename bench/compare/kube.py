"""The cluster of a comparison: a node of our own, or the one that KUBECONFIG names; and its API."""
import base64
import calendar
import collections
import json
import os
import re
import select
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml

from bench.compare.experiment import ROOT, output_of, say
from bench.processes import end, spawn
from bench.waiting import Failed, wait_until

HARNESS = ROOT / "tests/cluster/cluster"
SYSTEM = "elastic-inference"
# The first start builds Kubernetes, and the first load the images: minutes each, on a slow machine many.
SETUP_SECONDS = 3600
API_SECONDS = 5
NODE_OPTIONS = [
    # The harness shortens the autoscaler's period for its tests; here it is the default again.
    "--controller-manager-arg=--horizontal-pod-autoscaler-sync-period=15s",
    # With the kernel's usual 100 ms a fifth of a core is a fast one that stops for 80 ms: a picture takes 13 ms on a quiet
    # worker and 50 ms on a busy one. In short periods it is a slow core, as a worker with a core of its own is a fast one.
    "--cfs-period=10ms",
]


class Cluster:
    """kubectl, helm and the API; `own` when this program started it."""

    def __init__(self, folder):
        """folder: the state of our own node; None for the cluster of KUBECONFIG."""
        self.own, self.folder = folder is not None, folder
        self._env = {key: value for key, value in os.environ.items() if not (self.own and key == "KUBECONFIG")}
        self._command = [HARNESS, *(["--dir", folder] if self.own else [])]
        self._proxy = self._url = None

    # Set-up -----------------------------------------------------------

    def up(self, archives):
        """Starts the node and gives it the images, built from this tree or from `archives`."""
        say("starting a Kubernetes node on this machine (its first time builds Kubernetes: minutes)")
        self._harness("up", *NODE_OPTIONS)
        say("giving it the images")
        self._harness("load", *(archives or ["operator", "dispatcher", "worker"]))

    def down(self):
        self._harness("down", seconds=180)

    def _harness(self, *args, seconds=SETUP_SECONDS):
        return output_of([*self._command, *args], seconds, env=self._env)

    def install(self, values):
        """helm install of this tree's chart; `values`: the text of a values file that names the images."""
        options = ["-n", SYSTEM, "--create-namespace", "-f", "-", "--wait", "--timeout", "180s"]
        options += ["--set", "crd.keep=false"] if self.own else []
        self.run("helm", "upgrade", "--install", "eis", ROOT / "helm", *options, stdin=values, seconds=200)

    def uninstall(self):
        self.run("helm", "uninstall", "eis", "-n", SYSTEM, "--wait", "--timeout", "60s", seconds=90)

    # Clients ----------------------------------------------------------

    def run(self, program, *args, stdin=None, seconds=60):
        """kubectl or helm on this cluster; what it prints."""
        command = [*self._command, program, "--", *args]
        return output_of(command, seconds, env=self._env, input="" if stdin is None else stdin)

    def kubectl(self, *args, **options):
        return self.run("kubectl", *args, **options)

    def apply(self, text):
        return self.kubectl("apply", "-f", "-", stdin=text)

    def on_network(self):
        """What to put before a command so that it reaches Services and pods by their addresses."""
        return [*self._command, "exec", "--"] if self.own else []

    def spawn(self, program, *args, **options):
        return spawn([*self._command, program, "--", *args], env=self._env, **options)

    def connect(self):
        """Starts `kubectl proxy`, which knows every way to log in; `get` goes through it."""
        self._proxy = self.spawn("kubectl", "proxy", "--port=0", stdout=subprocess.PIPE, text=True)
        self._url = "http://" + first_line(self._proxy, r"serve on (\S+)", "kubectl proxy")

    def disconnect(self):
        if self._proxy:
            end(self._proxy)

    def get(self, path):
        """A GET of the API; None when there is no such object. OSError when the server cannot be asked."""
        try:
            with urllib.request.urlopen(self._url + path, timeout=API_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def server(self):
        """(URL of the API server, its CA as PEM or ""), as kubectl uses them."""
        config = json.loads(self.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
        cluster = config["clusters"][0]["cluster"]
        if "certificate-authority-data" not in cluster:
            return cluster["server"], ""
        return cluster["server"], base64.b64decode(cluster["certificate-authority-data"]).decode()

    def version(self):
        return json.loads(self.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"].lstrip("v")


def first_line(process, pattern, what, seconds=30):
    """The group of `pattern` in the first line that a process prints; Failed for another line, or none in time."""
    if not select.select([process.stdout], [], [], seconds)[0]:
        raise Failed(f"{what} said nothing for {seconds} s")
    line = process.stdout.readline()
    found = re.search(pattern, line)
    if not found:
        raise Failed(f"{what} said {line!r}")
    # kubectl port-forward says a line for each connection: unread, they would fill the pipe and stop it.
    threading.Thread(target=collections.deque, args=(process.stdout, 0), daemon=True).start()
    return found[1]


class Service:
    """One InferenceService on the cluster, reached by its own address or, elsewhere, through kubectl port-forward."""

    def __init__(self, cluster, namespace, name):
        self.cluster, self.namespace, self.name = cluster, namespace, name
        self._forward = None

    def path(self, kind="inferenceservices", group="apis/elasticinference.dev/v1alpha1"):
        return f"/{group}/namespaces/{self.namespace}/{kind}/{self.name}"

    def resource(self):
        return self.cluster.get(self.path()) or {}

    def worker_pods(self):
        labels = f"elasticinference.dev/service={self.name},app.kubernetes.io/component=worker"
        query = urllib.parse.urlencode({"labelSelector": labels})
        return self.cluster.get(f"/api/v1/namespaces/{self.namespace}/pods?{query}")["items"]

    def metrics(self):
        """metrics.k8s.io's word on the namespace's pods; None when it has none."""
        try:
            return self.cluster.get(f"/apis/metrics.k8s.io/v1beta1/namespaces/{self.namespace}/pods")
        except OSError:
            return None

    def start(self, manifests):
        """Applies the manifests of one run and waits until one worker serves."""
        self.cluster.apply(manifests)
        here = ("-n", self.namespace)
        self.cluster.kubectl("wait", *here, "--for=condition=Ready", f"eis/{self.name}", "--timeout=300s", seconds=310)

    def scale(self, replicas):
        """Under External: so many workers, ready."""
        self.cluster.kubectl("scale", f"eis/{self.name}", "-n", self.namespace, f"--replicas={replicas}")

        def ready():
            return self.resource().get("status", {}).get("readyReplicas") == replicas

        wait_until(ready, 180, f"readiness of {replicas} workers", interval=0.5)

    def stop(self):
        """Deletes the service, the autoscaler and what they made; returns when the pods are gone."""
        self.end_forward()
        here = ("-n", self.namespace, "--ignore-not-found", "--timeout=90s")
        for kind in ("hpa", "eis"):
            self.cluster.kubectl("delete", kind, self.name, *here, seconds=100)
        pods = f"/api/v1/namespaces/{self.namespace}/pods"
        wait_until(lambda: not self.cluster.get(pods)["items"], 90, "the end of the last run's pods", interval=0.5)

    def url(self):
        """Where to POST pictures."""
        if self.cluster.own:
            service = self.cluster.get(f"/api/v1/namespaces/{self.namespace}/services/{self.name}")
            return f"http://{service['spec']['clusterIP']}/predict"
        self.end_forward()
        command = ("port-forward", "-n", self.namespace, f"service/{self.name}", ":80")
        self._forward = self.cluster.spawn("kubectl", *command, stdout=subprocess.PIPE, text=True)
        return f"http://{first_line(self._forward, r'(127.0.0.1:[0-9]+)', 'kubectl port-forward')}/predict"

    def end_forward(self):
        if self._forward:
            end(self._forward)
            self._forward = None


def image_values():
    """The chart's values for the images that the harness builds."""
    names = {"image": "operator", "dispatcherImage": "dispatcher", "workerImage": "worker"}
    values = {key: {"repository": f"localhost/elastic-inference/{name}", "tag": "test"} for key, name in names.items()}
    return yaml.safe_dump(values)


def seconds_of(timestamp):
    """Unix seconds of an RFC 3339 time as the API writes it (UTC, with or without a fraction); None for none."""
    if not timestamp:
        return None
    whole, _, fraction = timestamp.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float(f"0.{fraction or 0}")
