"""The numbers of a comparison, and what they say in words."""
import dataclasses
import math

import numpy as np

LABEL = {"ours": "ours", "hpa70": "HPA 70 %", "hpa90": "HPA 90 %", "kpa": "Knative KPA", "keda": "KEDA"}
SAME_RATIO = 0.01  # closer than this is called the same: one run each carries no finer difference
GAP_SECONDS = 3  # a series has a row a second; a longer silence is told


@dataclasses.dataclass
class Figures:
    """None is unknown."""
    scaler: str
    requests: int
    failed: int
    p50_s: float | None
    p99_s: float | None
    max_s: float | None
    late_ratio: float
    core_seconds: float | None
    used_core_seconds: float | None
    core_seconds_with_idle: float | None
    used_core_seconds_with_idle: float | None
    scale_events: int | None
    start_s: float | None  # median from wanting a worker to its being ready


def label(scaler):
    return LABEL.get(scaler, scaler)


def percentile(sorted_values, share):
    """The nearest rank: a latency that a request really had."""
    if not len(sorted_values):
        return None
    return float(sorted_values[max(0, math.ceil(share * len(sorted_values)) - 1)])


def area(series, name, begin, end):
    """Of a column over [begin, end), each value holding until the next known one; None when unknown at its start or for
    more than a moment at its end."""
    known = np.isfinite(series[name])
    times, values = series["time_s"][known], series[name][known]
    if not len(times) or times[0] > begin + GAP_SECONDS or series["time_s"][-1] < end - GAP_SECONDS:
        return None
    edges = np.clip(np.append(times, max(end, times[-1])), begin, end)
    edges[0] = begin
    return float(np.sum(values * np.diff(edges)))


def longest_gap(series, name, begin, end):
    """Seconds of [begin, end) over which a column is unknown at a stretch."""
    times = series["time_s"][np.isfinite(series[name])]
    times = times[(times > begin) & (times < end)]
    return float(np.max(np.diff([begin, *times, end])))


def scale_events(run, length_s):
    """Changes of the wanted number during the trace."""
    if run.events is not None:
        return sum(0 <= event["time_s"] < length_s and event["from"] != event["to"] for event in run.events)
    if run.series is None:
        return None
    desired = run.series["desired"][(run.series["time_s"] < length_s) & np.isfinite(run.series["desired"])]
    return int(np.count_nonzero(np.diff(desired)))


def start_seconds(run):
    """Median time from a rise of the wanted number until as many workers were ready; of rises that were not taken back."""
    if run.series is None:
        return None
    known = np.isfinite(run.series["desired"]) & np.isfinite(run.series["ready"])
    time, desired, ready = (run.series[name][known] for name in ("time_s", "desired", "ready"))
    waits = []
    for i in np.flatnonzero(np.diff(desired) > 0) + 1:
        until = next((j for j in range(i, len(time)) if desired[j] < desired[i] or ready[j] >= desired[i]), None)
        if until is not None and desired[until] >= desired[i] and until > i:
            waits.append(time[until] - time[i])
    return float(np.median(waits)) if waits else None


def figures_of(run, experiment):
    timed = np.sort(run.latency_s[run.timed])
    late = run.failed | (run.latency_s > experiment.about["latency_target_s"])
    length = experiment.length_s

    def total(name, end):
        return area(run.series, name, 0, end) if run.series is not None else None
    with_idle = length + experiment.idle_s
    return Figures(
        scaler=run.scaler, requests=len(run.latency_s), failed=int(run.failed.sum()),
        p50_s=percentile(timed, 0.5), p99_s=percentile(timed, 0.99), max_s=percentile(timed, 1),
        late_ratio=float(late.mean()),
        core_seconds=total("allocated_cores", length), used_core_seconds=total("used_cores", length),
        core_seconds_with_idle=total("allocated_cores", with_idle) if experiment.idle_s else None,
        used_core_seconds_with_idle=total("used_cores", with_idle) if experiment.idle_s else None,
        scale_events=scale_events(run, length), start_s=start_seconds(run))


