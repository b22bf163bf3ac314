"""The harness itself: what the other tests take for granted of a node."""

import json
import subprocess

import pytest

from bench.processes import spawn
from bench.waiting import eventually
from tests.cluster.conftest import HERE
from tests.cluster.harness import tools

PAUSE = "localhost/elastic-inference/pause:1"  # static busybox

pytestmark = pytest.mark.usefixtures("own_node")


@pytest.fixture
def own_node(cluster):
    if not cluster.provisioned:
        pytest.skip("about the harness's own node; KUBECONFIG names another cluster")


def web(replicas):
    """A Deployment of busybox web servers that tell their names, and its Service."""
    serve = "mkdir -p /tmp/www; hostname > /tmp/www/index.html; exec /bin/busybox httpd -f -p 8080 -h /tmp/www"
    container = {
        "name": "web",
        "image": PAUSE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/busybox", "sh", "-c", serve],
        "resources": {"requests": {"cpu": "10m"}, "limits": {"cpu": "100m", "memory": "32Mi"}},
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    pod = {"containers": [container], "volumes": [{"name": "tmp", "emptyDir": {}}], "terminationGracePeriodSeconds": 1}
    labels = {"app": "web"}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
        },
    ]


@pytest.fixture
def deployment(cluster, namespace):
    for each in web(replicas=2):
        cluster.apply(each, namespace)
    cluster.kubectl("rollout", "status", "-n", namespace, "deploy/web", "--timeout=60s", timeout=70)
    return namespace


def answers(cluster, url, count):
    """Who answered on the node's network, of so many requests."""
    script = f"for i in $(seq {count}); do curl -fsS -m 3 {url}; done"
    return cluster.harness("exec", "--", "sh", "-c", script).split()


def test_pods_run_are_scaled_and_share_a_service(cluster, deployment):
    cluster.kubectl("scale", "-n", deployment, "deploy/web", "--replicas=4")
    cluster.kubectl("rollout", "status", "-n", deployment, "deploy/web", "--timeout=60s", timeout=70)
    address = cluster.get("svc", "web", "-n", deployment)["spec"]["clusterIP"]
    # Forty requests miss one of four servers with probability 4·(3/4)^40 = 4e-5, and then once more.
    eventually(lambda: len(set(answers(cluster, f"http://{address}/", 40))) == 4 or pytest.fail("one is missed"), 10)


def test_names_of_services_resolve_inside_pods(cluster, deployment):
    name = f"web.{deployment}.svc.cluster.local"
    address = cluster.get("svc", "web", "-n", deployment)["spec"]["clusterIP"]
    done = cluster.kubectl("exec", "-n", deployment, "deploy/web", "--", "/bin/busybox", "nslookup", name)
    assert address in done


def test_a_service_is_reached_from_a_pod(cluster, deployment):
    address = cluster.get("svc", "web", "-n", deployment)["spec"]["clusterIP"]
    # busybox's wget needs name service modules that a static program has not; its nc does not.
    ask = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | /bin/busybox nc -w 3 {address} 80"
    for _ in range(8):  # some of them to the pod itself, over the bridge and back
        done = cluster.kubectl("exec", "-n", deployment, "deploy/web", "--", "/bin/busybox", "sh", "-c", ask)
        assert "200 OK" in done and "web-" in done


def test_a_port_is_forwarded_to_a_pod(cluster, deployment):
    forward = spawn(
        [str(HERE / "cluster"), "--dir", cluster.folder, "kubectl", "port-forward", "-n", deployment, "svc/web", ":80"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        port = forward.stdout.readline().split(":")[1].split()[0]
        done = subprocess.run(["curl", "-fsS", "-m", "5", f"http://127.0.0.1:{port}/"], capture_output=True, text=True)
        assert done.stdout.startswith("web-"), done.stderr
    finally:
        forward.terminate()
        forward.wait(10)


def test_top_tells_cpu_and_memory(cluster, deployment):
    def told():
        metrics = json.loads(cluster.kubectl("get", "--raw", f"/apis/metrics.k8s.io/v1beta1/namespaces/{deployment}/pods"))
        assert len(metrics["items"]) == 2

    eventually(told, 60, 1)
    lines = cluster.kubectl("top", "pods", "-n", deployment).splitlines()
    assert lines[0].split() == ["NAME", "CPU(cores)", "MEMORY(bytes)"] and len(lines) == 3


def test_an_hpa_sees_those_numbers(cluster, deployment):
    cluster.kubectl("autoscale", "-n", deployment, "deploy/web", "--min=1", "--max=3", "--cpu=50%")

    def active():
        conditions = cluster.get("hpa", "web", "-n", deployment)["status"]["conditions"]
        assert {"ScalingActive": "True"}.items() <= {each["type"]: each["status"] for each in conditions}.items()

    eventually(active, 90, 1)


def test_pods_outlive_a_restart_of_the_api_server(cluster, deployment):
    before = {each["metadata"]["uid"] for each in cluster.get("pods", "-n", deployment)["items"]}
    cluster.harness("restart", "kube-apiserver")

    def back():
        assert {each["metadata"]["uid"] for each in cluster.get("pods", "-n", deployment)["items"]} == before

    eventually(back, 60, 1)


def test_no_packet_leaves_the_node(cluster):
    routes = cluster.harness("exec", "--", "ip", "route")
    assert "default" not in routes


def test_down_leaves_nothing_of_the_machine_changed(cluster, tmp_path):
    """A second cluster beside the first comes up and goes without a trace."""

    def traces():
        commands = (["ip", "-br", "link"], ["ip", "route"], ["cat", "/proc/mounts"], ["nft", "list", "tables"])
        seen = [subprocess.run(each, capture_output=True, text=True).stdout for each in commands]
        seen.append(subprocess.run("ls -d /sys/fs/cgroup/*/ei-*", shell=True, capture_output=True, text=True).stdout)
        return seen

    before = traces()
    other = str(tmp_path / "other")
    for command in ("up", "status", "down"):
        done = subprocess.run(
            [str(HERE / "cluster"), "--dir", other, command], capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
    assert traces() == before


def test_the_node_runs_the_versions_that_were_asked_for(cluster):
    told = cluster.get("node", "node")["status"]["nodeInfo"]
    folder = tools.packages()["kubelet"][0]
    assert told["kubeletVersion"] == tools.kubernetes_version(folder), told
    assert told["kubeletVersion"].startswith(f"v{tools.release()}."), told
    if tools.runtime():  # else this machine's, whatever it is
        assert "://2." in told["containerRuntimeVersion"], told
