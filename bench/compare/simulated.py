"""What the simulator says of a run that was made: the same trace, with what was measured of its workers."""
import json
import pathlib
import shutil
import tempfile

from experiment import output_of

# Who a scaler of the comparison is in the simulator.
CONTESTANTS = {"ours": "Latency", "hpa70": "Hpa70", "hpa90": "Hpa90"}
SIMULATION_SECONDS = 300


def service_of(completions, service_seconds, service_seconds_squared):
    """(mean seconds, squared coefficient of variation) of the service times from their counters: pairs of a first and a
    last value each. None when nothing was completed."""
    count, total, squares = (max(0.0, last - first) for first, last in (completions, service_seconds, service_seconds_squared))
    if count <= 0 or total <= 0:
        return None
    mean = total / count
    return mean, max(0.0, squares / count / mean**2 - 1)


def simulate(program, folder, scalers, facts, start_s):
    """Writes sim/SCALER.csv (time_s, desired, ready, queue) into the folder of a result; gives the sentence about it.

    facts: what experiment.json says; start_s: seconds from creation to ready. The service time is the first run's.
    """
    service = service_of(**json.loads((folder / scalers[0] / "service.json").read_text()))
    if service is None:
        return "The dispatcher told no service times: nothing was simulated."
    mean, cv2 = service
    with tempfile.TemporaryDirectory() as scratch:
        output_of([program, "policy", "--trace", folder / "trace.txt", "--manifest", folder / "manifests/ours.yaml",
                   "--service-ms", f"{1000 * mean:.3f}", "--service-cv2", f"{cv2:.4f}", "--start-s", f"{start_s:.2f}",
                   "--cpu-millicores", round(1000 * facts["worker_cpu_cores"]), "--min", facts["min_replicas"],
                   "--max", facts["max_replicas"], "--runs", 1, "--out", scratch], SIMULATION_SECONDS)
        (folder / "sim").mkdir(exist_ok=True)
        for scaler in scalers:
            shutil.copyfile(pathlib.Path(scratch) / "timeline" / f"{CONTESTANTS[scaler]}.csv", folder / "sim" / f"{scaler}.csv")
    return (f"The simulator was given the same trace, the service time that was measured ({1000 * mean:.0f} ms, squared "
            f"coefficient of variation {cv2:.2f}) and {start_s:.1f} s from creation to ready.")
