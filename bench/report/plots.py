"""The plots of a comparison, as SVG text. The colours are for a light page; pages.py lets them follow the reader's."""
import io
import re

import matplotlib

matplotlib.use("Agg")  # no display is needed

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: E402

from bench.plot import style
from bench.report.figures import label, percentile
from bench.report.svg import compact

INK, MUTED, GRID, SHADE = "#1f2430", "#5b6270", "#e3e6eb", "#f3f4f6"
OFFERED, TARGET = "#8a93a3", "#c0392b"
COLOUR = {"ours": style.OURS, "hpa70": style.HPA_70, "hpa90": style.HPA_90}
OTHERS = (style.KPA, style.KEDA, style.CLASSIC)
WIDTH, PANEL_HEIGHT = 10, 1.75
# Lines of equal whole numbers would hide each other: each scaler's are moved by so little that it is plain what is meant.
APART = 0.07

plt.rcParams.update({
    "font.size": 10, "font.family": "sans-serif", "svg.fonttype": "none", "axes.edgecolor": MUTED, "axes.labelcolor": INK,
    "text.color": INK, "xtick.color": INK, "ytick.color": INK, "axes.linewidth": 0.8,
})


def colour(scaler, experiment):
    if scaler in COLOUR:
        return COLOUR[scaler]
    others = [run.scaler for run in experiment.runs if run.scaler not in COLOUR]
    return OTHERS[others.index(scaler) % len(OTHERS)]


def svg_of(figure, name):
    """Without date and random names, so that the same data gives the same file."""
    out = io.StringIO()
    with plt.rc_context({"svg.hashsalt": name}):
        figure.savefig(out, format="svg", bbox_inches="tight", transparent=True, dpi=150, metadata={"Date": None})
    plt.close(figure)
    text = out.getvalue()
    # A hundredth of a point is finer than any screen; the rest is half of the file.
    return compact(re.sub(r"(\d\.\d\d)\d+", r"\1", text[text.index("<svg"):]))


def panels(experiment, count, heights=None):
    figure, axes = plt.subplots(count, 1, sharex=True, squeeze=False, figsize=(WIDTH, PANEL_HEIGHT * count + 0.6),
                                gridspec_kw={"hspace": 0.16, "height_ratios": heights or [1] * count})
    axes = list(axes[:, 0])
    # The idle time is drawn where somebody recorded it.
    recorded = max((run.series["time_s"][-1] for run in experiment.runs if run.series is not None), default=0)
    end = max(experiment.length_s, min(recorded, experiment.length_s + experiment.idle_s))
    for axis in axes:
        axis.grid(True, color=GRID, linewidth=0.8)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        if end > experiment.length_s:
            axis.axvspan(experiment.length_s, end, color=SHADE, zorder=0, linewidth=0)
    axes[0].set_xlim(0, end)
    shaded = "; shaded: idle time after it" if end > experiment.length_s else ""
    axes[-1].set_xlabel("seconds since the start of the trace" + shaded)
    return figure, axes


def whole_numbers(axis):
    axis.yaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))


def log_seconds(axis, experiment):
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.axhline(experiment.about["latency_target_s"], color=TARGET, linewidth=1.1, linestyle=(0, (5, 3)))
    axis.annotate(f"target {experiment.about['latency_target_s']:g} s", (1, experiment.about["latency_target_s"]),
                  xycoords=("axes fraction", "data"), xytext=(-4, 3), textcoords="offset points", ha="right", color=TARGET)


def by_second(run, share):
    """(seconds, that percentile of the requests meant for each)."""
    second = np.floor(run.intended_s).astype(int)
    found = []
    for each in np.unique(second[run.timed]):
        latency = np.sort(run.latency_s[run.timed & (second == each)])
        found.append((each, percentile(latency, share)))
    return np.array(found).reshape(-1, 2).T


def known(series, *names):
    rows = np.all([np.isfinite(series[name]) for name in names], axis=0)
    return [series[name][rows] for name in names]


def draw_offered(axis, experiment):
    axis.fill_between(range(experiment.length_s), experiment.trace, step="post", color=OFFERED, alpha=0.5, linewidth=0)
    axis.set_ylabel("offered\nrequests/s")
    axis.set_ylim(bottom=0)


