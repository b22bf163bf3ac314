"""What every comparison of autoscalers shares: the load, the files of a result, and how they are counted.

A result is a folder: experiment.json, manifests/, and for each scaler requests.csv, summary.json (both as
`inference-bench load` writes them), series.csv, events.csv and, under an HPA, hpa_inputs.jsonl. All times are seconds
since the trace began. ./bench/run report makes the report of it.
"""
import csv
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

from bench.waiting import Failed

ROOT = pathlib.Path(__file__).resolve().parents[2]

PICTURES = 200
COURSE_SEED = 0  # the plain course trace; every other seed is a variation of it

# One row a second; an empty cell is unknown. replicas: workers that exist, leaving ones included.
SERIES_FIELDS = ("time_s", "desired", "replicas", "ready", "queue", "in_flight", "allocated_cores", "used_cores")
EVENT_FIELDS = ("time_s", "from", "to", "reason", "message")

BUSY_WINDOW_S = 60
# Of six workers the busiest minute shall need five. Five that are busy 76 % of the time is what the course trace
# scaled by 0.75 gives at 140 ms.
BUSY_WORKERS = 3.8


def say(text):
    print(f"\033[1m==>\033[0m {text}" if sys.stderr.isatty() else f"==> {text}", file=sys.stderr, flush=True)


# Processes --------------------------------------------------------------------------------------------------------


def output_of(command, seconds=60, **options):
    """What a command prints; Failed with its last words."""
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds, **options)
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(map(str, command))} did not end within {seconds:g} s") from None
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


# The load ---------------------------------------------------------------------------------------------------------


def read_trace(programs, file=None, scale=1.0):
    """Requests in each second: the trace in `file`, or the plain course trace; times `scale`."""
    source = ["--trace", file] if file else ["--shape", "course", "--seed", COURSE_SEED]
    text = output_of([programs / "inference-bench", "trace", *source, "--scale", scale])
    return [int(word) for word in text.split()]


def quickened(trace, factor):
    """Every `factor`-th second: the same rates and the same shape in a fraction of the time."""
    return trace[::factor]


def busy_rps(trace):
    """The mean rate of the busiest minute (of the whole trace if it is shorter)."""
    window = min(BUSY_WINDOW_S, len(trace))
    return max(sum(trace[at:at + window]) for at in range(len(trace) - window + 1)) / window


def fitting_scale(trace, worker_rps, busy_workers=BUSY_WORKERS):
    """The factor at which the busiest minute keeps `busy_workers` workers busy, when one answers `worker_rps`."""
    if busy_rps(trace) <= 0 or worker_rps <= 0:
        raise Failed("cannot scale a trace without requests, or for a worker that answers nothing")
    return round(busy_workers * worker_rps / busy_rps(trace), 3)


def make_pictures(folder, seed):
    """Labelled pictures that nobody has seen. Training and its held-out pictures have small seeds: take another."""
    say(f"drawing {PICTURES} pictures with known labels, seed {seed}")
    generator = ROOT / "inference/train/shapes.py"
    output_of([sys.executable, generator, "--out", folder, "--count", PICTURES, "--seed", seed], 300)
    return folder


def load_command(programs, url, images, trace_file, seed, out, timeout="30s"):
    """The open-loop generator with the files of one run; `trace_file` is scaled already."""
    return [programs / "inference-bench", "load", "--url", url, "--images", images, "--trace", trace_file,
            "--seed", seed, "--timeout", timeout, "--requests-csv", out / "requests.csv", "--json", out / "summary.json"]


# The clock and the watcher ----------------------------------------------------------------------------------------


class Clock:
    """Seconds since the trace began (negative before)."""

    def __init__(self, started_unix_s):
        self.started_unix_s = started_unix_s

    def now(self):
        return time.time() - self.started_unix_s

    def of(self, unix_s):
        return unix_s - self.started_unix_s


