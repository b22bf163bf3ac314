"""Prometheus (Debian's) on the cluster of a comparison: its configuration, its process, its answers."""
import json
import subprocess
import urllib.parse
import urllib.request

import yaml

from bench.compare.experiment import EverySecond
from bench.processes import end, free_port, spawn
from bench.waiting import Failed, wait_until

# As often as the operator itself looks; the kubelet measures containers every 5 s or more seldom.
POD_INTERVAL, NODE_INTERVAL = "1s", "5s"
QUERY_SECONDS = 30


def targets(pods, nodes, server, proxied):
    """{job: what file_sd_configs reads}: the pods' ports named `metrics`, and the kubelets' /metrics/resource.

    pods, nodes: as the API lists them. proxied: where they cannot be reached from here, every scrape goes through the
    API server.
    """
    host = urllib.parse.urlsplit(server).netloc
    found = {"pods": [], "nodes": []}
    for pod in pods:
        meta, address = pod["metadata"], pod.get("status", {}).get("podIP")
        ports = [port for each in pod["spec"]["containers"] for port in each.get("ports", [])]
        ports = [port for port in ports if port.get("name") == "metrics"]
        if not address or not ports or "deletionTimestamp" in meta:
            continue
        port = ports[0]["containerPort"]
        labels = {"namespace": meta["namespace"], "pod": meta["name"],
                  "component": meta.get("labels", {}).get("app.kubernetes.io/component", "")}
        if proxied:
            path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}:{port}/proxy/metrics"
            labels |= {"__scheme__": "https", "__metrics_path__": path}
            found["pods"].append({"targets": [host], "labels": labels})
        else:
            found["pods"].append({"targets": [f"{address}:{port}"], "labels": {**labels, "__scheme__": "http"}})
    for node in nodes:
        name = node["metadata"]["name"]
        address = next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")
        port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
        path = f"/api/v1/nodes/{name}/proxy/metrics/resource" if proxied else "/metrics/resource"
        where = host if proxied else f"{address}:{port}"
        labels = {"node": name, "__scheme__": "https", "__metrics_path__": path}
        found["nodes"].append({"targets": [where], "labels": labels})
    return found


def config(folder, ca):
    """The configuration. Debian's Prometheus is built without kubernetes_sd: `targets` are read from files."""
    login = {"authorization": {"credentials_file": str(folder / "token")}}
    if ca:
        login["tls_config"] = {"ca_file": str(folder / "ca.crt")}

    def job(name, interval, **options):
        return {"job_name": name, "scrape_interval": interval, "scrape_timeout": interval, **login, **options,
                "file_sd_configs": [{"files": [str(folder / f"{name}.json")]}]}

    # The kubelet's own labels say which pod a series is about.
    jobs = [job("pods", POD_INTERVAL), job("nodes", NODE_INTERVAL, honor_labels=True)]
    return yaml.safe_dump({"scrape_configs": jobs}, sort_keys=False)


class Prometheus:
    def __init__(self, cluster, namespaces, account, folder):
        """account: the namespace of the service account `prometheus`; folder: for its data."""
        server, ca = cluster.server()
        (folder / "ca.crt").write_text(ca)
        token = cluster.kubectl("create", "token", "prometheus", "-n", account, "--duration=8h").strip()
        (folder / "token").write_text(token)
        (folder / "token").chmod(0o600)
        (folder / "prometheus.yml").write_text(config(folder, ca))
        self._folder, self._server, self._cluster, self._namespaces = folder, server, cluster, namespaces
        self._told = {}
        self._tell_targets()
        self._finder = EverySecond(self._tell_targets)
        # Our node's API server is at the node's address, which this machine reaches too.
        address = urllib.parse.urlsplit(server).hostname if cluster.own else "127.0.0.1"
        port = 9090 if cluster.own else free_port()
        self.url = f"http://{address}:{port}"
        self.log_path = folder / "prometheus.log"
        command = [*cluster.on_network(), "prometheus", f"--config.file={folder / 'prometheus.yml'}",
                   f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}:{port}"]
        with open(self.log_path, "wb") as log:
            self.process = spawn(command, stdout=log, stderr=subprocess.STDOUT)
        wait_until(self._ready, 30, "an answer of Prometheus", interval=0.5)

    def _ready(self):
        if self.process.poll() is not None:
            raise Failed(f"prometheus ended with {self.process.returncode}: {self.log_path.read_text()[-1500:]}")
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def _tell_targets(self):
        """Looks for pods and writes down where they are; Prometheus sees the files change."""
        pods = []
        for namespace in self._namespaces:
            pods += self._cluster.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
        nodes = self._cluster.get("/api/v1/nodes")["items"]
        for job, found in targets(pods, nodes, self._server, proxied=not self._cluster.own).items():
            if self._told.get(job) == found:
                continue
            fresh = self._folder / f"{job}.new"
            fresh.write_text(json.dumps(found))
            fresh.rename(self._folder / f"{job}.json")
            self._told[job] = found

    def stop(self):
        self._finder.stop()
        end(self.process, 10)

    def _ask(self, what, **parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{what}?{query}", timeout=QUERY_SECONDS) as answer:
            return json.load(answer)["data"]["result"]

    def by_second(self, expression, since, until):
        """{whole unix second: value} of an expression that has one series; seconds without a value are missing."""
        series = self._ask("query_range", query=expression, start=int(since), end=int(until), step=1)
        return {int(at): float(value) for each in series for at, value in each["values"]}

    def counters(self, selector, since, until):
        """[(labels, [(unix seconds, value)])]: the samples themselves, at the times when they were measured."""
        window = int(until - since) + 1
        series = self._ask("query", query=f"{selector}[{window}s]", time=until)
        return [(each["metric"], [(float(at), float(value)) for at, value in each["values"]]) for each in series]

    def healthy_targets(self):
        """{job: targets that were scraped}."""
        result = self._ask("query", query="sum by (job) (up)")
        return {each["metric"]["job"]: int(float(each["value"][1])) for each in result}
