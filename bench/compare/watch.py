"""What is seen of a run once a second, and what is made of it: rows of series.csv and lines of hpa_inputs.jsonl. Pure."""
import math

from bench.compare.kube import seconds_of


def condition(pod, kind):
    conditions = pod.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), None)


def is_ready(pod):
    ready = condition(pod, "Ready")
    return bool(ready) and ready["status"] == "True"


def millicores(quantity):
    """A CPU quantity in thousandths of a core, rounded up as the autoscaler rounds."""
    for suffix, unit in (("n", 1e6), ("u", 1e3), ("m", 1)):
        if quantity.endswith(suffix):
            return math.ceil(int(quantity[:-1]) / unit)
    return math.ceil(1000 * float(quantity))


def cores(quantity):
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def observed(unix_s, pods, resource):
    """A sample of the watcher: the worker pods and the InferenceService as the API has them."""
    status = resource.get("status", {})
    return {
        "time_s": unix_s,
        "desired": status.get("desiredReplicas"),
        "replicas": len(pods),
        "ready": sum(is_ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in pods),
        "history": status.get("history") or [],
    }


def start_of(pod):
    """(name, unix seconds of creation, seconds from creation to Ready); None while it never was ready.

    The API's times are whole seconds, so a start time is right to one second.
    """
    created, ready = seconds_of(pod["metadata"]["creationTimestamp"]), condition(pod, "Ready")
    if not is_ready(pod):
        return None
    return pod["metadata"]["name"], created, seconds_of(ready["lastTransitionTime"]) - created


def hpa_input(unix_s, current, pods, metrics):
    """What the autoscaler's controller sees now; times are Unix seconds (`on_clock` changes that)."""
    usage = {each["metadata"]["name"]: each for each in (metrics or {}).get("items", [])}
    lines = []
    for pod in sorted(pods, key=lambda each: each["metadata"]["name"]):
        name, ready = pod["metadata"]["name"], condition(pod, "Ready")
        line = {
            "name": name,
            "ready": is_ready(pod),
            "started_s": seconds_of(pod.get("status", {}).get("startTime")),
            "transition_s": seconds_of(ready["lastTransitionTime"]) if ready else None,
            "deleting": "deletionTimestamp" in pod["metadata"],
            "pending": pod.get("status", {}).get("phase") == "Pending",
        }
        if name in usage:
            line["cpu_millicores"] = sum(millicores(each["usage"]["cpu"]) for each in usage[name]["containers"])
            line["metrics_time_s"] = seconds_of(usage[name]["timestamp"])
            line["window_s"] = duration_s(usage[name]["window"])
        lines.append(line)
    return {"time_s": unix_s, "current": current, "pods": lines}


def duration_s(text):
    """Seconds of a Go duration such as 1m15.2s."""
    total, number = 0.0, ""
    units = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3}
    at = 0
    while at < len(text):
        if text[at].isdigit() or text[at] == ".":
            number += text[at]
            at += 1
            continue
        unit = "ms" if text.startswith("ms", at) else text[at]
        total += float(number) * units[unit]
        number, at = "", at + len(unit)
    return total


def on_clock(line, clock):
    """A line of hpa_input with its times on the run's clock."""
    times = ("time_s", "started_s", "transition_s", "metrics_time_s")

    def moved(fields):
        return {key: round(clock.of(value), 3) if key in times and value is not None else value
                for key, value in fields.items()}

    return {**moved(line), "pods": [moved(pod) for pod in line["pods"]]}


def cores_by_second(counters, starts, since, until):
    """{second: cores} that CPU counters say were used, from cumulative seconds at the times of their measurement.

    counters: {pod: [(time_s, seconds)]}; starts: {pod: when its container started, at zero}. What was used between two
    measurements is spread evenly over the time between them.
    """
    used = {second: 0.0 for second in range(math.floor(since), math.ceil(until))}
    for pod, samples in counters.items():
        points = sorted(samples)
        if pod in starts and points and starts[pod] < points[0][0]:
            points.insert(0, (starts[pod], 0.0))
        for (begin, low), (finish, high) in zip(points, points[1:]):
            if finish <= begin or high <= low:
                continue
            rate = (high - low) / (finish - begin)
            for second in range(max(math.floor(begin), math.floor(since)), min(math.ceil(finish), math.ceil(until))):
                used[second] += rate * max(0.0, min(finish, second + 1) - max(begin, second))
    return used


def reason_of_ours(row, old, new):
    """(reason, message) of a change, from the decisions that the status told with it (the newest first)."""
    decision = next((each for each in row.get("history") or [] if each.get("to") == new), {})
    return decision.get("reason", ""), decision.get("formula", "")


def reason_of_hpa(events):
    """The same from the autoscaler's events: `New size: 3; reason: …`."""
    notes = [each.get("note", "") for each in events if each.get("reason") == "SuccessfulRescale"]

    def why(row, old, new):
        for note in notes:
            size, _, message = note.partition(";")
            if size.strip() == f"New size: {new}" and ("above" in message) == (new > old):
                return "SuccessfulRescale", message.strip()
        return "SuccessfulRescale", ""

    return why