class EverySecond:
    """Calls `sample()` in a thread at every whole second of the wall clock (every multiple of `interval`); what it returns
    is kept in `samples`.

    A sample that cannot be taken (Failed, OSError, an answer that is not what it should be) is missing; `fault` is the first.
    """

    def __init__(self, sample, interval=1.0):
        self.samples, self.fault, self._interval = [], "", interval
        self._sample, self._stopping = sample, threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self):
        while not self._stopping.wait(self._interval - time.time() % self._interval):
            try:
                self.samples.append(self._sample())
            except (Failed, OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
                self.fault = self.fault or str(error)

    def stop(self):
        self._stopping.set()
        self._thread.join(10)
        return self.samples


# The files --------------------------------------------------------------------------------------------------------


def machine():
    """Of this machine: cores it may use, the CPU's name, memory in GiB."""
    info = pathlib.Path("/proc/cpuinfo").read_text()
    names = [line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cores": len(os.sched_getaffinity(0)), "cpu": names[0] if names else "unknown",
            "memory_gib": round(memory / 2**30, 1)}


def new_folder(kind):
    """bench/results/KIND-YYYYmmdd-HHMMSS."""
    return ROOT / "bench/results" / time.strftime(f"{kind}-%Y%m%d-%H%M%S")


def write_experiment(folder, **facts):
    """experiment.json; everything that is true of all runs."""
    (folder / "experiment.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def _cell(value):
    if value is None:
        return ""
    return f"{value:.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def write_rows(path, fields, rows):
    """A CSV file of dicts; a missing or None value is an empty cell."""
    with open(path, "w", newline="", encoding="utf-8") as table:
        out = csv.writer(table, lineterminator="\n")
        out.writerow(fields)
        out.writerows([_cell(row.get(field)) for field in fields] for row in rows)


def write_series(path, rows):
    write_rows(path, SERIES_FIELDS, rows)


def write_events(path, events):
    write_rows(path, EVENT_FIELDS, events)


def read_series(path):
    """Rows of series.csv with numbers; None where unknown."""
    with open(path, newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    return [{field: float(row[field]) if row[field] else None for field in SERIES_FIELDS} for row in rows]


def by_second(samples):
    """Samples (dicts with time_s) as one row for each whole second between the first and the last: the last sample
    in or before that second, carried over at most three seconds; then unknown."""
    if not samples:
        return []
    samples = sorted(samples, key=lambda each: each["time_s"])
    rows, at = [], 0
    for second in range(int(samples[0]["time_s"] // 1), int(samples[-1]["time_s"] // 1) + 1):
        while at + 1 < len(samples) and samples[at + 1]["time_s"] < second + 1:
            at += 1
        fresh = second - samples[at]["time_s"] <= 3
        rows.append({**(samples[at] if fresh else {}), "time_s": second})
    return rows


def events_of(rows, why=lambda row, old, new: ("", "")):
    """The changes of `desired` along a series. why(row, from, to) gives (reason, message)."""
    events, last = [], None
    for row in rows:
        now = row.get("desired")
        if now is None:
            continue
        if last is not None and now != last:
            reason, message = why(row, int(last), int(now))
            events.append({"time_s": row["time_s"], "from": int(last), "to": int(now), "reason": reason, "message": message})
        last = now
    return events


def core_seconds(rows, length_s, field="allocated_cores"):
    """The sum of a column over the seconds of the trace; a second without a value counts as the one before."""
    total, last, known = 0.0, None, {}
    for row in rows:
        known[int(row["time_s"] // 1)] = row.get(field)
        if row["time_s"] < 0 and row.get(field) is not None:
            last = row[field]
    for second in range(int(length_s)):
        value = known.get(second)
        last = value if value is not None else last
        total += last or 0.0
    return total


def report(folder):
    """The report of a result folder; its last line of output is the JSON line of the comparison."""
    subprocess.run([sys.executable, "-m", "bench.report.report", folder.resolve()], cwd=ROOT, check=True, timeout=300)
