"""etcd, the API server, the controller manager and the scheduler."""

import subprocess
from dataclasses import dataclass, field

from bench.processes import free_port
from bench.waiting import wait_until

from . import pki
from .process import NOT_YET, State

SERVICE_RANGE = "10.96.0.0/16"
KUBERNETES_SERVICE = "10.96.0.1"


@dataclass
class Endpoint:
    """Where the API server listens, and how to get to the place where it runs."""

    address: str
    api_port: int
    etcd_client_port: int
    etcd_peer_port: int
    prefix: list[str] = field(default_factory=list)

    @property
    def server(self) -> str:
        return f"https://{self.address}:{self.api_port}"


def loopback_endpoint() -> Endpoint:
    """For `--bare`: everything on 127.0.0.1, on ports that were free."""
    return Endpoint("127.0.0.1", free_port(), free_port(), free_port())


class ControlPlane:
    def __init__(self, state: State, tools: dict[str, str], endpoint: Endpoint):
        self.state, self.tools, self.at = state, tools, endpoint
        self.ca = pki.Authority(state.path("pki", "cluster", "x").parent, "test-cluster")
        self.front_proxy = pki.Authority(state.path("pki", "front-proxy", "x").parent, "test-front-proxy")

    def identity(self, name: str, user: str, group: str = "") -> str:
        """The kubeconfig of a user of this cluster, made on first use."""
        subject = (f"/O={group}" if group else "") + f"/CN={user}"
        cert, key = self.ca.issue(name, subject)
        return pki.kubeconfig(self.state.path(f"{name}.kubeconfig"), self.at.server, self.ca, cert, key)

    def admin(self) -> str:
        return self.identity("admin", "test-admin", "system:masters")

    def kubectl(self, *args: str, stdin: str | None = None, timeout: float = 30) -> str:
        command = [self.tools["kubectl"], f"--kubeconfig={self.state.path('admin.kubeconfig')}", *args]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr.strip())
        return done.stdout

    def start_etcd(self) -> None:
        client = f"http://127.0.0.1:{self.at.etcd_client_port}"
        peer = f"http://127.0.0.1:{self.at.etcd_peer_port}"
        # etcd 3.6 and not Debian's 3.4: the API server's streaming lists and
        # consistent reads from its cache need 3.5's progress requests.
        self.state.start(
            "etcd",
            [
                self.tools["etcd"],
                f"--data-dir={self.state.path('etcd')}",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
                "--unsafe-no-fsync",  # the data is thrown away with the folder
                "--log-level=warn",
            ],
            prefix=self.at.prefix,
        )

    def start_api_server(self, extra: list[str], audit: bool) -> None:
        names = ",".join(
            [f"IP:{self.at.address}", "IP:127.0.0.1", f"IP:{KUBERNETES_SERVICE}", "DNS:localhost"]
            + [f"DNS:kubernetes{tail}" for tail in ("", ".default", ".default.svc", ".default.svc.cluster.local")]
        )
        cert, key = self.ca.issue("apiserver", "/CN=kube-apiserver", names)
        kubelet_cert, kubelet_key = self.ca.issue("apiserver-kubelet", "/O=system:masters/CN=apiserver-kubelet")
        proxy_cert, proxy_key = self.front_proxy.issue("proxy", "/CN=front-proxy-client")
        service_accounts = pki.signing_key(self.state.path("pki", "service-accounts.key"))
        bare = self.at.address == "127.0.0.1"
        argv = [
            self.tools["kube-apiserver"],
            f"--etcd-servers=http://127.0.0.1:{self.at.etcd_client_port}",
            f"--bind-address={'127.0.0.1' if bare else '0.0.0.0'}",
            f"--advertise-address={self.at.address}",
            f"--secure-port={self.at.api_port}",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            f"--tls-cert-file={cert}",
            f"--tls-private-key-file={key}",
            f"--client-ca-file={self.ca.cert}",
            f"--kubelet-certificate-authority={self.ca.cert}",
            f"--kubelet-client-certificate={kubelet_cert}",
            f"--kubelet-client-key={kubelet_key}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--requestheader-client-ca-file={self.front_proxy.cert}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            f"--proxy-client-cert-file={proxy_cert}",
            f"--proxy-client-key-file={proxy_key}",
            f"--service-account-key-file={service_accounts}",
            f"--service-account-signing-key-file={service_accounts}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--authorization-mode={'RBAC' if bare else 'Node,RBAC'}",
            # ServiceAccount admission waits for accounts that only a controller
            # manager makes; the bare server has none and no pods either.
            *(["--disable-admission-plugins=ServiceAccount"] if bare else ["--enable-admission-plugins=NodeRestriction"]),
            # Nobody asks a bare server for the Service `kubernetes`, and 1.37 refuses to give it a loopback address.
            *(["--endpoint-reconciler-type=none"] if bare else []),
            "--profiling=false",
        ]
        if audit:
            policy = self.state.path("audit-policy.yaml")
            policy.write_text(
                "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n"
            )
            argv += [f"--audit-policy-file={policy}", f"--audit-log-path={self.state.path('logs', 'audit.log')}"]
        self.state.start("kube-apiserver", argv + extra, prefix=self.at.prefix)

    def wait_ready(self) -> None:
        self.admin()

        def alive():
            self.state.must_live("etcd")
            self.state.must_live("kube-apiserver")

        def ready() -> bool:
            return self.kubectl("get", "--raw", "/readyz", timeout=5) == "ok"

        wait_until(ready, 120, "readiness of the API server", 0.2, NOT_YET, alive)

    def start_controllers(self, extra: list[str]) -> None:
        manager = self.identity("controller-manager", "system:kube-controller-manager")
        scheduler = self.identity("scheduler", "system:kube-scheduler")
        self.state.start(
            "kube-controller-manager",
            [
                self.tools["kube-controller-manager"],
                f"--kubeconfig={manager}",
                f"--authentication-kubeconfig={manager}",
                f"--authorization-kubeconfig={manager}",
                "--leader-elect=false",
                "--use-service-account-credentials=true",
                f"--root-ca-file={self.ca.cert}",
                f"--service-account-private-key-file={self.state.path('pki', 'service-accounts.key')}",
                "--bind-address=127.0.0.1",
                # Its default lies under /usr/libexec, which is not ours to make.
                f"--flex-volume-plugin-dir={self.state.path('flexvolume')}",
                # An HPA that looks every 5 s instead of 15 s keeps its test short.
                "--horizontal-pod-autoscaler-sync-period=5s",
                "--profiling=false",
                *extra,
            ],
            prefix=self.at.prefix,
        )
        self.state.start(
            "kube-scheduler",
            [
                self.tools["kube-scheduler"],
                f"--kubeconfig={scheduler}",
                f"--authentication-kubeconfig={scheduler}",
                f"--authorization-kubeconfig={scheduler}",
                "--leader-elect=false",
                "--bind-address=127.0.0.1",
                "--profiling=false",
            ],
            prefix=self.at.prefix,
        )
