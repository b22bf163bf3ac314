"""Every JPEG and PNG of the picture suites that packages bring, beside Pillow: Pillow's own test images, libpng's (PngSuite and
the crashers among them) and libjpeg-turbo's. They are fetched once, with pip and apt-get, and kept in the cache."""
import csv
import os
import pathlib
import subprocess
import sys
import tarfile
import warnings

import pytest

from tests.process import picture_probe
from tests.process.test_pictures import GREY_LEVEL, tensor_of

np = pytest.importorskip("numpy")
PIL = pytest.importorskip("PIL")
from PIL import Image, ImageOps  # noqa: E402

HERE = pathlib.Path(__file__).parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "elastic-inference/pictures"
MAX_DIFFERENCE = 2.01 * GREY_LEVEL
DEBIAN_SOURCES = ("libpng1.6", "libjpeg-turbo")
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


def run(command, directory):
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=500, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise OSError(f"{' '.join(command[:6])} … failed: {(done.stderr or done.stdout).strip()[-300:]}")


def fetch_pillow(directory):
    run([sys.executable, "-m", "pip", "download", "--quiet", "--no-binary", ":all:", "--no-deps", f"pillow=={PIL.__version__}"], directory)


def fetch_debian(directory):
    """With package lists of its own: this machine's may name no sources."""
    for part in ("lists/partial", "cache/archives/partial"):
        (directory / "apt" / part).mkdir(parents=True, exist_ok=True)
    codename = next(line.split("=")[1] for line in pathlib.Path("/etc/os-release").read_text().splitlines()
                    if line.startswith("VERSION_CODENAME="))
    sources = directory / "apt/sources.list"
    sources.write_text("deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
                       f"http://deb.debian.org/debian {codename} main\n")
    apt = ["apt-get", "-qq", "-o", f"Dir::Etc::SourceList={sources}", "-o", "Dir::Etc::SourceParts=-",
           "-o", f"Dir::State::Lists={directory}/apt/lists", "-o", f"Dir::Cache={directory}/apt/cache",
           "-o", "Acquire::Languages=none", "-o", "APT::Sandbox::User="]
    run([*apt, "update"], directory)
    run([*apt, "source", "--download-only", *DEBIAN_SOURCES], directory)


def pictures_in(name, fetch):
    """The folder with the pictures of one source; fetched and unpacked when it is not there yet."""
    target = CACHE / name
    if (target / "complete").exists():
        return target
    target.mkdir(parents=True, exist_ok=True)
    fetch(target)
    archives = [path for path in target.glob("*.tar.*") if "debian.tar" not in path.name]
    assert archives, f"nothing was fetched into {target}"
    for archive in archives:
        with tarfile.open(archive) as tar:
            for member in tar:
                # Only plain files of pictures, by their own name below a folder per archive: nothing of it can lead elsewhere.
                if member.isfile() and member.name.lower().endswith((".png", ".jpg", ".jpeg", ".apng")):
                    path = target / archive.name.split(".tar")[0] / "__".join(pathlib.PurePosixPath(member.name).parts[1:])
                    path.parent.mkdir(exist_ok=True)
                    path.write_bytes(tar.extractfile(member).read())
        archive.unlink()
    (target / "complete").touch()
    return target


def pillows(path):
    """What Pillow makes of a file: the tensor, or why there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = ImageOps.exif_transpose(Image.open(path))
            if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip to white, and we scale
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            return tensor_of(image.convert("RGB"))
        except Exception as error:  # whatever it is, it is Pillow's answer
            return f"{type(error).__name__}: {error}"


def refusals():
    """[(part of a file's name, part of our reason)] of pictures that Pillow takes and we do not, or the other way round."""
    with open(HERE / "picture_corpus.csv", newline="") as file:
        return [(row["file"], row["ours"], row["why"]) for row in csv.DictReader(file)]


def compare(folder, tmp_path):
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.read_bytes()[:8].startswith(SIGNATURES))
    listed, faults, equal = refusals(), [], 0
    for path, ours in zip(files, picture_probe.decoded(files, tmp_path)):
        answer = ours if isinstance(ours, str) else "ok"
        theirs = pillows(path)
        if isinstance(ours, str) and isinstance(theirs, str):
            continue
        if not isinstance(ours, str) and not isinstance(theirs, str):
            apart = np.abs(ours - theirs).max()
            equal += apart <= MAX_DIFFERENCE
            if apart > MAX_DIFFERENCE:
                faults.append(f"{path.name}: {apart / GREY_LEVEL:.0f} grey levels apart")
        elif not any(path.name.endswith(name) and reason in answer for name, reason, _ in listed):
            faults.append(f"{path.name}: ours {answer}; Pillow's {theirs if isinstance(theirs, str) else 'a picture'}")
    assert not faults, "\n".join(faults)
    return len(files), equal


@pytest.mark.parametrize("name,fetch,least", [
    (f"pillow-{PIL.__version__}", fetch_pillow, 400),
    ("debian-sources", fetch_debian, 150),
], ids=["Pillow", "libpng and libjpeg-turbo"])
def test_every_picture_of_the_suites_is_pillows_or_refused_for_a_listed_reason(name, fetch, least, tmp_path):
    try:
        folder = pictures_in(name, fetch)
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"the pictures of {name} are not in {CACHE} and cannot be fetched: {error}")
    count, equal = compare(folder, tmp_path)
    print(f"{name}: {count} pictures, {equal} equal to Pillow's within 2 grey levels")
    assert equal >= least
