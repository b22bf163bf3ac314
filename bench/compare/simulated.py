"""What the simulator says of a run that was made: the same trace, with what was measured of its workers; and of autoscalers
that were not run."""
import json
import pathlib
import shutil
import tempfile

# Who a scaler of the comparison is in the simulator.
CONTESTANTS = {"ours": "Latency", "hpa70": "Hpa70", "hpa90": "Hpa90", "kpa": "Kpa", "keda": "Keda"}
FIGURES = ("p50_s", "p99_s", "late_ratio", "core_seconds", "core_seconds_with_idle", "scale_events")
SIMULATION_SECONDS = 300


def service_of(completions, service_seconds, service_seconds_squared):
    """(mean seconds, squared coefficient of variation) of the service times from their counters: pairs of a first and a
    last value each, or None where nobody saw one. None when nothing was completed."""
    pairs = (completions, service_seconds, service_seconds_squared)
    if None in pairs:
        return None
    count, total, squares = (max(0.0, last - first) for first, last in pairs)
    if count <= 0 or total <= 0:
        return None
    mean = total / count
    return mean, max(0.0, squares / count / mean**2 - 1)


def measured_service(folder, scalers):
    """The service times of the first run that has them."""
    told = (service_of(**json.loads((folder / scaler / "service.json").read_text())) for scaler in scalers)
    return next((service for service in told if service), None)


def simulate(ask, folder, manifest, scalers, peers, facts, start_s):
    """Writes sim/SCALER.csv (time_s, desired, ready, queue) into the folder of a result; gives the sentence about it, and a
    dict of figures for each scaler and peer.

    ask(flags, seconds): what `inference-bench` prints; manifest: our settings; facts: what experiment.json says; start_s: seconds from creation to ready.
    """
    service = measured_service(folder, scalers)
    if service is None:
        return "The dispatcher told no service times: nothing was simulated.", []
    mean, cv2 = service
    with tempfile.TemporaryDirectory() as scratch:
        said = ask(
            ["policy", "--trace", folder / "trace.txt", "--manifest", manifest,
             "--service-ms", f"{1000 * mean:.3f}", "--service-cv2", f"{cv2:.4f}", "--start-s", f"{start_s:.2f}",
             "--cpu-millicores", round(1000 * facts["worker_cpu_cores"]), "--min", facts["min_replicas"],
             "--max", facts["max_replicas"], "--runs", 1, "--lane-for-all", "--out", scratch], SIMULATION_SECONDS)
        cells = {cell["policy"]: cell for cell in json.loads(said.splitlines()[-1])["cells"]}
        known = [scaler for scaler in scalers if scaler in CONTESTANTS]
        (folder / "sim").mkdir(exist_ok=True)
        for scaler in known:
            shutil.copyfile(pathlib.Path(scratch) / "timeline" / f"{CONTESTANTS[scaler]}.csv", folder / "sim" / f"{scaler}.csv")
    figures = [{"scaler": each, **{name: cells[CONTESTANTS[each]][name] for name in FIGURES}} for each in [*known, *peers]]
    return (f"The simulator was given the same trace, the service time that was measured ({1000 * mean:.0f} ms, squared "
            f"coefficient of variation {cv2:.2f}) and {start_s:.1f} s from creation to ready."), figures
