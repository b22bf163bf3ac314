"""One forward pass of ResNet18, one picture, one thread on one core: this project's precisions beside other runtimes, taken
in turns in one run, and what surrounds the pass in a worker: decoding, the start, the memory.

Prints a table, writes passes.csv and passes.png, and ends with one line of JSON. A figure is worth something as a ratio
to another of the same run."""
import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from bench.compare.experiment import say
from bench.plot import canvas, style
from bench.processes import spawn
from bench.processes import spawn

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Of the Python package index, in an environment of their own: they want another numpy than Debian's torchvision.
PACKAGES = ["onnxruntime", "openvino", "onnx", "nncf"]
OURS = ("fp32", "bf16", "int8")
DEBIANS = ("torchvision eager fp32", "torchvision script fp32", "opencv fp32")
INDEX = ("onnxruntime fp32", "onnxruntime int8", "openvino fp32", "openvino bf16", "openvino int8")
# Loading quantises a model in some of them; on a busy machine that takes minutes.
LOAD_SECONDS = 600
PASS_SECONDS = 300


def flags():
    parser = argparse.ArgumentParser(prog="bench/run inference", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer passes: under a minute once everything is installed")
    parser.add_argument("--rounds", type=int, help="turns that each contestant gets (default: 30; --quick: 6)")
    parser.add_argument("--passes", type=int, default=5, help="forward passes of each turn (default: 5)")
    parser.add_argument("--starts", type=int, help="starts of a worker in each precision (default: 5; --quick: 2)")
    parser.add_argument("--peers", choices=["all", "debian", "none"], default="all",
                        help="whom to measure beside ours: all, those without a download, or none (default: all)")
    parser.add_argument("--core", type=int, default=0, help="the core that everything is pinned to (default: 0)")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results/inference", help="folder of the results")
    options = parser.parse_args()
    for name in ("rounds", "passes", "starts"):
        if getattr(options, name) is not None and not 1 <= getattr(options, name) <= 10_000:
            parser.error(f"--{name}: is {getattr(options, name)}; allowed are 1 to 10000")
    if options.core not in os.sched_getaffinity(0):
        parser.error(f"--core: is {options.core}; allowed are {sorted(os.sched_getaffinity(0))}")
    # Zero was refused above, so that only what nobody gave is filled in here.
    options.rounds = options.rounds or (6 if options.quick else 30)
    options.starts = options.starts or (2 if options.quick else 5)
    return options


def one_thread():
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def peers_python():
    """A Python with PACKAGES, in the user's cache; none where the index cannot be reached."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "elastic-inference/inference-peers"
    python = cache / "bin/python"
    if (cache / "complete").exists():
        return python
    say(f"installing {', '.join(PACKAGES)} into {cache}")
    made = subprocess.run([sys.executable, "-m", "venv", str(cache)], stdout=sys.stderr)
    if made.returncode == 0:
        made = subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], stdout=sys.stderr)
    if made.returncode != 0:
        say("the other runtimes cannot be installed (see above): they are left out")
        return None
    (cache / "complete").touch()
    return python


class Contestant:
    """A program that says "ready" and then computes COUNT passes whenever it is told to."""

    def __init__(self, name, command, core):
        self.name, self.times = name, []
        os.sched_setaffinity(0, {core})  # inherited
        self.process = spawn(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=one_thread())

    def ready(self):
        """Whether it loaded; libraries may print before that."""
        end = time.monotonic() + LOAD_SECONDS
        while time.monotonic() < end:
            line = self.process.stdout.readline()
            if line.startswith("ready"):
                return True
            if not line:
                break
        self.close()
        return False

    def turn(self, passes):
        self.process.stdin.write(f"{passes}\n")
        self.process.stdin.flush()
        self.times += [float(word) for word in self.process.stdout.readline().split()]

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def contestants(options, binaries, folder):
    probe = binaries / "inference_probe"
    wanted = [(f"ours {precision}", [probe, "serve", folder / "weights.pth", precision]) for precision in OURS]
    if options.peers != "none":
        wanted += [(name, [sys.executable, HERE / "contestants.py", name, folder]) for name in DEBIANS]
    if options.peers == "all":
        if python := peers_python():
            wanted += [(name, [python, HERE / "contestants.py", name, folder]) for name in INDEX]
    loaded = []
    for name, command in wanted:
        one = Contestant(name, command, options.core)
        if one.ready():
            loaded.append(one)
        else:
            say(f"{name}: left out, it does not load here")
    return loaded


def measure(loaded, options):
    for one in loaded:
        one.turn(2)  # what the first passes prepare
        one.times.clear()
    for turn in range(options.rounds):
        # Another one begins each time, so that nobody always follows the same neighbour.
        for at in range(len(loaded)):
            loaded[(turn + at) % len(loaded)].turn(options.passes)
    for one in loaded:
        one.close()


def decoding(binaries, folder, options):
    """Median milliseconds from a JPEG's bytes to the network's input."""
    medians = {}
    for picture in sorted(folder.glob("*.jpg")):
        done = subprocess.run([str(binaries / "picture_probe"), "--time", str(options.rounds * options.passes), str(picture)],
                              capture_output=True, text=True, check=True, timeout=PASS_SECONDS, env=one_thread())
        medians[picture.stem] = statistics.median(map(float, done.stdout.split()))
    return medians


def starts(binaries, folder, options):
    """Seconds from the worker's start to its first answer, and its resident memory then, for each precision; a start with
    int8 finds the calibration that an earlier one kept."""
    found = {}
    cache = options.out / "cache"
    for precision in OURS:
        command = [binaries / "inference-worker", "--model-uri", folder / "weights.pth", "--precision", precision,
                   "--cache-dir", cache, "--classify", folder / "500x375.jpg"]
        runs = []
        for attempt in range(1 + options.starts):
            start = time.monotonic()
            process = spawn(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                       env=one_thread())
            process.stdout.readline()
            seconds = time.monotonic() - start
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            process.stdout.close()
            if process.returncode != 0:
                break  # this CPU does not compute it
            if attempt > 0:  # the first one calibrates, and brings the files into memory
                runs.append((seconds, usage.ru_maxrss / 1024))
        if runs:
            found[precision] = {"seconds": statistics.median(run[0] for run in runs), "peak_mib": max(run[1] for run in runs)}
    return found


def ratio(medians, one, other):
    return round(medians[one] / medians[other], 3) if one in medians and other in medians else None


def draw(rows, path):
    if (plt := canvas.pyplot()) is None:
        return
    figure, axis = plt.subplots(figsize=(7, 0.4 * len(rows) + 1))
    names = [row["name"] for row in rows][::-1]
    axis.barh(names, [row["median_ms"] for row in rows][::-1],
              color=[style.OURS if name.startswith("ours") else style.CLASSIC for name in names])
    axis.set_xlabel("one forward pass, ms (median)")
    figure.savefig(path, dpi=130, bbox_inches="tight")


def main():
    options = flags()
    binaries = pathlib.Path(os.environ.get("EI_BIN", ROOT / "build/release/bin"))
    options.out.mkdir(parents=True, exist_ok=True)
    folder = options.out / "network"
    if not (folder / "12MP.jpg").exists():
        subprocess.run([sys.executable, str(HERE / "network.py"), str(folder)], check=True, stdout=sys.stderr)
    load_before = os.getloadavg()[0]
    loaded = contestants(options, binaries, folder)
    measure(loaded, options)
    rows = sorted(({"name": one.name, "median_ms": round(statistics.median(one.times), 3), "least_ms": round(min(one.times), 3),
                    "passes": len(one.times)} for one in loaded), key=lambda row: row["median_ms"])
    medians = {row["name"]: row["median_ms"] for row in rows}
    with open(options.out / "passes.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, options.out / "passes.png")
    decoded = decoding(binaries, folder, options)
    started = starts(binaries, folder, options)
    print(f"{'one forward pass':26} {'median ms':>10} {'least ms':>10}")
    for row in rows:
        print(f"{row['name']:26} {row['median_ms']:10.2f} {row['least_ms']:10.2f}")
    for name, milliseconds in decoded.items():
        print(f"{'decode, resize: ' + name:26} {milliseconds:10.2f}")
    for precision, start in started.items():
        print(f"{'start to answer, ' + precision:26} {1000 * start['seconds']:10.0f} {start['peak_mib']:7.0f} MiB at most")
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    print(json.dumps({
        "cpu": cpu, "cores": os.cpu_count(), "load_before": round(load_before, 1), "passes": rows, "decode_ms": decoded,
        "start": started,
        "ratios": {
            "our int8 / our bf16": ratio(medians, "ours int8", "ours bf16"),
            "our int8 / our fp32": ratio(medians, "ours int8", "ours fp32"),
            **{f"our {precision} / openvino {precision}": ratio(medians, f"ours {precision}", f"openvino {precision}")
               for precision in OURS}}}))


if __name__ == "__main__":
    main()
