"""The comparison of autoscalers with processes of this machine, without a cluster; ./bench/run cluster --local does the
set-up and runs it, and flags.py has the flags."""
import os
import pathlib
import shutil
import signal
import statistics
import sys
import tempfile
import time

from bench.compare import flags
from bench.compare.experiment import (
    BUSY_WORKERS,
    fitting_scale,
    machine,
    make_pictures,
    output_of,
    quickened,
    read_trace,
    report,
    say,
    write_experiment,
)
from bench.compare.local_run import WORKER_MILLICORES, Run, manifest_of, write_manifest
from bench.compare.simulated import simulate
from bench.local_service import usable_cores
from bench.waiting import Failed

LEAST, MOST = 1, 6
LATENCY_TARGET_SECONDS = 0.5  # the resource's default
QUIET_CORES = 0.15  # an idle service and what any system does by itself


class Trace:
    """The trace in its full length, then shortened, then scaled to what the first run's worker carried."""

    def __init__(self, programs, chosen, most):
        self.programs, self.chosen, self.most = programs, chosen, most
        self.full = read_trace(programs, chosen.trace)
        self.factor = max(1, round(len(self.full) / chosen.seconds))
        self.scale, self.seconds, self.busy_workers = None, None, BUSY_WORKERS / MOST * most

    def fitted(self, worker_rps):
        if self.seconds is None:
            self.scale = fitting_scale(self.full, worker_rps, self.busy_workers)
            self.seconds = quickened(read_trace(self.programs, self.chosen.trace, self.scale), self.factor)
            say(f"one worker carries {worker_rps:.1f} pictures/s on a core of its own: the trace is scaled by {self.scale}")
        return self.seconds


def notes(trace, most, cores, others):
    said = [
        f"Workers, dispatcher, operator and load generator share the {cores} cores of this machine. At most {most} workers run, never "
        f"more than cores, and the trace is scaled until its busiest minute would keep {trace.busy_workers:.2g} of them busy: the "
        "rest is for the others. A worker is a process that may use a whole core, not a container that is held to it.",
        "The HPA is the project's model of it. It is told the CPU time of the worker processes as cAdvisor (every 10 s) and "
        "metrics-server (every 15 s) would pass it on, and acts on its sync every 15 s. ./bench/run cluster has the real ones.",
    ]
    if most == 2:
        said.append("With one or two workers there is one step to take: what is compared is when the second worker comes, and goes.")
    busy = {scaler: round(used, 2) for scaler, used in others.items() if used > QUIET_CORES}
    if busy:
        said.append("Other work kept cores of this machine busy right before the load: "
                    + ", ".join(f"{used} before {scaler}" for scaler, used in busy.items())
                    + ". It slows the workers, and an HPA sees less CPU in use than there is need for: repeat this on a quiet machine.")
    if trace.factor > 1:
        said.append(
            f"The trace is shortened {trace.factor} times (of every {trace.factor} seconds one is played): its rates and its shape stay, its "
            "phases are shorter. Nothing else is: the HPA's sync of 15 s and its five minutes before scaling down, our own "
            "windows of seconds and the start of a worker keep their length. So the wait after the step weighs more in p99 and in the late "
            "share of whoever answers late, and the workers that the HPA still holds at the end are not counted against it. "
            f"--seconds {len(trace.full)} plays the trace at its own pace, --idle 300 counts what is held after it.")
    return said


def play_all(chosen, programs, images, trace, most):
    """The cores that others kept busy, by scaler; how long each worker took to start."""
    others, starts = {}, []
    for number, scaler in enumerate(chosen.scalers, 1):
        say(f"run {number} of {len(chosen.scalers)}: {scaler}")
        run = Run(programs, scaler, images, LEAST, most, chosen.seed, chosen.out / scaler)
        summary = run.play(trace.fitted, chosen.idle)
        say(f"{scaler}: p50 {summary['p50_ms']:.0f} ms, p99 {summary['p99_ms']:.0f} ms, {summary['errors']} errors")
        others[scaler] = run.others_cores
        starts += run.workers.starts
    return others, starts


def compare(chosen, programs):
    cores = usable_cores()
    most = min(MOST, cores)
    if most < 2:
        raise Failed("this machine has one core, and every worker needs one: there is nothing to scale")
    trace = Trace(programs, chosen, most)
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "manifests").mkdir(exist_ok=True)
    # Ours also when it is not run: the simulator takes our settings from it.
    for scaler in {"ours", *chosen.scalers}:
        write_manifest(chosen.out / "manifests" / f"{scaler}.yaml", manifest_of(scaler, LEAST, most))
    say(f"seed {chosen.seed}; about {len(chosen.scalers) * (len(trace.full) // trace.factor + chosen.idle + 30) / 60:.0f} minutes")
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="elastic-inference-compare-"))
    try:
        others, starts = play_all(chosen, programs, make_pictures(scratch / "pictures", chosen.seed), trace, most)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    facts = dict(
        kind="local", title="Autoscalers on one machine: the operator's own policy and a model of the HPA",
        started=started, machine={**machine(), "cores": cores},
        trace={"name": chosen.trace.name if chosen.trace else "course", "scale": trace.scale, "seconds": trace.seconds},
        latency_target_s=LATENCY_TARGET_SECONDS, min_replicas=LEAST, max_replicas=most, worker_cpu_cores=WORKER_MILLICORES / 1000,
        idle_s=chosen.idle, seed=chosen.seed, notes=notes(trace, most, cores, others), scalers=chosen.scalers,
        manifests={scaler: [f"manifests/{scaler}.yaml"] for scaler in chosen.scalers})
    write_experiment(chosen.out, **facts)
    (chosen.out / "trace.txt").write_text("\n".join(map(str, trace.seconds)) + "\n")
    told, simulated = add_simulated(chosen, programs, facts, starts)
    write_experiment(chosen.out, **{**facts, "notes": [*facts["notes"], told]}, simulated=simulated)
    sys.stdout.flush()
    report(chosen.out)


def add_simulated(chosen, programs, facts, starts):
    """The sentence and the figures; a simulator that fails shall not cost the runs."""
    if not starts:
        return "No worker's start was seen: nothing was simulated.", []
    def ask(words, seconds):
        return output_of([programs / "inference-bench", *words], seconds)
    try:
        return simulate(ask, chosen.out, chosen.out / "manifests/ours.yaml", chosen.scalers, chosen.peers,
                        facts, statistics.median(starts))
    except (Failed, OSError, ValueError) as failed:
        return f"The simulation failed: {failed}", []


def main():
    chosen = flags.local()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    try:
        compare(chosen, pathlib.Path(os.environ["EI_BIN"]).resolve())
    except Failed as failed:
        say(f"FAILED: {failed}")
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