def gaps(experiment):
    """Sentences about stretches over which a series is silent."""
    found = []
    for run in experiment.runs:
        if run.series is None:
            continue
        for name in ("desired", "ready", "queue", "allocated_cores", "used_cores"):
            gap = longest_gap(run.series, name, 0, experiment.length_s)
            if gap > GAP_SECONDS:
                found.append(f"{run.scaler}/series.csv: {name} is unknown for {gap:.0f} s at a stretch during the trace.")
    return found


def significant(value, digits=3):
    """Three digits, never in powers of ten."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}"


def percent(ratio):
    return f"{significant(100 * ratio)} %"


def times_as_long(ours, other, name):
    if ours is None or other is None or ours == 0 or other == 0:
        return "p99 cannot be compared"
    ratio = other / ours
    if abs(ratio - 1) <= SAME_RATIO:
        return f"the same p99 within 1 % ({significant(ours)} s and {significant(other)} s)"
    if ratio > 1:
        return f"{name}'s p99 is {significant(ratio)} times ours ({significant(other)} s against {significant(ours)} s)"
    return f"our p99 is {significant(1 / ratio)} times that of {name} ({significant(ours)} s against {significant(other)} s)"


def more_or_fewer(ours, other, what):
    if ours is None or other is None or other == 0:
        return f"{what.split()[-1]} core-seconds cannot be compared"
    ratio = ours / other
    if abs(ratio - 1) <= SAME_RATIO:
        return f"ours {what} as many core-seconds within 1 %"
    return f"ours {what} {percent(abs(ratio - 1))} {'fewer' if ratio < 1 else 'more'} core-seconds (×{significant(ratio)})"


def comparisons(figures):
    """(a heading, sentences) for each other scaler; none without ours."""
    ours = next((each for each in figures if each.scaler == "ours"), None)
    if ours is None:
        return []
    found = []
    for other in figures:
        if other is ours:
            continue
        name = label(other.scaler)
        parts = [times_as_long(ours.p99_s, other.p99_s, name),
                 f"late or failed: {percent(ours.late_ratio)} with ours, {percent(other.late_ratio)} with {name}",
                 more_or_fewer(ours.core_seconds, other.core_seconds, "was allocated"),
                 more_or_fewer(ours.used_core_seconds, other.used_core_seconds, "used")]
        if ours.core_seconds_with_idle is not None and other.core_seconds_with_idle is not None:
            parts.append("with the idle time after the trace "
                         + more_or_fewer(ours.core_seconds_with_idle, other.core_seconds_with_idle, "was allocated"))
        found.append((f"Against {name}", parts))
    return found


def against_target(figures, target_s):
    """Who keeps the target, in one sentence."""
    kept, missed = [], []
    for each in figures:
        kept_it = each.p99_s is not None and each.p99_s <= target_s and each.late_ratio <= 0.01
        (kept if kept_it else missed).append(label(each.scaler))

    def names(list_):
        return " and ".join([", ".join(list_[:-1]), list_[-1]] if len(list_) > 1 else list_)
    target = f"99 % of the requests within {target_s:g} s"
    return " ".join(part for part in (
        f"Kept by {names(kept)}: {target}." if kept else "",
        f"Missed by {names(missed)}: {target}." if missed else "") if part)


def likeness(run, length_s):
    """How near the simulator came to the real run, over the trace; None where there is nothing to compare."""
    if run.simulated is None or run.series is None:
        return None
    seconds = np.arange(0, length_s)

    def at(series, name):
        known = np.isfinite(series[name])
        if not known.any():
            return None
        index = np.searchsorted(series["time_s"][known], seconds, side="right") - 1
        return series[name][known][np.maximum(index, 0)]
    said = {}
    for name in ("desired", "ready"):
        real, simulated = at(run.series, name), at(run.simulated, name)
        if real is None or simulated is None:
            return None
        said[name] = (float(np.mean(real == simulated)), float(np.mean(np.abs(real - simulated))))
    return said
