"""Draws the policy comparison from cells.csv and timelines.csv in the folder given: what each policy pays for its p99,
and second by second what each did on the course-shaped trace."""
import csv
import pathlib
import sys
from collections import defaultdict

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from bench.plot import style

STYLE = {  # ours in the strongest
    "Latency": (style.OURS, "o", 2.4),
    "Hpa70": (style.HPA_70, "s", 1.4),
    "Hpa90": (style.HPA_90, "D", 1.4),
    "Kpa": (style.KPA, "^", 1.2),
    "Keda": (style.KEDA, "v", 1.2),
    "QueueRatio": (style.CLASSIC, "X", 1.2),
    "Planner": (style.PLANNER, "*", 1.2),
}
LINES = style.OTHERS  # of programs that play beside ours, in the order of the table
LABEL = {"Latency": "Latency (ours)", "Hpa70": "HPA 70 %", "Hpa90": "HPA 90 %", "Kpa": "Knative KPA", "Keda": "KEDA",
         "QueueRatio": "QueueRatio (classic)", "Planner": "planner"}
MATCH = ("shape", "service_ms", "rate_scale", "start_s")


def read(path):
    groups = defaultdict(list)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            groups[tuple(row[key] for key in MATCH)].append(row)
    return groups


def add_programs(groups):
    """Contestants that are not ours get a colour each, and keep their own name."""
    known = [row["policy"] for rows in groups.values() for row in rows]
    for policy in dict.fromkeys(known):
        if policy not in STYLE:
            STYLE[policy] = (LINES[(len(STYLE) - 7) % len(LINES)], "P", 1.8)
            LABEL[policy] = policy


def title(match):
    shape, service, scale, start = match
    return f"{shape.replace('_', ' ')}, {service} ms, rate ×{scale}, start {start} s"


def finish(figure, path):
    figure.savefig(path, dpi=130, bbox_inches="tight")
    plt.close(figure)
    print(path, file=sys.stderr)


def draw_tradeoff(groups, path):
    """One panel for each match: core-seconds to the right, p99 up; the lower left corner wins."""
    matches = list(groups)
    columns = min(3, len(matches))
    rows = -(-len(matches) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4.4 * columns, 3.3 * rows), squeeze=False)
    for axis, match in zip(axes.flat, matches):
        for row in groups[match]:
            colour, marker, _ = STYLE[row["policy"]]
            axis.plot(float(row["core_seconds"]), max(float(row["p99_s"]), 1e-3), marker, color=colour, markersize=9,
                      label=LABEL[row["policy"]])
        axis.axhline(0.5, color="#999999", linewidth=0.8, linestyle="--")
        axis.set_yscale("log")
        axis.set_title(title(match), fontsize=9)
        axis.grid(True, which="major", alpha=0.25)
    for axis in axes.flat[len(matches):]:
        axis.set_visible(False)
    for axis in axes[-1]:
        axis.set_xlabel("core-seconds over the trace")
    for axis in axes[:, 0]:
        axis.set_ylabel("p99 latency (s)")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=7, frameon=False, bbox_to_anchor=(0.5, 1.0))
    figure.tight_layout()
    finish(figure, path)


def draw_timeline(match, rows, path):
    """Rate, replicas and latency over time for one match."""
    by_policy = defaultdict(list)
    for row in rows:
        by_policy[row["policy"]].append(row)
    figure, (load, replicas, latency) = plt.subplots(3, 1, figsize=(10, 8), sharex=True, height_ratios=(1, 1.6, 1.6))
    anybody = next(iter(by_policy.values()))
    load.fill_between([int(r["second"]) for r in anybody], [float(r["rate"]) for r in anybody], color="#bbbbbb", step="post")
    load.set_ylabel("requests/s")
    load.set_title(title(match))
    for policy, (colour, _, width) in STYLE.items():
        if policy not in by_policy or policy == "Planner":
            continue
        lines = by_policy[policy]
        seconds = [int(r["second"]) for r in lines]
        replicas.step(seconds, [int(r["replicas"]) for r in lines], where="post", color=colour, linewidth=width,
                      label=LABEL[policy])
        served = [(int(r["second"]), float(r["p99_s"])) for r in lines if float(r["p99_s"]) > 0]
        latency.plot([s for s, _ in served], [p for _, p in served], color=colour, linewidth=width, alpha=0.9)
    replicas.set_ylabel("workers wanted")
    latency.axhline(0.5, color="#999999", linewidth=0.8, linestyle="--")
    latency.set_yscale("log")
    latency.set_ylabel("p99 of the second's\narrivals (s)")
    latency.set_xlabel("seconds (the trace, then five idle minutes)")
    for axis in (load, replicas, latency):
        axis.grid(True, alpha=0.25)
    figure.tight_layout()
    handles, labels = replicas.get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=6, fontsize=9, frameon=False, bbox_to_anchor=(0.5, 1.0))
    finish(figure, path)


def main():
    folder = pathlib.Path(sys.argv[1])
    cells = read(folder / "cells.csv")
    add_programs(cells)
    for start in sorted({match[3] for match in cells}, key=float):
        chosen = {match: rows for match, rows in cells.items() if match[3] == start}
        draw_tradeoff(chosen, folder / f"tradeoff-start-{start}s.png")
    for match, rows in read(folder / "timelines.csv").items():
        if match[0] in ("course", "trace", "replay", "replay_changed") and (match[3] == "3" or match[0].startswith("replay")):
            draw_timeline(match, rows, folder / f"timeline-{match[0]}-{match[1]}ms-x{match[2]}.png")


if __name__ == "__main__":
    main()
