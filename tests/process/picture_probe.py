"""How the worker's own code decodes picture files."""
import subprocess

import numpy as np

from tests.process.programs import BIN


def decoded(files, directory):
    """For each picture file its tensor, float32 [3, 224, 224], or the status and the reason why there is none."""
    out = directory / "tensors"
    # A suite of 450 pictures takes 10 s on an idle core.
    done = subprocess.run([str(BIN / "picture_probe"), str(out), *map(str, files)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    tensors = iter(np.fromfile(out, "<f4").reshape(-1, 3, 224, 224))
    answers = [next(tensors) if line == "ok" else line for line in done.stdout.splitlines()]
    assert len(answers) == len(files)
    return answers
