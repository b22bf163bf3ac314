"""The cluster's programs: pinned by the Go modules here, built once into a cache."""

import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent

# program -> (folder of its Go module, package)
PACKAGES = {
    "etcd": (".", "go.etcd.io/etcd/server/v3"),
    "kube-apiserver": (".", "k8s.io/kubernetes/cmd/kube-apiserver"),
    "kubectl": (".", "k8s.io/kubernetes/cmd/kubectl"),
    "kube-controller-manager": (".", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    "kube-scheduler": (".", "k8s.io/kubernetes/cmd/kube-scheduler"),
    "kubelet": (".", "k8s.io/kubernetes/cmd/kubelet"),
    "kube-proxy": (".", "k8s.io/kubernetes/cmd/kube-proxy"),
    "coredns": (".", "./coredns"),
    "helm": (".", "helm.sh/helm/v4/cmd/helm"),
    "metrics-server": ("metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server"),
}
BARE = ("etcd", "kube-apiserver", "kubectl")
# What envtest's convention ships: the only programs taken from KUBEBUILDER_ASSETS.
ASSETS = BARE

# The slowest first build took 3 minutes on two busy cores; a machine may be ten times slower.
BUILD_DEADLINE_S = 1800


class HarnessError(Exception):
    """A failure that the user can act on; printed without a traceback."""


def cache_dir() -> pathlib.Path:
    home = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    return home / "elastic-inference"


def log(message: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {message}", file=sys.stderr, flush=True)


def kubernetes_version() -> str:
    """The pinned version, `v1.35.4`."""
    return re.search(r"^\s*k8s\.io/kubernetes (v\S+)", (HERE / "go.mod").read_text(), re.M)[1]


def _pins(folder: str) -> list[pathlib.Path]:
    pins = [HERE / folder / "go.mod", HERE / folder / "go.sum"]
    return pins + ([HERE / "coredns" / "main.go"] if folder == "." else [])


def bin_dir(name: str) -> pathlib.Path:
    """The cache folder for one program: another pin or compiler is another folder."""
    folder = PACKAGES[name][0]
    digest = hashlib.sha256(_go("version").encode())
    for pin in _pins(folder):
        digest.update(pin.read_bytes())
    stem = kubernetes_version() if folder == "." else folder
    return cache_dir() / "cluster-tools" / f"{stem}-{digest.hexdigest()[:12]}"


def _go(*args: str) -> str:
    if not shutil.which("go"):
        raise HarnessError("the cluster's programs are built with `go` (1.26 or later), which is not on PATH")
    return subprocess.run(["go", *args], cwd=HERE, check=True, capture_output=True, text=True).stdout


def _link_flags() -> str:
    """Stripped, and stamped: unstamped programs call themselves v0.0.0-master,
    which helm's kubeVersion check and `kubectl version` then believe."""
    version = kubernetes_version()
    major, minor, _ = version[1:].split(".", 2)
    stamps = {
        "gitVersion": version,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    flags = ["-s", "-w"]
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        flags += [f"-X {package}.{key}={value}" for key, value in stamps.items()]
    return " ".join(flags)


def _build(name: str, target: pathlib.Path) -> None:
    folder, package = PACKAGES[name]
    target.parent.mkdir(parents=True, exist_ok=True)
    env = dict(os.environ, CGO_ENABLED="0", GOWORK="off")
    env["GOFLAGS"] = f"{env.get('GOFLAGS', '')} -trimpath -mod=readonly -buildvcs=false".strip()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        out = pathlib.Path(scratch) / name
        command = ["nice", "-n", "10", "go", "build", "-ldflags", _link_flags(), "-o", str(out), package]
        done = subprocess.run(
            command, cwd=HERE / folder, env=env, capture_output=True, text=True, timeout=BUILD_DEADLINE_S
        )
        if done.returncode:
            raise HarnessError(f"building {name} failed:\n{done.stderr[-4000:]}")
        out.rename(target)
    log(f"built {name} in {time.monotonic() - started:.0f} s")


def ensure(names) -> dict[str, str]:
    """Builds what is missing; returns program -> path. Safe to run twice at once."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    paths = {}
    for name in names:
        given = pathlib.Path(assets) / name if assets and name in ASSETS else None
        if given and given.exists():
            paths[name] = str(given)
            continue
        target = bin_dir(name) / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(target.parent / ".lock", "w", encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not target.exists():
                    log(f"building {name} (first time for these pins; minutes)")
                    _build(name, target)
        paths[name] = str(target)
    return paths
