"""Container images without a registry: made with buildah, loaded from archives."""

import fcntl
import hashlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
import tempfile
import time

from bench.waiting import Failed

from .node import PAUSE_IMAGE
from .tools import ROOT, cache_dir, log

# The releases of Debian that the Dockerfiles take, and the one that they are built on whole: theirs by default.
SUITES = ("trixie", "bookworm")
SUITE = os.environ.get("EI_IMAGE_SUITE", SUITES[0])
COMPONENTS = {"operator": "operator", "dispatcher": "dispatcher", "worker": "inference"}

# The rooms that a component's Dockerfile copies: a change in any of them is another image.
ROOMS = {
    "operator": ("runtime", "operator"),
    "dispatcher": ("runtime", "dispatcher"),
    "worker": ("runtime", "dispatcher", "inference"),
}


def image_name(component: str) -> str:
    return f"localhost/elastic-inference/{component}:test"


def _command() -> list[str]:
    """buildah on storage of our own: a user's images are neither used nor filled up."""
    store = cache_dir() / "buildah"
    return ["buildah", "--root", str(store / "root"), "--runroot", str(store / "run"), "--storage-driver=overlay"]


def _buildah(*args: str, timeout: float = 3600) -> str:
    if not shutil.which("buildah"):
        raise Failed("missing: buildah; apt-get install buildah debootstrap busybox-static")
    done = subprocess.run([*_command(), *args], capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        raise Failed(f"buildah {args[0]} failed:\n{(done.stdout + done.stderr)[-6000:]}")
    return done.stdout.strip()


def _lock():
    store = cache_dir() / "buildah"
    store.mkdir(parents=True, exist_ok=True)
    lock = open(store / ".lock", "w", encoding="ascii")  # noqa: SIM115 (held until the caller drops it)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _exists(name: str) -> bool:
    try:
        return bool(_buildah("images", "-q", name))
    except Failed:
        return False


def _archive(name: str, path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    _buildah("push", name, f"oci-archive:{fresh}:{name}")
    fresh.rename(path)


def pause() -> pathlib.Path:
    """One static busybox that sleeps: the sandbox of every pod, and a small web server for tests."""
    path = cache_dir() / "images" / "pause-1.tar"
    if path.exists():
        return path
    if not os.path.exists("/bin/busybox"):
        raise Failed("missing: /bin/busybox; apt-get install busybox-static")
    with _lock():
        container = _buildah("from", "scratch")
        _buildah("copy", container, "/bin/busybox", "/bin/busybox")
        _buildah("config", "--entrypoint", '["/bin/busybox"]', "--cmd", "sleep 2147483647", "--user", "65532", container)
        _buildah("commit", "--rm", container, PAUSE_IMAGE)
        _archive(PAUSE_IMAGE, path)
    return path


def _base_name(suite: str) -> str:
    return f"docker.io/library/debian:{suite}-slim"


def _own_suite() -> str:
    """The release of this machine, with whose libraries its programs were linked."""
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "")


def base(suite: str) -> None:
    """Debian's own minbase under the name that the Dockerfiles build FROM."""
    if _exists(_base_name(suite)):
        return
    if not shutil.which("debootstrap"):
        raise Failed("missing: debootstrap; apt-get install debootstrap")
    log(f"making the base image {suite} with debootstrap (once)")
    scratch = cache_dir() / "debootstrap"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    # What it mounts in there ends with it, also when it is killed: else the next one would clear away a mounted /proc.
    command = ["unshare", "--mount", "debootstrap", "--variant=minbase", "--include=ca-certificates", suite, str(scratch)]
    done = subprocess.run(
        [*command, "http://deb.debian.org/debian"], capture_output=True, text=True, timeout=900
    )
    if done.returncode:
        raise Failed(f"debootstrap failed:\n{(done.stdout + done.stderr)[-3000:]}")
    (scratch / "etc/apt/sources.list").write_text(
        f"deb http://deb.debian.org/debian {suite} main\n"
        f"deb http://deb.debian.org/debian {suite}-updates main\n"
        f"deb http://deb.debian.org/debian-security {suite}-security main\n"
    )
    # The published slim image leaves these out too.
    for folder in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(scratch / folder, ignore_errors=True)
        (scratch / folder).mkdir(parents=True)
    container = _buildah("from", "scratch")
    _buildah("add", container, str(scratch), "/")
    _buildah("config", "--cmd", '["bash"]', container)
    _buildah("commit", "--rm", container, _base_name(suite))
    shutil.rmtree(scratch, ignore_errors=True)


def _sources(component: str) -> list[pathlib.Path]:
    files = [ROOT / "CMakeLists.txt", ROOT / "CMakePresets.json", *sorted((ROOT / ".ci/arm64").iterdir())]
    for room in ROOMS[component]:
        files += sorted(each for each in (ROOT / room).rglob("*") if each.is_file())
    # .dockerignore leaves these out of the build as well.
    return [each for each in files if not {"__pycache__", "train"} & set(each.relative_to(ROOT).parts)]


def _digest(component: str, files: list[pathlib.Path], suite: str) -> str:
    digest = hashlib.sha256(f"{component} {suite}".encode())
    for file in files:
        digest.update(str(file).encode() + b"\0")
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _bud(dockerfile: pathlib.Path, name: str, context: pathlib.Path, *options: str) -> None:
    _buildah(
        *("bud", "--isolation", "chroot", "--network", "host", "--layers", "--pull-never", *options),
        *("--file", str(dockerfile), "--tag", name, str(context)),
    )


def _add_program(component: str, program: pathlib.Path, scratch: pathlib.Path) -> None:
    """The image from the Dockerfile's runtime stage and a program of this machine, stripped."""
    runtime = f"localhost/elastic-inference/{component}:runtime"
    _bud(ROOT / COMPONENTS[component] / "Dockerfile", runtime, ROOT, "--target", "runtime", "--build-arg", f"SUITE={_own_suite()}")
    subprocess.run(["strip", "-o", scratch / program.name, program], check=True)
    (scratch / "Dockerfile").write_text(f"FROM {runtime}\nCOPY {program.name} /usr/bin/{program.name}\n")
    _bud(scratch / "Dockerfile", image_name(component), scratch)


def build(component: str, binaries: pathlib.Path | None = None) -> pathlib.Path:
    """Builds a component's Dockerfile with buildah; the archive is cached by content.

    With `binaries`, a folder of programs built on this machine (the same Debian
    release), the image takes the program from there: seconds instead of minutes.
    """
    dockerfile = ROOT / COMPONENTS[component] / "Dockerfile"
    program = f"inference-{component}"
    suite = _own_suite() if binaries else SUITE
    digest = _digest(component, [dockerfile, binaries / program] if binaries else _sources(component), suite)
    path = cache_dir() / "images" / f"{component}-{digest}.tar"
    with _lock(), tempfile.TemporaryDirectory() as scratch:
        if path.exists() and _exists(_tagged(component, digest)):
            return path
        base(suite)
        started = time.monotonic()
        log(f"building the {component} image")
        if binaries:
            _add_program(component, binaries / program, pathlib.Path(scratch))
        else:
            _bud(dockerfile, image_name(component), ROOT, "--build-arg", f"SUITE={suite}")
        _buildah("tag", image_name(component), _tagged(component, digest))
        _archive(image_name(component), path)
        log(f"built the {component} image in {time.monotonic() - started:.0f} s")
        _forget_old(component)
    return path


def _simulating_base(suite: str) -> str:
    """The base image with apt's lists, where apt-get installs nothing and only says whether it could."""
    base(suite)
    name = f"{suite}-simulating"
    if not _exists(_base_name(name)):
        container = _buildah("from", "--pull-never", _base_name(suite))
        setting = "apt-get update && echo 'APT::Get::Simulate \"true\";' >/etc/apt/apt.conf.d/simulate"
        _buildah("run", "--isolation", "chroot", container, "--", "sh", "-c", setting)
        _buildah("commit", "--rm", container, _base_name(name))
    return name


def simulate_packages(component: str, suite: str) -> None:
    """What both stages of a component's Dockerfile ask apt for on a release: fails where apt could not install it."""
    dockerfile = ROOT / COMPONENTS[component] / "Dockerfile"
    with _lock(), tempfile.TemporaryDirectory() as scratch:
        argument = ("--build-arg", f"SUITE={_simulating_base(suite)}")
        packages_alone = pathlib.Path(scratch, "Dockerfile")
        packages_alone.write_text(dockerfile.read_text().partition("WORKDIR")[0])
        for file, options in ((packages_alone, ()), (dockerfile, ("--target", "runtime"))):
            _bud(file, f"localhost/elastic-inference/{component}:simulated", ROOT, *options, *argument)


def _forget_old(component: str) -> None:
    """Keeps the three newest images of a component: the Dockerfile's, the quick one's, and one before."""
    archives = (cache_dir() / "images").glob(f"{component}-*.tar")
    for archive in sorted(archives, key=lambda each: each.stat().st_mtime)[:-3]:
        archive.unlink()
        subprocess.run([*_command(), "rmi", _tagged(component, archive.stem.rpartition("-")[2])], capture_output=True)


def _tagged(component: str, digest: str) -> str:
    return f"localhost/elastic-inference/{component}:{digest}"


def _whole(component: str) -> str:
    """The image that the component's whole Dockerfile made."""
    return _tagged(component, _digest(component, _sources(component), SUITE))


def config(component: str) -> dict:
    """The OCI config of the image that the component's whole Dockerfile made."""
    return json.loads(_buildah("inspect", "--type", "image", _whole(component)))["OCIv1"]["config"]


def fresh_digest(component: str) -> str:
    """The digest of all but the program, built without any cache and with the commit's time, as a release is."""
    name = f"localhost/elastic-inference/{component}:fresh"
    with _lock():
        base(SUITE)
        options = ("--no-cache", "--timestamp", "1700000000", "--target", "runtime", "--build-arg", f"SUITE={SUITE}")
        _bud(ROOT / COMPONENTS[component] / "Dockerfile", name, ROOT, *options)
        found = json.loads(_buildah("inspect", "--type", "image", name))["FromImageDigest"]
        _buildah("rmi", name)
    return found


def size_above_base(component: str) -> float:
    """Megabytes that the image of the component's whole Dockerfile adds to the base image."""

    def megabytes(name: str) -> float:
        # An image with several names is listed once for each.
        number, unit = _buildah("images", "--format", "{{.Size}}", name).splitlines()[0].split()
        return float(number) * {"KB": 1e-3, "MB": 1, "GB": 1e3}[unit]

    return megabytes(_whole(component)) - megabytes(_base_name(SUITE))
