#!/usr/bin/python3
"""The same trace against the same pods of a real cluster, once for each scaler; `./bench/run cluster` does the set-up.

Without KUBECONFIG it starts a Kubernetes node on this machine and ends it afterwards. With KUBECONFIG it uses that
cluster: give it the images with --helm-values, or let the operator that is installed there serve.
"""
import argparse
import contextlib
import math
import os
import pathlib
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time

import manifests
import watch
from experiment import (Failed, busy_rps, fitting_scale, machine, make_pictures, new_folder, quickened, read_trace,
                        report, say, write_experiment)
from kube import SYSTEM, Cluster, image_values
from prometheus import Prometheus
from runs import Run, Settings
from simulated import simulate

QUICK_SECONDS, QUICK_IDLE = 90, 10
# Requests per second and worker, more than one answers; a faster worker is asked again, four times as much.
CALIBRATION_RPS, CALIBRATION_SECONDS, FASTER = 30, 6, 4
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def arguments():
    options = argparse.ArgumentParser(prog="bench/run cluster", description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)

    def option(name, text, **more):
        shown = " (default: %(default)s)" if more.get("default") is not None and more.get("action") is None else ""
        options.add_argument(name, help=text + shown, **more)

    option("--scaler", "which, in this order", default=",".join(manifests.SCALERS))
    option("--trace", "your own arrivals, integers per second (default: the course trace)", type=pathlib.Path)
    option("--scale", "of the trace (default: its busiest minute needs five of six workers)", type=float)
    option("--seconds", "a shortened trace: every n-th second of it; not comparable", type=int)
    option("--quick", f"--seconds {QUICK_SECONDS} --idle {QUICK_IDLE}: a smoke run, not comparable", action="store_true")
    option("--idle", "seconds watched after the trace", type=int, default=60)
    option("--cpu", "CPU request and limit of a worker; six of 200m fit on two cores", default="200m")
    option("--memory", "memory of a worker", default="512Mi")
    option("--target", "latencyTarget", default="500ms")
    option("--max", "maxReplicas", type=int, default=6)
    option("--seed", "of the pictures and of the gaps between requests; drawn and printed when not given", type=int)
    option("--out", "result folder (default: a new one in bench/results)", type=pathlib.Path)
    option("--keep", "leave our own node running", action="store_true")
    option("--helm-values", "with KUBECONFIG: a values file that names images it can pull", type=pathlib.Path)
    option("--archives", "image archives to use instead of building", nargs="+", default=None, metavar="TAR")
    chosen = options.parse_args()
    chosen.scalers = chosen.scaler.split(",")
    for each in chosen.scalers:
        if each not in manifests.SCALERS:
            options.error(f"--scaler {each}: allowed are {', '.join(manifests.SCALERS)}")
    if chosen.quick:
        chosen.seconds, chosen.idle = chosen.seconds or QUICK_SECONDS, min(chosen.idle, QUICK_IDLE)
    # Seeds of training and of its held-out pictures are small numbers and have been seen.
    chosen.seed = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(1_000_000, 2**31)
    chosen.out = (chosen.out or new_folder("cluster")).absolute()
    return chosen


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


def experiment(chosen, stack):
    """All runs; the scalers that came to their end."""
    programs = pathlib.Path(os.environ["EI_BIN"]).resolve()
    # Short, and not under the result folder: sockets and namespaces have their limits.
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="elastic-inference-compare-"))
    if not chosen.keep:
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
    (chosen.out / "manifests").mkdir(parents=True, exist_ok=True)
    settings = Settings(cpu=chosen.cpu, memory=chosen.memory, target=chosen.target, least=1, most=chosen.max,
                        seed=chosen.seed, idle_s=chosen.idle)
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
    whole = read_trace(programs, chosen.trace)
    scale = chosen.scale or fitting_scale(whole, worker_rps)
    trace = read_trace(programs, chosen.trace, scale)
    if chosen.seconds:
        trace = quickened(trace, max(1, math.ceil(len(trace) / chosen.seconds)))
    trace_file = chosen.out / "trace.txt"
    trace_file.write_text("\n".join(map(str, trace)) + "\n")
    notes = notes_of(chosen, settings, cluster, alone_rps, worker_rps, trace, scale)
    for note in notes:
        say(note)
    facts = {
        "kind": "cluster", "title": "On a real cluster: ours beside the HPA", "started": started, "machine": machine(),
        "kubernetes": cluster.version(),
        "trace": {"name": chosen.trace.stem if chosen.trace else "course", "scale": scale, "seconds": trace},
        "latency_target_s": watch.duration_s(settings.target),
        "min_replicas": settings.least, "max_replicas": settings.most,
        "worker_cpu_cores": settings.worker_cores, "worker_rps": worker_rps, "idle_s": settings.idle_s,
        "seed": settings.seed,
    }
    done, starts = [], []
    for scaler in chosen.scalers:
        (chosen.out / "manifests" / f"{scaler}.yaml").write_text(manifests.of(scaler, settings))
        run = run_into(chosen.out / scaler)
        summary = run.play(scaler, trace, trace_file)
        say(f"{scaler}: p50 {summary['p50_ms']:.0f} ms, p99 {summary['p99_ms']:.0f} ms, {summary['errors']} failed")
        done.append(scaler)
        starts += [seconds for _, seconds in run.starts.values()]
        told = (f"A worker took {statistics.median(starts):.0f} s from creation to ready (median of {len(starts)}; at most "
                f"{max(starts):.0f} s).")
        if run.hpa_inputs:
            notes.append(run.model_note(scaler))
            say(notes[-1])
        told_simulated = simulate(programs / "inference-bench", chosen.out, done, facts, statistics.median(starts))
        write_experiment(chosen.out, **facts, notes=[*notes, told, told_simulated], scalers=done,
                         manifests={each: [f"manifests/{each}.yaml"] for each in done})
    say(told)
    return done


def main():
    chosen = arguments()
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
