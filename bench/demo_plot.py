"""The picture of a demo run: queue, workers and latency over one time axis."""
import csv
import re

import matplotlib

matplotlib.use("Agg")  # no display is needed

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

INK, MUTED, GRID = "#1f2430", "#5b6270", "#e3e6eb"
BLUE, ORANGE, RED, SHADE = "#2563a8", "#d9822b", "#c0392b", "#f7f0e3"
UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def milliseconds(duration):
    """`1m30s`, `500ms`: as manifests write durations."""
    return sum(float(number) * UNITS_MS[unit] for number, unit in re.findall(r"([\d.]+)(ms|s|m|h)", duration))


def read(path):
    """Columns by name; a missing number is nan."""
    with open(path, newline="") as table:
        rows = list(csv.DictReader(table))

    def number(text):
        try:
            return float(text)
        except ValueError:
            return float("nan")
    return {name: np.array([number(row[name]) for row in rows]) for name in rows[0]}


def draw_queue(axis, status, plan):
    axis.fill_between(status["seconds"], status["waiting"], step="post", color=BLUE, alpha=0.25, linewidth=0)
    axis.step(status["seconds"], status["waiting"], where="post", color=BLUE, linewidth=1.6)
    axis.set_ylabel("waiting requests")
    axis.set_ylim(0, max(5, 1.4 * status["waiting"].max()))
    top = axis.get_ylim()[1]
    middle = (plan.burst_from + plan.burst_to) / 2
    axis.text(middle, 0.94 * top, f"burst: {plan.burst_rps}/s\n{plan.burst_rps / plan.capacity_rps:.1f} × one worker",
              ha="center", va="top", color=INK, fontsize=10)
    axis.text((plan.burst_to + plan.end) / 2, 0.94 * top, f"calm: {plan.calm_rps}/s", ha="center", va="top", color=MUTED,
              fontsize=10)
    axis.yaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))


def draw_workers(axis, status):
    axis.step(status["seconds"], status["desired"], where="post", color=ORANGE, linewidth=1.8, linestyle=(0, (3, 2)),
              label="wanted")
    axis.step(status["seconds"], status["ready"], where="post", color=BLUE, linewidth=2.2, label="ready")
    axis.set_ylabel("workers")
    axis.set_ylim(0, max(status["desired"].max(), status["ready"].max()) + 0.6)
    axis.yaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    axis.legend(loc="upper right", frameon=False, fontsize=10, ncol=2)


def draw_latency(axis, requests, seconds, target_seconds):
    answered = requests["status"] == 200
    axis.scatter(requests["intended_s"][answered], requests["latency_ms"][answered] / 1000, s=9, color=BLUE, alpha=0.4,
                 linewidths=0, label="one request")
    if (~answered).any():
        axis.scatter(requests["intended_s"][~answered], requests["latency_ms"][~answered] / 1000, s=18, color=RED,
                     marker="x", label="not answered")
    axis.step(seconds["second"], seconds["p99_ms"] / 1000, where="post", color=ORANGE, linewidth=1.6, label="p99 of a second")
    axis.axhline(target_seconds, color=RED, linewidth=1.2, linestyle=(0, (5, 3)))
    highest = np.nanmax(requests["latency_ms"]) / 1000
    axis.set_ylim(0, 1.12 * max(highest, 1.2 * target_seconds))
    axis.annotate(f"target {target_seconds:g} s", (1, target_seconds), xycoords=("axes fraction", "data"), xytext=(-4, 3),
                  textcoords="offset points", ha="right", color=RED, fontsize=10)
    axis.set_ylabel("latency in seconds")
    axis.legend(loc="upper right", frameon=False, fontsize=10, markerscale=1.6)


def draw(folder, plan, target_seconds, subtitle):
    """Reads status.csv, seconds.csv and requests.csv of `folder`, writes its demo.png."""
    status, seconds, requests = (read(folder / name) for name in ("status.csv", "seconds.csv", "requests.csv"))
    plt.rcParams.update({"font.size": 11, "axes.edgecolor": MUTED, "axes.labelcolor": INK, "xtick.color": INK,
                         "ytick.color": INK, "font.family": "DejaVu Sans"})
    figure, (queue, workers, latency) = plt.subplots(
        3, 1, sharex=True, figsize=(10, 8.5), gridspec_kw={"height_ratios": [1.1, 0.8, 1.3], "hspace": 0.12})
    draw_queue(queue, status, plan)
    draw_workers(workers, status)
    draw_latency(latency, requests, seconds, target_seconds)
    for axis in (queue, workers, latency):
        axis.axvspan(plan.burst_from, plan.burst_to, color=SHADE, zorder=0, linewidth=0)
        axis.grid(axis="y", color=GRID, linewidth=0.8)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    latency.set_xlim(0, max(plan.end, status["seconds"].max()))
    latency.set_xlabel("seconds")
    queue.set_title("Workers follow the load", loc="left", fontsize=14, color=INK, pad=26)
    queue.text(0, 1.05, subtitle, transform=queue.transAxes, fontsize=10.5, color=MUTED)
    figure.align_ylabels()
    figure.savefig(folder / "demo.png", dpi=130, bbox_inches="tight", facecolor="white")
    plt.close(figure)