def overview(experiment):
    """All scalers over one time axis."""
    figure, (offered, latency, replicas, queue, cores) = panels(experiment, 5, (0.7, 1.6, 1.2, 1, 1))
    draw_offered(offered, experiment)
    log_seconds(latency, experiment)
    for number, run in enumerate(experiment.runs):
        tint, width, front = (colour(run.scaler, experiment), *((2.0, 3) if run.scaler == "ours" else (1.5, 2)))
        latency.plot(*by_second(run, 0.99), color=tint, linewidth=0.7 * width, label=label(run.scaler), zorder=front)
        latency.plot(*by_second(run, 0.5), color=tint, linewidth=0.9, linestyle=(0, (1, 1.2)), zorder=front)
        if run.series is None:
            continue
        apart = APART * (number - (len(experiment.runs) - 1) / 2)
        for name, axis in (("ready", replicas), ("allocated_cores", cores)):
            time, values = known(run.series, "time_s", name)
            axis.step(time, values + (apart if axis is replicas else 0), where="post", color=tint, linewidth=width)
        time, values = known(run.series, "time_s", "desired")
        replicas.step(time, values + apart, where="post", color=tint, linewidth=1, linestyle=(0, (2, 1.5)))
        queue.step(*known(run.series, "time_s", "queue"), where="post", color=tint, linewidth=width)
    latency.set_ylabel("latency, seconds\np99 —  p50 ···")
    replicas.set_ylabel("workers\nready —  wanted ···")
    queue.set_ylabel("waiting\nrequests")
    cores.set_ylabel("allocated\ncores")
    queue.set_yscale("symlog", linthresh=10)
    queue.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    for axis in (queue, replicas, cores):
        axis.set_ylim(bottom=0)
    whole_numbers(replicas)
    figure.align_ylabels()
    handles, labels = latency.get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=len(labels), frameon=False,
                  bbox_to_anchor=(0.5, 0.89))
    return svg_of(figure, "overview")


def name_panel(axis, run, experiment):
    axis.text(0.008, 0.93, label(run.scaler), transform=axis.transAxes, va="top", weight="bold",
              color=colour(run.scaler, experiment))


def requests(experiment):
    """Every request as a dot, a panel for each scaler, all with the same axes."""
    figure, axes = panels(experiment, len(experiment.runs))
    latencies = np.concatenate([run.latency_s[run.timed] for run in experiment.runs])
    positive = latencies[latencies > 0]
    for axis, run in zip(axes, experiment.runs):
        tint = colour(run.scaler, experiment)
        fine = run.timed & ~run.failed
        # As a picture within the drawing: tens of thousands of shapes would be slow to show.
        axis.scatter(run.intended_s[fine], run.latency_s[fine], s=5, color=tint, alpha=0.45, linewidths=0, rasterized=True)
        if run.failed.any():
            axis.scatter(run.intended_s[run.failed], run.latency_s[run.failed], s=16, color=TARGET, marker="x", linewidths=0.8,
                         label="failed", rasterized=True)
            axis.legend(loc="upper right", frameon=False)
        log_seconds(axis, experiment)
        axis.plot(*by_second(run, 0.99), color=INK, linewidth=0.6)
        name_panel(axis, run, experiment)
        axis.set_ylabel("seconds")
        if len(positive):
            axis.set_ylim(positive.min() / 1.4, max(positive.max(), experiment.about["latency_target_s"]) * 2.2)
    return svg_of(figure, "requests")


def cores(experiment):
    """Cores allocated and used, a panel for each scaler; None without any series."""
    runs = [run for run in experiment.runs if run.series is not None]
    if not runs:
        return None
    figure, axes = panels(experiment, len(runs))
    highest = max((np.nanmax(run.series["allocated_cores"], initial=0) for run in runs), default=0)
    for axis, run in zip(axes, runs):
        tint = colour(run.scaler, experiment)
        time, allocated = known(run.series, "time_s", "allocated_cores")
        axis.step(time, allocated, where="post", color=tint, linewidth=1.6, label="allocated")
        time, used = known(run.series, "time_s", "used_cores")
        axis.fill_between(time, used, step="post", color=tint, alpha=0.45, linewidth=0, label="used")
        name_panel(axis, run, experiment)
        axis.set_ylabel("cores")
        axis.set_ylim(0, 1.3 * highest or 1)
        axis.legend(loc="upper right", ncol=2, frameon=False)
    return svg_of(figure, "cores")


def simulated(experiment):
    """The simulator against the real run; None where nothing was simulated."""
    runs = [run for run in experiment.runs if run.series is not None and run.simulated is not None]
    if not runs:
        return None
    figure, axes = panels(experiment, len(runs))
    for axis, run in zip(axes, runs):
        tint = colour(run.scaler, experiment)
        for series, paint, who, apart in ((run.series, tint, "real", APART), (run.simulated, INK, "simulated", -APART)):
            time, ready = known(series, "time_s", "ready")
            axis.step(time, ready + apart, where="post", color=paint, linewidth=1.7, label=f"{who}: ready")
            time, desired = known(series, "time_s", "desired")
            axis.step(time, desired + apart, where="post", color=paint, linewidth=1, linestyle=(0, (2, 1.5)), label="wanted")
        axis.set_ylabel("workers")
        axis.set_ylim(0, experiment.about["max_replicas"] + 1.6)
        whole_numbers(axis)
        name_panel(axis, run, experiment)
        axis.legend(loc="upper right", ncol=4, frameon=False)
    return svg_of(figure, "simulated")

