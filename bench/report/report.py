"""Writes report.md, a self-contained report.html and plots/*.svg into the folder of a comparison:

    ./bench/run report DIR

Prints the table; the last line is JSON: {"runs": [{"scaler", "p50_s", "p99_s", "late_ratio", "core_seconds", …}, …]}, and
beside the runs "simulated_peers" where the simulator played more than was run.
What is missing in the folder is said and left out; exit code 1 when no run can be read."""
import dataclasses
import json
import pathlib
import sys

from bench.report import experiment as experiments
from bench.report import pages
from bench.report import plots as drawing
from bench.report.figures import figures_of, gaps
from bench.waiting import Failed

FIRST = ("scaler", "p50_s", "p99_s", "late_ratio", "core_seconds", "used_core_seconds", "failed", "requests")
ON_WHITE = '<rect width="100%" height="100%" fill="#ffffff"/>'


def plots_of(experiment):
    drawn = {name: getattr(drawing, name)(experiment) for name in pages.CAPTIONS}
    return {name: svg for name, svg in drawn.items() if svg is not None}


def standalone(svg):
    """With a ground of its own, as a file may be shown on any."""
    head = svg.index(">") + 1
    return '<?xml version="1.0" encoding="utf-8"?>\n' + svg[:head] + ON_WHITE + svg[head:]


def json_line(figures, about):
    runs = []
    for each in figures:
        known = {name: round(value, 6) if isinstance(value, float) else value for name, value in dataclasses.asdict(each).items()}
        runs.append({name: known.pop(name) for name in FIRST} | known)
    peers = [row for row in about.get("simulated") or [] if row["scaler"] not in about["scalers"]]
    return json.dumps({"runs": runs, **({"simulated_peers": peers} if peers else {})}, allow_nan=False)


def write(folder):
    """Returns what to print."""
    experiment = experiments.read(folder)
    experiment.problems += gaps(experiment)
    figures = [figures_of(run, experiment) for run in experiment.runs]
    plots = plots_of(experiment)
    (experiment.folder / "plots").mkdir(exist_ok=True)
    for name, svg in plots.items():
        (experiment.folder / "plots" / f"{name}.svg").write_text(standalone(svg))
    (experiment.folder / "report.md").write_text(pages.markdown(experiment, figures, plots))
    (experiment.folder / "report.html").write_text(pages.page(experiment, figures, plots))
    for problem in experiment.problems:
        print(f"note: {problem}", file=sys.stderr)
    simulated = pages.simulated_table(experiment)
    return "\n".join([pages.text_table(*pages.plain_columns(figures)), "", *([pages.text_table(*simulated), ""] if simulated else []),
                      *pages.plain_list(pages.findings(experiment, figures)), "", f"report: {experiment.folder / 'report.html'}",
                      json_line(figures, experiment.about)])


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__, file=sys.stderr if len(sys.argv) != 2 else sys.stdout)
        return 2 if len(sys.argv) != 2 else 0
    try:
        print(write(pathlib.Path(sys.argv[1])))
    except Failed as unusable:
        print(f"error: {unusable}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
