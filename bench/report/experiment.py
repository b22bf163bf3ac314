"""What a comparison left in its folder, read and checked; times in seconds from the start of the trace."""
import csv
import dataclasses
import json
import pathlib

import numpy as np

from bench.waiting import Failed

REQUEST_NUMBERS = ("intended_s", "latency_ms")
SERIES = ("time_s", "desired", "replicas", "ready", "queue", "in_flight", "allocated_cores", "used_cores")
SIMULATED = ("time_s", "desired", "ready", "queue")
NEEDED = ("title", "trace", "latency_target_s", "min_replicas", "max_replicas", "scalers")
TIMED_OUT = "timeout"  # as the load generator names a request that had no answer within its time


@dataclasses.dataclass
class Run:
    """One scaler's run. What could not be read is None."""
    scaler: str
    intended_s: np.ndarray  # of each request
    latency_s: np.ndarray
    failed: np.ndarray  # True where there was no 2xx answer
    timed: np.ndarray  # True where the latency counts: answers, and timeouts, which took at least so long
    series: dict | None  # column -> array, by time; nan is unknown
    events: list | None  # {"time_s", "from", "to", "reason", "message"}
    simulated: dict | None


@dataclasses.dataclass
class Experiment:
    folder: pathlib.Path
    about: dict  # experiment.json
    runs: list
    problems: list  # sentences about what is missing

    @property
    def trace(self):
        return self.about["trace"]["seconds"]

    @property
    def length_s(self):
        return len(self.trace)

    @property
    def idle_s(self):
        return self.about.get("idle_s") or 0


def number(text):
    """nan for an empty cell and for what is no number."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return float("nan")


def rows_of(path, columns):
    try:
        with open(path, newline="") as table:
            reader = csv.DictReader(table)
            absent = [name for name in columns if name not in (reader.fieldnames or [])]
            if absent:
                raise Failed(f"has no column {', '.join(absent)}")
            return list(reader)
    except FileNotFoundError:
        raise Failed("is missing") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Failed(f"cannot be read: {error}") from error


def read_requests(path):
    rows = rows_of(path, (*REQUEST_NUMBERS, "fault"))
    if not rows:
        raise Failed("holds no request")
    intended, latency = (np.array([number(row[name]) for row in rows]) for name in REQUEST_NUMBERS)
    if not (np.isfinite(intended).all() and np.isfinite(latency).all()):
        raise Failed("holds a line without intended_s or latency_ms")
    fault = np.array([row["fault"] or "" for row in rows])
    return intended, latency / 1000, fault != "", (fault == "") | (fault == TIMED_OUT)


def read_series(path, columns):
    """By time; rows without a time are left out."""
    rows = rows_of(path, columns)
    series = {name: np.array([number(row[name]) for row in rows]) for name in columns}
    order = np.argsort(series["time_s"], kind="stable")
    order = order[np.isfinite(series["time_s"][order])]
    if not len(order):
        raise Failed("holds no row")
    return {name: column[order] for name, column in series.items()}


def read_events(path):
    events = [{**row, "time_s": number(row["time_s"])} for row in rows_of(path, ("time_s", "from", "to", "reason", "message"))]
    return sorted((event for event in events if np.isfinite(event["time_s"])), key=lambda event: event["time_s"])


def read_run(folder, scaler, problems):
    """None where not even the requests are known."""
    def optional(name, read, *arguments):
        try:
            return read(folder / name, *arguments)
        except Failed as unusable:
            problems.append(f"{scaler}/{name} {unusable}.")
            return None
    folder = folder / scaler
    requests = optional("requests.csv", read_requests)
    if requests is None:
        problems[-1] += " This run is left out."
        return None
    simulated = None
    path = folder.parent / "sim" / f"{scaler}.csv"
    if path.exists():
        try:
            simulated = read_series(path, SIMULATED)
        except Failed as unusable:
            problems.append(f"sim/{scaler}.csv {unusable}.")
    return Run(scaler, *requests, optional("series.csv", read_series, SERIES), optional("events.csv", read_events), simulated)


def read_about(path):
    try:
        about = json.loads(path.read_text())
    except FileNotFoundError:
        raise Failed(f"{path} is missing: this is not the folder of a comparison") from None
    except (OSError, ValueError) as error:
        raise Failed(f"{path} cannot be read: {error}") from error
    if not isinstance(about, dict):
        raise Failed(f"{path} must be a JSON object")
    absent = [name for name in NEEDED if about.get(name) is None]
    if absent:
        raise Failed(f"{path} lacks {', '.join(absent)}")
    seconds = about["trace"].get("seconds") if isinstance(about["trace"], dict) else None
    if not isinstance(seconds, list) or not seconds or not all(isinstance(count, (int, float)) for count in seconds):
        raise Failed(f"{path}: trace.seconds must be a list of requests in each second")
    return about


def read(folder):
    folder = pathlib.Path(folder)
    about = read_about(folder / "experiment.json")
    problems = []
    runs = [run for run in (read_run(folder, scaler, problems) for scaler in about["scalers"]) if run]
    if not runs:
        raise Failed(f"{folder} holds no run that can be read:\n  " + "\n  ".join(problems))
    expected = sum(about["trace"]["seconds"])
    for run in runs:
        if len(run.intended_s) != expected:
            problems.append(f"{run.scaler}: the trace holds {expected} requests, {len(run.intended_s)} were sent.")
    return Experiment(folder, about, runs, problems)
