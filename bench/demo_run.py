"""One run of the demo; ./bench/demo has the options and does the set-up."""
import argparse
import contextlib
import csv
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

import yaml

from bench import demo_plot
from bench.compare.experiment import make_pictures, say
from bench.demo_plan import Plan
from bench.local_service import REQUEST_TIMEOUT_SECONDS, Service, calibrate, pictures_of, usable_cores
from bench.processes import end, spawn
from bench.waiting import Failed

ROOT = pathlib.Path(__file__).resolve().parents[1]
MANIFEST = ROOT / "crds/samples/resnet18.yaml"
CONNECTIONS = 1000  # the queue holds as many: all who wait must be seen to wait there
LEAST_ACCURACY = 0.95
LEAST_SECONDS = 25  # the operator looks back 10 s, and holds what was needed for 5 s more
STATUS_LINE_SECONDS = 3


def arguments():
    options = argparse.ArgumentParser(prog="bench/demo", add_help=False)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--images", type=pathlib.Path)
    options.add_argument("--json", type=pathlib.Path)
    options.add_argument("--seed", type=int)
    options.add_argument("--out", type=pathlib.Path)
    chosen = options.parse_args()
    if not LEAST_SECONDS <= chosen.seconds <= 3600:
        options.error(f"--seconds is {chosen.seconds:g}; allowed: {LEAST_SECONDS} to 3600")
    if chosen.images and not chosen.images.is_dir():
        options.error(f"--images: {chosen.images} is no folder")
    if chosen.json and not chosen.json.absolute().parent.is_dir():
        options.error(f"--json: {chosen.json.absolute().parent} is no folder")
    # Seeds of training and of its held-out pictures are small numbers and have been seen.
    chosen.seed = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(1_000_000, 2**31)
    if not chosen.out:
        chosen.out = ROOT / "bench/results" / time.strftime("demo-%Y%m%d-%H%M%S")
    return chosen


def status_line(service, started):
    status = service.status
    queue = status["queue"]
    p99 = f"p99 {queue['p99']}" if "p99" in queue else "p99 -"
    reason = (status.get("lastDecision") or {}).get("reason", "-")
    say(f"{time.monotonic() - started:3.0f} s  queue {queue['depth']:3}  ready {status['readyReplicas']}"
        f"  desired {status['desiredReplicas']}  {p99}  {reason}")


def send_load(programs, service, plan, images, seed, out, table):
    """Runs the load to its end; (its summary, when it began)."""
    (out / "trace.txt").write_text("\n".join(map(str, plan.trace())) + "\n")
    with open(out / "load.log", "wb") as log:
        started = time.monotonic()
        load = spawn([programs / "inference-bench", "load", "--url", service.endpoint + "/predict", "--images", images,
                      "--trace", out / "trace.txt", "--seed", str(seed), "--timeout", f"{REQUEST_TIMEOUT_SECONDS}s",
                      "--connections", str(CONNECTIONS),
                      "--csv", out / "seconds.csv", "--requests-csv", out / "requests.csv", "--json", out / "load.json"],
                     stdout=log, stderr=log)
        try:
            next_line = started
            while load.poll() is None:
                if service.process.poll() is not None:
                    raise Failed(f"the operator ended with {service.process.returncode}: {service.last_words()}")
                if not table and time.monotonic() >= next_line:
                    status_line(service, started)
                    next_line += STATUS_LINE_SECONDS
                time.sleep(0.1)
        finally:
            end(load, 5)
    if load.returncode != 0:
        raise Failed(f"inference-bench load ended with {load.returncode}: {(out / 'load.log').read_text()[-500:]}")
    return json.loads((out / "load.json").read_text()), started


def write_samples(path, samples, started):
    with open(path, "w", newline="") as table:
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(["seconds", "waiting", "in_flight", "arrival_rps", "ready", "replicas", "desired"])
        for at, status in samples:
            queue = status["queue"]
            rows.writerow([f"{at - started:.3f}", queue["depth"], queue["inFlight"], queue["arrivalRate"],
                           status["readyReplicas"], status["replicas"], status["desiredReplicas"]])


