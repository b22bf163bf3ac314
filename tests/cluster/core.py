"""What a picture costs on a core of this machine, so that the tests' load fits workers that have a share of one."""

import functools
import os
import pathlib
import resource
import subprocess
import tempfile

from tests.cluster.conftest import ROOT

WORKER = pathlib.Path(os.environ.get("EI_BIN", ROOT / "build" / "release" / "bin")) / "inference-worker"
# On a cluster whose programs are not here: a core with AVX-512.
USUAL_MS = 20


def _cpu_seconds(files):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([WORKER, "--classify", *files], check=True, capture_output=True, timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@functools.cache
def picture_ms():
    """Milliseconds of a core for one picture: from 10 (AMX) to over 100 (AVX2)."""
    if not WORKER.exists():
        return USUAL_MS
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/picture.jpg"
        Image.radial_gradient("L").convert("RGB").save(file)
        more = 15
        return max(1.0, (_cpu_seconds([file] * (1 + more)) - _cpu_seconds([file])) / more * 1000)


def worker_millicores():
    """A worker's share: 150m where that answers eight pictures a second; on slower cores what answers four, at the most
    450m, as two cores carry three workers, the node and the control plane."""
    return round(min(450, max(150, 4 * picture_ms())))


def worker_rate():
    """Pictures a second that a worker with this share answers."""
    return worker_millicores() / picture_ms()
