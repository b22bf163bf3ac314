"""The cluster's programs: pinned by the Go modules here, built once into a cache."""

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

from bench.waiting import Failed

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
    "grpcurl": ("grpcurl", "github.com/fullstorydev/grpcurl/cmd/grpcurl"),
    "kstatus": (".", "./kstatus"),  # of the library that this helm is built with
    "dashboard": ("dashboard", "."),
    "registry": ("registry", "."),
    "collector": ("collector", "."),
    "cosign": ("cosign", "github.com/sigstore/cosign/v3/cmd/cosign"),
    "cel": (".", "./cel"),  # of the library that this API server is built with
    "metrics-server": ("metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server"),
}
# The Kubernetes of a cluster -> the programs that are of another module there. EI_KUBERNETES chooses.
NODE = ("kube-apiserver", "kubectl", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
# Debian's containerd is older than 2 up to Debian 13; kubelets of 1.36 and later are made for 2.
RUNTIME = ("containerd", "containerd-shim-runc-v2", "ctr")
RELEASES = {
    "1.35": {},
    "1.37": {name: ("newest", PACKAGES[name][1]) for name in NODE}
    | {name: ("containerd", f"github.com/containerd/containerd/v2/cmd/{name}") for name in RUNTIME},
}
DEFAULT_RELEASE = "1.35"
# Whose source is here.
OURS = ("cel", "collector", "dashboard", "kstatus", "registry")
BARE = ("etcd", "kube-apiserver", "kubectl")
# Built when a test asks for it, and not for a cluster: it takes minutes.
ON_DEMAND = ("cosign",)
# What envtest's convention ships: the only programs taken from KUBEBUILDER_ASSETS.
ASSETS = BARE

# What the modules here ask for, and what is fetched where the installed Go is older (Debian 12's is 1.19).
OLDEST_GO = (1, 26, 4)
FETCHED_GO = "1.26.8"

# Kubernetes' slowest took 3 minutes on two busy cores, cosign 21 behind other people's builds; a machine may be slower.
BUILD_DEADLINE_S = 3600


def cache_dir() -> pathlib.Path:
    home = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    return home / "elastic-inference"


def log(message: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {message}", file=sys.stderr, flush=True)


def release() -> str:
    """The minor of Kubernetes that clusters here run."""
    chosen = os.environ.get("EI_KUBERNETES") or DEFAULT_RELEASE
    if chosen not in RELEASES:
        raise Failed(f"EI_KUBERNETES is '{chosen}'; allowed: {', '.join(RELEASES)}")
    return chosen


def packages() -> dict[str, tuple[str, str]]:
    """All programs of a cluster of this release, as in PACKAGES."""
    return PACKAGES | RELEASES[release()]


def runtime() -> tuple[str, ...]:
    """The programs of the container runtime that are built here; none where the machine's own serves."""
    return tuple(name for name in RUNTIME if name in packages())


def kubernetes_version(folder: str = ".") -> str:
    """The version that a module pins, `v1.35.4`; the first module's for one that pins none."""
    found = re.search(r"^(?:require)?\s*k8s\.io/kubernetes (v\S+)", (HERE / folder / "go.mod").read_text(), re.M)
    return found[1] if found else kubernetes_version()


def _pins(folder: str) -> list[pathlib.Path]:
    pins = [HERE / folder / "go.mod", HERE / folder / "go.sum"]
    return pins + ([HERE / "coredns" / "main.go"] if folder == "." else [])


def bin_dir(name: str) -> pathlib.Path:
    """The cache folder for one program: another pin or compiler is another folder."""
    folder = packages()[name][0]
    digest = hashlib.sha256(_go_version(go_program()).encode())
    own = [HERE / name / "main.go"] if name in OURS else []
    for pin in _pins(folder) + own:
        digest.update(pin.read_bytes())
    stem = kubernetes_version(folder) if folder in (".", "newest") else folder
    return cache_dir() / "cluster-tools" / f"{stem}-{digest.hexdigest()[:12]}"


@contextlib.contextmanager
def _locked(folder: pathlib.Path):
    """One at a time for everybody who fills this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _go_version(program: str) -> str:
    # GOTOOLCHAIN: what this program is, not what it would fetch for some module.
    env = dict(os.environ, GOTOOLCHAIN="local")
    return subprocess.run([program, "version"], env=env, check=True, capture_output=True, text=True, timeout=60).stdout


@functools.cache
def go_program() -> str:
    """A Go that is new enough: the one on PATH, or a newer one that it fetches as a module, checksum and all."""
    installed = shutil.which("go")
    if not installed:
        raise Failed("the cluster's programs are built with `go`, which is not on PATH; apt-get install golang-go "
                           "(an older one fetches the version that is needed)")
    found = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", _go_version(installed))
    if tuple(int(part or 0) for part in found.groups()) >= OLDEST_GO:
        return installed
    target = cache_dir() / f"go-{FETCHED_GO}"
    with _locked(cache_dir() / "cluster-tools"):
        if not target.exists():
            _fetch_go(installed, target)
    return str(target / "bin" / "go")


def _fetch_go(installed: str, target: pathlib.Path) -> None:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    module = f"golang.org/toolchain@v0.0.1-go{FETCHED_GO}.linux-{machine}"
    log(f"fetching Go {FETCHED_GO}: {installed} is older than {'.'.join(map(str, OLDEST_GO))}")
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        env = dict(os.environ, GOTOOLCHAIN="local", GOFLAGS="")
        command = [installed, "mod", "download", "-json", module]
        done = subprocess.run(command, cwd=scratch, env=env, capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise Failed(f"{' '.join(command)} failed: {(done.stdout + done.stderr)[-2000:]}")
        with zipfile.ZipFile(json.loads(done.stdout)["Zip"]) as archive:
            archive.extractall(scratch)
        root = pathlib.Path(scratch) / module
        # A module's files have no execute permission.
        for program in [*root.glob("bin/*"), *root.glob("pkg/tool/*/*")]:
            program.chmod(0o755)
        root.rename(target)


def _link_flags(folder: str) -> str:
    """Stripped, and stamped: unstamped programs call themselves v0.0.0-master,
    which helm's kubeVersion check and `kubectl version` then believe."""
    version = kubernetes_version(folder)
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
    folder, package = packages()[name]
    target.parent.mkdir(parents=True, exist_ok=True)
    env = dict(os.environ, CGO_ENABLED="0", GOWORK="off", GOTOOLCHAIN="local")
    env["GOFLAGS"] = f"{env.get('GOFLAGS', '')} -trimpath -mod=readonly -buildvcs=false".strip()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        out = pathlib.Path(scratch) / name
        command = ["nice", "-n", "10", go_program(), "build", "-ldflags", _link_flags(folder), "-o", str(out), package]
        done = subprocess.run(
            command, cwd=HERE / folder, env=env, capture_output=True, text=True, timeout=BUILD_DEADLINE_S
        )
        if done.returncode:
            raise Failed(f"building {name} failed:\n{done.stderr[-4000:]}")
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
            with _locked(target.parent):
                if not target.exists():
                    log(f"building {name} (first time for these pins; minutes)")
                    _build(name, target)
        paths[name] = str(target)
    return paths
