"""The report as Markdown and as one self-contained HTML page."""
import pathlib
import re

import jinja2
import markupsafe

from bench.report.figures import against_target, comparisons, label, likeness, percent, significant

COLUMNS = (
    ("", lambda f: label(f.scaler)),
    ("p50, s", lambda f: significant(f.p50_s)),
    ("p99, s", lambda f: significant(f.p99_s)),
    ("max, s", lambda f: significant(f.max_s)),
    ("late or failed", lambda f: percent(f.late_ratio)),
    ("failed", lambda f: str(f.failed)),
    ("requests", lambda f: str(f.requests)),
    ("core-s allocated", lambda f: significant(f.core_seconds, 4)),
    ("with idle time", lambda f: significant(f.core_seconds_with_idle, 4)),
    ("core-s used", lambda f: significant(f.used_core_seconds, 4)),
    ("with idle time", lambda f: significant(f.used_core_seconds_with_idle, 4)),
    ("scale events", lambda f: "–" if f.scale_events is None else str(f.scale_events)),
    ("start, s", lambda f: significant(f.start_s, 2)),
)
SIMULATED_COLUMNS = (
    ("simulated", lambda row: label(row["scaler"])),
    ("p50, s", lambda row: significant(row["p50_s"])),
    ("p99, s", lambda row: significant(row["p99_s"])),
    ("late", lambda row: percent(row["late_ratio"])),
    ("core-s allocated", lambda row: significant(row["core_seconds"], 4)),
    ("scale events", lambda row: f"{row['scale_events']:g}"),
)
SIMULATED_READING = (
    "Not measured: the simulator's figures for the same trace, with the service and start times that were measured, and for "
    "everyone with the dispatcher's own queue, as in the runs. Whoever is not in the table of runs was not run. These rows are to "
    "be compared with each other, not with the measured ones: the simulator's workers do not disturb each other, and every start "
    "takes as long as the median one.")
READING = (
    "Latency counts from the instant a request was meant to be sent. Percentiles are those of the answers, and of timeouts "
    "with the time they took; late is whatever took longer than the target, and every failed request. Core-seconds "
    "allocated: the CPU of all workers that exist, starting and leaving ones too; used: what these consumed. Start: the "
    "median time from wanting more workers to having them ready, to a second. One run each: small differences mean nothing.")
CAPTIONS = {
    "overview": "Offered load, latency of each second's requests, workers, queue and allocated cores. Lines of the same "
                "number of workers are drawn a little apart.",
    "requests": "Every request at the instant it was meant to be sent; the line is the p99 of each second.",
    "cores": "Cores that the workers were allocated (line) and used (area).",
    "simulated": "The simulator against the real run: workers ready and wanted.",
}


def plain_columns(figures):
    """Without the columns that nobody has a value for."""
    rows = [[show(each) for _, show in COLUMNS] for each in figures]
    kept = [i for i in range(len(COLUMNS)) if any(row[i] != "–" for row in rows)]
    return [COLUMNS[i][0] for i in kept], [[row[i] for i in kept] for row in rows]


def simulated_table(experiment):
    """(head, rows) of what the simulator plays; None where it played nothing."""
    simulated = experiment.about.get("simulated")
    if not simulated:
        return None
    return [head for head, _ in SIMULATED_COLUMNS], [[show(row) for _, show in SIMULATED_COLUMNS] for row in simulated]


def text_table(head, rows):
    widths = [max(map(len, column)) for column in zip(head, *rows)]
    return "\n".join("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in (head, *rows))


def markdown_cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def markdown_table(head, rows):
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(map(markdown_cell, line)) + " |" for line in lines)


def escape(text):
    """A unit stays with its number or name."""
    return markupsafe.Markup(str(markupsafe.escape(text)).replace(" %", "&nbsp;%").replace("core-s", "core\u2011s"))


