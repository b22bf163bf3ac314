"""The simulator's HPA beside the real controller: what both make of the same CPU readings."""
import itertools
import json

from bench.compare.experiment import output_of


def changes(pairs):
    """[(time, count)] where the count is another than before."""
    return [(at, count) for (_, before), (at, count) in zip(pairs, pairs[1:]) if count != before]


def proposed(answers, lines):
    """[(time, count)] of the model's answers that are another count than the one it was told is in force: only these are
    its own. What it asks for again until it is in force counts once."""
    current = {line["time_s"]: line["current"] for line in lines}
    own, before = [], None
    for each in answers:
        asked = (current[each["time_s"]], each["desired"])
        if each["desired"] != asked[0] and asked != before:
            own.append((each["time_s"], each["desired"]))
        before = asked
    return own


def replayed(program, lines, flags):
    """The changes that the model asks for when it is given recorded lines (as watch.hpa_input writes them)."""
    text = "\n".join(json.dumps(line) for line in lines)
    answers = [json.loads(line) for line in output_of([program, "hpa", *flags], input=text).splitlines()]
    return proposed(answers, lines)


READINGS = ("cpu_millicores", "metrics_time_s", "window_s")


def read_ahead(lines):
    """The lines with the CPU readings of the next look: what the controller may have read between two looks."""
    ahead = []
    for line, following in zip(lines, lines[1:]):
        later = {pod["name"]: pod for pod in following["pods"]}
        pods = []
        for pod in line["pods"]:
            known = {key: value for key, value in pod.items() if key not in READINGS}
            read = later.get(pod["name"], {})
            pods.append({**known, **{key: read[key] for key in READINGS if key in read}})
        ahead.append({**line, "pods": pods})
    return ahead


def agreement(program, lines, sync_s, flags, step_s=1.0):
    """(the controller's changes, the model's, the largest distance between them in seconds; infinite when the counts
    differ), with what nobody can see as it fits best: the phase of the controller's period (in steps of `step_s`), and
    whether it read the CPU before or after a look of ours. Without those of the recording's last period: the other's may
    come after its end."""
    end_s = lines[-1]["time_s"] - sync_s

    def within(found):
        return [(at, count) for at, count in found if at <= end_s]
    real = within(changes([(line["time_s"], line["current"]) for line in lines]))
    ways = [(seen, step * step_s) for seen in (lines, read_ahead(lines)) for step in range(round(sync_s / step_s))]
    fits = []
    for seen, phase_s in ways:
        model = within(replayed(program, seen, [*flags, "--sync", sync_s, "--phase", phase_s]))
        alike = len(list(itertools.takewhile(lambda pair: pair[0][1] == pair[1][1], zip(model, real))))
        same = alike == len(model) == len(real)
        apart = max((abs(at - then) for (at, _), (then, _) in zip(model, real)), default=0) if same else float("inf")
        fits.append((apart, -alike, model))
    apart, _, model = min(fits)
    return real, model, apart