def faults_of(result, least, cores):
    """Why the run was no success; empty when it was."""
    faults = []
    if result["ok"] != result["requests"]:
        faults.append(f"{result['requests'] - result['ok']} of {result['requests']} requests were not answered")
    if result["accuracy"] is not None and result["accuracy"] < LEAST_ACCURACY:
        faults.append(f"only {100 * result['accuracy']:.1f} % of the labels are right")
    if result["replicas_peak"] <= least:
        faults.append("it did not scale up" + ("" if cores > 1 else ": this machine has one core, and every worker needs one"))
    elif result["replicas_final"] != least:
        faults.append(f"it did not scale back to {least}: {result['replicas_final']} workers at the end")
    return faults


def run(chosen, programs, images, stack):
    files = pictures_of(images)
    spec = yaml.safe_load(MANIFEST.read_text())["spec"]
    least, most = spec["scaling"].get("minReplicas", 1), spec["scaling"].get("maxReplicas", 6)
    cores = usable_cores()
    if cores < 2:
        say("this machine has one core, and every worker needs one: it cannot scale here, and this run cannot succeed")
    table = sys.stdout.isatty()
    say(f"starting inference-operator --local {MANIFEST.relative_to(ROOT)}")
    ports = chosen.out / "ports.json"
    service = Service(programs, MANIFEST, chosen.out, table, ["--page-port", "0", "--ports-file", ports])
    stack.callback(service.stop)
    service.wait_ready()
    if not table:
        say(f"live page: http://127.0.0.1:{json.loads(ports.read_text())['page']}/ (as long as this run lasts)")
    deadline = time.monotonic() + chosen.seconds
    capacity_rps, answer = calibrate(service, files)
    plan = Plan(deadline - time.monotonic() - 1, capacity_rps, min(cores, most))
    if not table:
        say(f"one worker carries {capacity_rps:.1f} pictures/s; calm {plan.calm_rps}/s, "
            f"burst {plan.burst_rps}/s from second {plan.burst_from} to {plan.burst_to}")
    summary, started = send_load(programs, service, plan, images, chosen.seed, chosen.out, table)
    service.wait_for(lambda: service.status["replicas"] == least, deadline)
    samples = list(service.samples)
    service.stop()
    result = {
        **{name: summary[name] for name in ("requests", "ok", "errors", "p50_ms", "p99_ms")},
        "replicas_peak": max(status["readyReplicas"] for at, status in samples),
        "replicas_final": samples[-1][1]["replicas"],
        "prediction": answer["prediction"],
        "accuracy": summary["accuracy"],
        "weights": spec["model"]["uri"],
    }
    write_samples(chosen.out / "status.csv", samples, started)
    target_ms = demo_plot.milliseconds(spec["scaling"].get("latencyTarget", "500ms"))
    demo_plot.draw(chosen.out, plan, target_ms / 1000,
                   f"{result['requests']} pictures, {result['errors']} errors, p50 {result['p50_ms']:.0f} ms, "
                   f"p99 {result['p99_ms']:.0f} ms; one worker carries {capacity_rps:.0f}/s")
    return result, plan, faults_of(result, least, cores)


def tell(result, plan, faults, out):
    accuracy = "no labels known" if result["accuracy"] is None else f"{100 * result['accuracy']:.1f} % of the labels right"
    print(f"""
  requests    {result['requests']}, answered {result['ok']}, errors {result['errors']}
  latency     p50 {result['p50_ms']:.0f} ms, p99 {result['p99_ms']:.0f} ms
  load        one worker carries {plan.capacity_rps:.0f}/s; calm {plan.calm_rps}/s, burst {plan.burst_rps}/s ({plan.burst_rps / plan.capacity_rps:.1f} x)
  workers     at most {result['replicas_peak']}, at the end {result['replicas_final']}
  answers     {accuracy}; the first: {result['prediction']}
  picture     {out / 'demo.png'}
""")
    for fault in faults:
        say(f"FAILED: {fault}")


def main():
    chosen = arguments()
    programs = pathlib.Path(os.environ["EI_BIN"]).resolve()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    chosen.out.mkdir(parents=True, exist_ok=True)
    try:
        with contextlib.ExitStack() as stack:
            scratch = pathlib.Path(tempfile.mkdtemp(prefix="elastic-inference-demo-"))
            stack.callback(shutil.rmtree, scratch, ignore_errors=True)
            images = chosen.images or make_pictures(scratch / "pictures", chosen.seed)
            result, plan, faults = run(chosen, programs, images, stack)
    except Failed as failed:
        say(f"FAILED: {failed}")
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    tell(result, plan, faults, chosen.out)
    if chosen.json:
        chosen.json.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