def conditions(experiment):
    """Pairs of a name and a value; what is not recorded is left out."""
    about, machine, trace = experiment.about, experiment.about.get("machine") or {}, experiment.about["trace"]
    seconds = trace["seconds"]
    said = [
        ("Setting", {"cluster": "Kubernetes cluster", "local": "processes on one machine, HPA re-implemented"}.get(
            about.get("kind"), about.get("kind"))),
        ("Started", about.get("started")),
        ("Machine", ", ".join(filter(None, (
            machine.get("cpu"), f"{machine['cores']} cores" if machine.get("cores") else None,
            f"{machine['memory_gib']:.3g} GiB" if machine.get("memory_gib") else None)))),
        ("Kubernetes", about.get("kubernetes")),
        ("Trace", f"{trace.get('name', 'unnamed')}" + (f", scaled by {trace['scale']:.3g}" if trace.get("scale") else "")
         + f": {len(seconds)} s, {sum(seconds)} requests, at most {max(seconds)} in a second"),
        ("Workers", f"{about['min_replicas']} to {about['max_replicas']}"
         + (f", {about['worker_cpu_cores']:.3g} CPU cores each" if about.get("worker_cpu_cores") else "")),
        ("Latency target", f"{about['latency_target_s']:g} s"),
        ("Idle time after the trace", f"{experiment.idle_s:g} s" if experiment.idle_s else None),
        ("Seed", about.get("seed")),
    ]
    return [(name, str(value)) for name, value in said if value not in (None, "")]


def manifests(experiment):
    """(scaler, file, its text or what is wrong with it), each file once."""
    found, seen = [], set()
    for scaler, names in (experiment.about.get("manifests") or {}).items():
        for name in names:
            path = (experiment.folder / name).resolve()
            if name in seen or not path.is_relative_to(experiment.folder.resolve()):
                continue
            seen.add(name)
            try:
                found.append((scaler, name, path.read_text()))
            except (OSError, UnicodeDecodeError) as error:
                found.append((scaler, name, f"# cannot be read: {error}"))
    return found


def event_rows(run):
    return [(f"{event['time_s']:.0f}", f"{event['from']} → {event['to']}", event["reason"], event["message"])
            for event in run.events]


EVENT_HEAD = ("second", "workers", "reason", "why")


def likenesses(experiment):
    sentences = []
    for run in experiment.runs:
        said = likeness(run, experiment.length_s)
        if said:
            sentences.append(
                f"{label(run.scaler)}: the simulator wanted the same number of workers in {percent(said['desired'][0])} of the "
                f"seconds of the trace (on average {significant(said['desired'][1], 2)} apart), and had as many ready in "
                f"{percent(said['ready'][0])} ({significant(said['ready'][1], 2)} apart).")
    return sentences


def findings(experiment, figures):
    """Sentences; one that ends in a colon is followed by the list that belongs to it."""
    found = [against_target(figures, experiment.about["latency_target_s"])]
    for head, parts in comparisons(figures):
        found += [f"{head}:", parts]
    return found


def plain_list(sentences, sign="-"):
    lines = []
    for each in sentences:
        lines += [f"  {sign} {part}" for part in each] if isinstance(each, list) else [f"{sign} {each}"]
    return lines


def markdown(experiment, figures, plots):
    head, rows = plain_columns(figures)
    parts = [f"# {experiment.about['title']}", *plain_list(findings(experiment, figures)), "",
             markdown_table(head, rows), "", READING]
    if table := simulated_table(experiment):
        parts += ["", "## In the simulator", markdown_table(*table), "", SIMULATED_READING]
    if experiment.problems:
        parts += ["", "## Missing", *(f"- {each}" for each in experiment.problems)]
    parts += ["", "## Conditions", markdown_table(("", ""), conditions(experiment)).replace("--:", "---")]
    if experiment.about.get("notes"):
        parts += ["", *(f"- {each}" for each in experiment.about["notes"])]
    for name in plots:
        parts += ["", f"![{CAPTIONS[name]}](plots/{name}.svg)", "", CAPTIONS[name]]
        if name == "simulated":
            parts += ["", *(f"- {each}" for each in likenesses(experiment))]
    parts += ["", "## Scale events"]
    for run in experiment.runs:
        if run.events is not None:
            parts += ["", f"<details><summary>{label(run.scaler)}: {len(run.events)}, idle time included</summary>", "",
                      markdown_table(EVENT_HEAD, event_rows(run)).replace("--:", "---"), "", "</details>"]
    parts += ["", "## Manifests"]
    for scaler, name, text in manifests(experiment):
        parts += ["", f"`{name}` ({label(scaler)})", "", "```yaml", text.rstrip(), "```"]
    return tidy("\n".join(parts))


