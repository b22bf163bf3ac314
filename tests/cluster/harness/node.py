"""The node: containerd, kubelet, kube-proxy, DNS and metrics-server."""

import base64
import json
import pathlib
import subprocess

from bench.waiting import wait_until

from .control_plane import ControlPlane
from .process import NOT_YET, State
from .sandbox import Sandbox

NODE = "node"
POD_RANGE = "10.244.0.0/16"
METRICS_PORT = 4443
PAUSE_IMAGE = "localhost/elastic-inference/pause:1"

CONTAINERD_CONFIG = """\
version = 2
root = "{state}/containerd/root"
state = "{state}/containerd/state"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Without CAP_SYS_RESOURCE runc may not lower oom_score_adj and dies with
  # "can't get final child's PID from pipe: EOF".
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
{shim}[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "{state}/cni"
"""

CNI_CONFIG = {
    "cniVersion": "1.0.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "pods0",
            "isGateway": True,
            # Off: pods reach the node and each other by their own addresses,
            # and there is nowhere else to go.
            "ipMasq": False,
            # A pod must reach itself through its own Service.
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": POD_RANGE}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ],
}


class Node:
    def __init__(self, state: State, tools: dict[str, str], sandbox: Sandbox, control: ControlPlane):
        self.state, self.tools, self.sandbox, self.control = state, tools, sandbox, control
        self.address = sandbox.node_address
        # Inside the sandbox /run is its own tmpfs, so a fixed path is private
        # (and short: a socket's path has room for 107 bytes).
        self.socket = "/run/containerd/containerd.sock"

    # containerd ---------------------------------------------------------

    def start_containerd(self) -> None:
        config = self.state.path("containerd.toml")
        config.write_text(
            CONTAINERD_CONFIG.format(state=self.state.folder, socket=self.socket, pause=PAUSE_IMAGE, shim=self._shim())
        )
        self.state.path("cni", "10-pods.conflist").write_text(json.dumps(CNI_CONFIG))
        self.state.start("containerd", [self._runtime("containerd"), "--config", str(config)], prefix=self.sandbox.prefix)
        wait_until(
            lambda: self.ctr("version"), 30, "an answer of containerd", 0.2, NOT_YET, alive=lambda: self.state.must_live("containerd")
        )

    def _runtime(self, program: str) -> str:
        """A program of the container runtime: one that was built for this release, else the machine's."""
        return self.tools.get(program, program)

    def _shim(self) -> str:
        """Names a shim that was built: containerd looks on PATH first, where the machine's own may be."""
        built = self.tools.get("containerd-shim-runc-v2")
        return f'  runtime_path = "{built}"\n' if built else ""

    def ctr(self, *args: str, timeout: float = 30) -> str:
        command = [*self.sandbox.prefix, self._runtime("ctr"), f"--address={self.socket}", "--namespace=k8s.io", *args]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr.strip())
        return done.stdout

    def load_image(self, archive: pathlib.Path) -> None:
        """Imports an OCI archive. Pods then say `imagePullPolicy: IfNotPresent`."""
        self.ctr("images", "import", "--snapshotter", "overlayfs", str(archive), timeout=300)

    # kubelet ------------------------------------------------------------

    def start_kubelet(self, cfs_period: str = "") -> None:
        """cfs_period: in which a container gets its CPU limit; the kubelet's default is 100 ms."""
        kubeconfig = self.control.identity("kubelet", f"system:node:{NODE}", "system:nodes")
        cert, key = self.control.ca.issue("kubelet-server", f"/CN={NODE}", f"IP:{self.address},DNS:{NODE}")
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "tlsCertFile": cert,
            "tlsPrivateKeyFile": key,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True, "cacheTTL": "2m0s"},
                "x509": {"clientCAFile": str(self.control.ca.cert)},
            },
            "authorization": {"mode": "Webhook"},
            "clusterDNS": [self.address],
            "clusterDomain": "cluster.local",
            "resolvConf": str(self.state.path("resolv.conf")),
            # Debian 12 machines can still have cgroup v1; 1.35 refuses it unless told.
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            # Its own root: pods of two clusters, and of the host, stay apart.
            "cgroupRoot": self.sandbox.cgroup,
            "failSwapOn": False,
            # The disk is shared with builds; only a full one may evict a test.
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "volumePluginDir": str(self.state.path("flexvolume")),
            "podLogsDir": "/var/log/pods",
            # Fresh pod states and CPU readings sooner than the defaults for big clusters.
            "nodeStatusUpdateFrequency": "5s",
            "syncFrequency": "10s",
            "registerNode": True,
            "shutdownGracePeriod": "0s",
        }
        if cfs_period:
            config["featureGates"] = {"CustomCPUCFSQuotaPeriod": True}
            config["cpuCFSQuotaPeriod"] = cfs_period
        path = self.state.path("kubelet.json")
        path.write_text(json.dumps(config, indent=1))
        self.state.start(
            "kubelet",
            [
                self.tools["kubelet"],
                f"--config={path}",
                f"--kubeconfig={kubeconfig}",
                f"--hostname-override={NODE}",
                f"--node-ip={self.address}",
                "--housekeeping-interval=5s",
            ],
            prefix=self.sandbox.prefix,
        )

    # Services, DNS, metrics -----------------------------------------------

    def start_kube_proxy(self) -> None:
        kubeconfig = self.control.identity("kube-proxy", "system:kube-proxy")
        config = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clientConnection": {"kubeconfig": kubeconfig},
            "hostnameOverride": NODE,
            "clusterCIDR": POD_RANGE,
            # These limits are the machine's, not a namespace's to set.
            "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
            "nftables": {"minSyncPeriod": "100ms", "syncPeriod": "30s"},
        }
        path = self.state.path("kube-proxy.json")
        path.write_text(json.dumps(config, indent=1))
        self.state.start("kube-proxy", [self.tools["kube-proxy"], f"--config={path}"], prefix=self.sandbox.prefix)

    def start_dns(self) -> None:
        """CoreDNS on the node's own address, which every pod can reach."""
        corefile = self.state.path("Corefile")
        corefile.write_text(
            f".:53 {{\n  bind {self.address}\n  errors\n  ready 127.0.0.1:8181\n"
            f"  kubernetes cluster.local in-addr.arpa {{\n    kubeconfig {self.control.admin()}\n    ttl 1\n  }}\n"
            "  cache 1\n}\n"
        )
        self.state.start("coredns", [self.tools["coredns"], "-conf", str(corefile)], prefix=self.sandbox.prefix)

    def start_metrics_server(self) -> None:
        """metrics-server on the node, found through a Service without a selector."""
        admin = self.control.admin()
        cert, key = self.control.ca.issue(
            "metrics-server", "/CN=metrics-server", "DNS:metrics-server.kube-system.svc"
        )
        self.state.start(
            "metrics-server",
            [
                self.tools["metrics-server"],
                f"--kubeconfig={admin}",
                f"--authentication-kubeconfig={admin}",
                f"--authorization-kubeconfig={admin}",
                f"--secure-port={METRICS_PORT}",
                f"--tls-cert-file={cert}",
                f"--tls-private-key-file={key}",
                f"--kubelet-certificate-authority={self.control.ca.cert}",
                "--kubelet-preferred-address-types=InternalIP",
                "--metric-resolution=15s",
            ],
            prefix=self.sandbox.prefix,
        )
        labels = {"kubernetes.io/service-name": "metrics-server"}
        meta = {"name": "metrics-server", "namespace": "kube-system"}
        objects = [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": meta,
                "spec": {"ports": [{"name": "https", "port": 443, "targetPort": METRICS_PORT}]},
            },
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {**meta, "labels": labels},
                "addressType": "IPv4",
                "ports": [{"name": "https", "port": METRICS_PORT}],
                "endpoints": [{"addresses": [self.address], "conditions": {"ready": True}}],
            },
            {
                "apiVersion": "apiregistration.k8s.io/v1",
                "kind": "APIService",
                "metadata": {"name": "v1beta1.metrics.k8s.io"},
                "spec": {
                    "group": "metrics.k8s.io",
                    "version": "v1beta1",
                    "service": {"name": "metrics-server", "namespace": "kube-system"},
                    "caBundle": base64.b64encode(self.control.ca.cert.read_bytes()).decode(),
                    "groupPriorityMinimum": 100,
                    "versionPriority": 100,
                },
            },
        ]
        self.control.kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(each) for each in objects))

    def wait_ready(self) -> None:
        def alive():
            for name in self.state.data["processes"]:
                self.state.must_live(name)

        def node_ready() -> bool:
            conditions = json.loads(self.control.kubectl("get", "node", NODE, "-o", "json"))["status"]["conditions"]
            return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

        def dns_ready():
            command = [*self.sandbox.network_prefix, "curl", "-fsS", "-m", "2", "http://127.0.0.1:8181/ready"]
            return subprocess.run(command, check=True, capture_output=True)

        def metrics_ready() -> bool:
            available = "jsonpath={.status.conditions[?(@.type=='Available')].status}"
            return "True" in self.control.kubectl("get", "apiservice", "v1beta1.metrics.k8s.io", "-o", available)

        def has_account() -> str:
            return self.control.kubectl("get", "serviceaccount", "default", "-o", "name")

        for condition, seconds, what in (
            (node_ready, 120, "readiness of the node"),
            (has_account, 60, "the default service account"),
            (dns_ready, 60, "the cluster's DNS"),
            (metrics_ready, 90, "the metrics API"),
        ):
            wait_until(condition, seconds, what, 0.3, NOT_YET, alive)
