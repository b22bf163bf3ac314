"""The same trace against the same pods of a real cluster, once for each scaler; `./bench/run cluster` does the set-up, and
flags.py has the flags."""
import contextlib
import math
import os
import pathlib
import shutil
import signal
import statistics
import sys
import tempfile
import time

from bench.compare import flags, manifests, watch
from bench.compare.experiment import (
    busy_rps,
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
from bench.compare.kube import SYSTEM, Cluster, image_values
from bench.compare.prometheus import Prometheus
from bench.compare.runs import Run, Settings
from bench.compare.simulated import simulate
from bench.waiting import Failed

# Requests per second and worker, more than one answers; a faster worker is asked again, four times as much.
CALIBRATION_RPS, CALIBRATION_SECONDS, FASTER = 30, 6, 4
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def provide(chosen, stack, scratch):
    """The cluster with the operator on it; what undoes this is on the stack."""
    given = os.environ.get("KUBECONFIG")
    cluster = Cluster(None if given else scratch / "node")
    if cluster.own:
        if chosen.keep:
            say(f"the node stays: tests/cluster/cluster --dir {cluster.folder} down")
        else:
            stack.callback(cluster.down)
        cluster.up(chosen.archives)
    values = chosen.helm_values.read_text() if chosen.helm_values else image_values() if cluster.own else None
    stack.callback(cluster.disconnect)
    cluster.connect()
    if values:
        say("installing the operator")
        cluster.install(values)
        if given:
            stack.callback(cluster.uninstall)
    elif cluster.get("/apis/elasticinference.dev/v1alpha1") is None:
        raise Failed("this cluster knows no InferenceService: name images with --helm-values, or install the operator first")
    account = manifests.prometheus_account(manifests.NAMESPACE)
    cluster.apply(account)
    if given:
        stack.callback(cluster.kubectl, "delete", "-f", "-", stdin=account, seconds=180)
    return cluster


def calibrate(run, settings, folder):
    """Answers per second of a worker that always has work: (of one alone, of each when as many as may be do)."""
    say(f"measuring what a worker with a CPU limit of {settings.cpu} answers")
    run.service.start(manifests.of("hpa70", settings).split("---")[0])
    try:
        url = run.service.url()
        run.warm(url)
        alone = saturate(run, url, 1, folder)
        run.service.scale(settings.most)
        return alone, saturate(run, url, settings.most, folder)
    finally:
        run.service.stop()


def saturate(run, url, workers, folder):
    rate = CALIBRATION_RPS
    while True:
        seen = run.saturate(url, rate * workers, CALIBRATION_SECONDS, folder / "calibration.json")
        if seen["completed_rps"] < 0.8 * rate * workers or rate > 1000:
            return seen["completed_rps"] / workers
        rate *= FASTER


def notes_of(chosen, settings, cluster, alone_rps, worker_rps, trace, scale):
    cores, busy = machine()["cores"], busy_rps(trace)
    notes = [
        f"Workers, control plane, dispatcher, Prometheus and the load share {cores} cores: a worker has a CPU limit of "
        f"{settings.cpu}, and the kernel gives it that in periods of 10 ms, so that it is a slow core and not a fast one with pauses."
        if cluster.own else "The load came through kubectl port-forward, and every scrape through the API server.",
        f"A worker that always has work answers {alone_rps:.1f} pictures/s alone and {worker_rps:.1f} beside "
        f"{settings.most - 1} others that do too ({1000 / worker_rps:.0f} ms each). The trace is scaled by {scale:g}: its "
        f"busiest minute has {busy:.1f} requests/s and keeps {busy / worker_rps:.1f} workers busy.",
        "The autoscalers are the HorizontalPodAutoscaler of the cluster's own controller manager, with no behavior set"
        + (", every 15 s, on metrics-server at 15 s; the kubelet measures every 5 s (its default is 10 s)."
           if cluster.own else "."),
        f"Every request waits up to {manifests.REQUEST_TIMEOUT} and the queue holds {manifests.QUEUE_CAPACITY}, so that "
        "lateness is measured and not cut off.",
        "All runs have the same dispatcher: in its queue, requests that can still meet the target go before those that no "
        "longer can.",
        "Before each run: a fresh service with one worker, warmed by the same pictures, then idle.",
    ]
    if chosen.seconds:
        notes.insert(0, f"SHORTENED to {len(trace)} s for a quick look: not comparable with a full run.")
    return notes


def write_manifests(folder, scalers, settings):
    """Of every run before the first; ours also when it is not run, as the simulator takes our settings from it."""
    folder.mkdir(parents=True, exist_ok=True)
    for scaler in {"ours", *scalers}:
        (folder / f"{scaler}.yaml").write_text(manifests.of(scaler, settings))


def or_why_not(what, tell):
    """What `tell` says, or that it failed: what is only told beside a run must not cost the run."""
    try:
        return tell()
    except (Failed, OSError, ValueError) as failed:
        return f"{what} failed: {failed}"


class Record:
    """experiment.json as it grows: written after each run, before anything else is told of it, so that nothing that
    follows can lose the run."""

    def __init__(self, folder, facts, notes):
        self.folder, self.facts, self.notes, self.done, self.starts = folder, facts, notes, [], []
        self.simulated = []

    def write(self, *told):
        write_experiment(self.folder, **self.facts, notes=[*self.notes, *told], scalers=self.done, simulated=self.simulated,
                         manifests={each: [f"manifests/{each}.yaml"] for each in self.done})

    def add(self, scaler, run, program, peers):
        self.done.append(scaler)
        self.simulated = []  # of the runs before it
        self.starts += [seconds for _, seconds in run.starts.values()]
        self.write()
        if run.hpa_inputs:
            self.notes.append(or_why_not(f"{scaler}: laying the simulator's HPA beside it", lambda: run.model_note(scaler)))
            say(self.notes[-1])
        if not self.starts:
            self.write("No worker's start was seen: nothing was simulated.")
            return
        told = (f"A worker took {statistics.median(self.starts):.0f} s from creation to ready (median of {len(self.starts)}; at "
                f"most {max(self.starts):.0f} s).")
        self.write(told, or_why_not("The simulation", lambda: self._simulate(program, peers)))
        say(told)

    def _simulate(self, program, peers):
        def ask(words, seconds):
            return output_of([program, *words], seconds)
        said, self.simulated = simulate(ask, self.folder, self.folder / "manifests/ours.yaml", self.done, peers, self.facts,
                                        statistics.median(self.starts))
        return said


def experiment(chosen, stack):
    """All runs."""
    programs = pathlib.Path(os.environ["EI_BIN"]).resolve()
    whole = read_trace(programs, chosen.trace)
    # Short, and not under the result folder: sockets and namespaces have their limits.
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="elastic-inference-compare-"))
    if not chosen.keep:
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
    settings = Settings(cpu=chosen.cpu, memory=chosen.memory, target=chosen.target, least=1, most=chosen.max,
                        seed=chosen.seed, idle_s=chosen.idle)
    write_manifests(chosen.out / "manifests", chosen.scalers, settings)
    say(f"results: {chosen.out}; seed {chosen.seed}")
    images = make_pictures(scratch / "pictures", chosen.seed)
    cluster = provide(chosen, stack, scratch)
    (scratch / "prometheus").mkdir()
    prometheus = Prometheus(cluster, [manifests.NAMESPACE, SYSTEM], manifests.NAMESPACE, scratch / "prometheus")
    stack.callback(prometheus.stop)

    def run_into(folder):
        return Run(cluster, prometheus, programs, settings, images, folder)

    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    alone_rps, worker_rps = calibrate(run_into(chosen.out), settings, chosen.out)
    scale = chosen.scale or fitting_scale(whole, worker_rps)
    trace = read_trace(programs, chosen.trace, scale)
    if chosen.seconds:
        trace = quickened(trace, max(1, math.ceil(len(trace) / chosen.seconds)))
    trace_file = chosen.out / "trace.txt"
    trace_file.write_text("\n".join(map(str, trace)) + "\n")
    notes = notes_of(chosen, settings, cluster, alone_rps, worker_rps, trace, scale)
    for note in notes:
        say(note)
    record = Record(chosen.out, {
        "kind": "cluster", "title": "On a real cluster: ours beside the HPA", "started": started, "machine": machine(),
        "kubernetes": cluster.version(),
        "trace": {"name": chosen.trace.stem if chosen.trace else "course", "scale": scale, "seconds": trace},
        "latency_target_s": watch.duration_s(settings.target),
        "min_replicas": settings.least, "max_replicas": settings.most,
        "worker_cpu_cores": settings.worker_cores, "worker_rps": worker_rps, "idle_s": settings.idle_s,
        "seed": settings.seed,
    }, notes)
    for scaler in chosen.scalers:
        run = run_into(chosen.out / scaler)
        summary = run.play(scaler, trace, trace_file)
        say(f"{scaler}: p50 {summary['p50_ms']:.0f} ms, p99 {summary['p99_ms']:.0f} ms, {summary['errors']} failed")
        record.add(scaler, run, programs / "inference-bench", chosen.peers)


def main():
    chosen = flags.cluster()
    for number in SIGNALS[1:]:
        signal.signal(number, lambda *_: sys.exit(130))
    code = 0
    try:
        with contextlib.ExitStack() as stack:
            try:
                experiment(chosen, stack)
            finally:
                # What follows puts everything away: a second Ctrl-C shall not leave half of it.
                for number in SIGNALS:
                    signal.signal(number, signal.SIG_IGN)
    except (Failed, OSError) as failed:
        say(f"FAILED: {failed}")
        code = 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    if (chosen.out / "experiment.json").exists():
        say(f"results: {chosen.out}")
        report(chosen.out)
    return code


if __name__ == "__main__":
    sys.exit(main())