def tidy(text):
    """A list stands off the paragraph or heading before it."""
    return re.sub(r"\n(#+ [^\n]*)\n(?!\n)", r"\n\1\n\n", re.sub(r"\A(# [^\n]*)\n", r"\1\n\n", text)) + "\n"


# The plots' colours on a light page, and what becomes of them on a dark one: as far from its ground as on the light.
SCHEME = {
    "#1f2430": ("ink", "#e6e8ec"), "#5b6270": ("muted", "#9aa3b2"), "#e3e6eb": ("grid", "#2b303a"),
    "#f3f4f6": ("shade", "#1d2129"), "#8a93a3": ("offered", "#8a93a3"), "#c0392b": ("target", "#ff6b5e"),
    "#0072b2": ("ours", "#4aa8e0"), "#d55e00": ("hpa70", "#f07a2a"), "#e69f00": ("hpa90", "#f2b632"),
}
STYLE = """
:root { color-scheme: light dark; --ground: #ffffff; LIGHT }
@media (prefers-color-scheme: dark) { :root { --ground: #14171c; DARK } }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0.5rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 0.75rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem; }
th, td { padding: 0.35rem 0.6rem; border-bottom: 1px solid var(--grid); text-align: right; vertical-align: top; }
th { color: var(--muted); font-weight: 600; }
th:first-child, td:first-child, .text th, .text td { text-align: left; }
tbody td:first-child { font-weight: 600; white-space: nowrap; }
.text td:nth-child(2) { white-space: nowrap; }
.facts td { text-align: left; white-space: normal; }
.note, figcaption, .facts td:first-child { color: var(--muted); font-weight: 400; }
.note, figcaption { font-size: 0.9rem; }
.problems { border-left: 4px solid var(--target); padding: 0.1rem 1rem; background: var(--shade); }
figure { margin: 1.75rem 0; }
figure .plot { overflow-x: auto; }
figure svg { display: block; width: 100%; min-width: 40rem; height: auto; }
details { margin: 0.6rem 0; }
summary { cursor: pointer; }
pre { overflow-x: auto; background: var(--shade); padding: 0.9rem 1rem; border-radius: 6px; font-size: 0.85rem;
  line-height: 1.45; }
@media print { details { display: block; } }
"""


def page_style():
    light = " ".join(f"--{name}: {colour};" for colour, (name, _) in SCHEME.items())
    dark = " ".join(f"--{name}: {colour};" for name, colour in SCHEME.values())
    return STYLE.replace("LIGHT", light).replace("DARK", dark)


def inline(svg, caption):
    """The drawing as part of the page, in the page's colours."""
    for colour, (name, _) in SCHEME.items():
        svg = re.sub(re.escape(colour), f"var(--{name})", svg, flags=re.IGNORECASE)
    svg = re.sub(r'<svg ([^>]*?)\bheight="[^"]*"', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)\bwidth="[^"]*"', r"<svg \1", svg, count=1)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(caption)}" ', 1)


def page(experiment, figures, plots):
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent), autoescape=True,
                                     trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.filters["words"] = escape
    return environment.get_template("page.html.j2").render(
        about={"notes": [], **experiment.about}, style=page_style(), findings=findings(experiment, figures),
        figures=plain_columns(figures), reading=READING, simulated=simulated_table(experiment), simulated_reading=SIMULATED_READING,
        problems=experiment.problems, plots=[(name, CAPTIONS[name], inline(svg, CAPTIONS[name])) for name, svg in plots.items()],
        likenesses=likenesses(experiment), conditions=conditions(experiment), event_head=EVENT_HEAD,
        events=[(label(run.scaler), event_rows(run)) for run in experiment.runs if run.events is not None],
        manifests=[(label(scaler), name, text.rstrip()) for scaler, name, text in manifests(experiment)])
