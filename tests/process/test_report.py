"""The report of a comparison, on a small result whose numbers are known by hand."""
import csv
import html.parser
import json
import re
import shutil
import subprocess
import sys

import pytest

from bench.report import experiment, figures, pages, svg
from tests.process.programs import ROOT

REQUESTS = "request,file,intended_s,sent_s,ended_s,latency_ms,status,fault,label,right".split(",")
SERIES = "time_s,desired,replicas,ready,queue,in_flight,allocated_cores,used_cores".split(",")
EVENTS = "time_s,from,to,reason,message".split(",")
SECONDS, IDLE, RATE = 20, 10, 10


def write(path, head, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as table:
        csv.writer(table).writerows([head, *rows])


def requests(slow=0, slow_ms=0.0, faults=()):
    """Two hundred requests of 100 ms; the last `slow` ones take slow_ms; `faults` belong to the very last ones."""
    rows = []
    for i in range(SECONDS * RATE):
        at = i / RATE
        latency_ms = slow_ms if i >= SECONDS * RATE - slow else 100.0
        left = SECONDS * RATE - i
        fault = faults[left - 1] if left <= len(faults) else ""
        rows.append((i, "a.jpg", at, at, at + latency_ms / 1000, latency_ms, 0 if fault == "timeout" else 429 if fault else 200, fault, "", ""))
    return rows


def series(desired, used=0.5):
    """desired: at each second; whatever is wanted is there two seconds later; one core for each."""
    return [(second, desired(second), desired(second), desired(second - 2), 0, 1, desired(second), used)
            for second in range(-2, SECONDS + IDLE + 1)]


@pytest.fixture
def result(tmp_path):
    folder = tmp_path / "result"
    about = {
        "kind": "cluster", "title": "A & B <compared>", "started": "2026-11-24T05:00:00Z",
        "machine": {"cores": 2, "cpu": "A CPU", "memory_gib": 15.5}, "kubernetes": "1.35.4",
        "trace": {"name": "course", "scale": 0.5, "seconds": [RATE] * SECONDS}, "latency_target_s": 0.5, "min_replicas": 1,
        "max_replicas": 6, "worker_cpu_cores": 1, "idle_s": IDLE, "seed": 7, "notes": ["Both cores were busy <too>."],
        "scalers": ["ours", "hpa70", "hpa90"], "manifests": {"ours": ["manifests/ours.yaml"], "hpa70": ["manifests/hpa.yaml"]},
    }
    folder.mkdir()
    (folder / "experiment.json").write_text(json.dumps(about))
    (folder / "manifests").mkdir()
    (folder / "manifests/ours.yaml").write_text("kind: InferenceService # 70 % & <more>\n")
    (folder / "manifests/hpa.yaml").write_text("kind: HorizontalPodAutoscaler\n")
    # Ours: two workers from second 5 to 15: 20 + 10 core-seconds, and one for each idle second.
    write(folder / "ours/requests.csv", REQUESTS, requests(slow=1, slow_ms=600.0))
    write(folder / "ours/series.csv", SERIES, series(lambda second: 2 if 5 <= second < 15 else 1))
    write(folder / "ours/events.csv", EVENTS, [(5.2, 1, 2, "LoadRose", "rate 10 | needs 2"), (15.1, 2, 1, "LoadFell", "needs 1"),
                                               (25, 1, 1, "AtMinimum", "")])
    # HPA 70 %: two all the time, and in the idle time; ten requests of 5 s, of which the last three failed.
    write(folder / "hpa70/requests.csv", REQUESTS, requests(slow=10, slow_ms=5000.0, faults=("timeout", "http_429", "http_429")))
    write(folder / "hpa70/series.csv", SERIES, series(lambda second: 2, used=0.25))
    write(folder / "hpa70/events.csv", EVENTS, [])
    # HPA 90 %: exactly like ours, but for a faster slowest request.
    write(folder / "hpa90/requests.csv", REQUESTS, requests())
    write(folder / "hpa90/series.csv", SERIES, series(lambda second: 1))
    write(folder / "hpa90/events.csv", EVENTS, [])
    return folder


def report(folder):
    return subprocess.run([sys.executable, "-m", "bench.report.report", str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=60)


def runs_of(done):
    return {run["scaler"]: run for run in json.loads(done.stdout.splitlines()[-1])["runs"]}


class Page(html.parser.HTMLParser):
    """Every link, and whether each opened element is closed."""

    def __init__(self, text):
        super().__init__()
        self.links, self.open, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("href", "src", "xlink:href")]
        if tag not in ("meta", "br", "img", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("href", "src", "xlink:href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_numbers_are_those_counted_by_hand(result):
    done = report(result)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert list(json.loads(done.stdout.splitlines()[-1])) == ["runs"]
    runs = runs_of(done)
    assert list(runs) == ["ours", "hpa70", "hpa90"]
    ours, hpa70, hpa90 = runs.values()
    assert list(ours)[:8] == ["scaler", "p50_s", "p99_s", "late_ratio", "core_seconds", "used_core_seconds", "failed", "requests"]
    # The 198th of 200 is 100 ms; one of 200 is late.
    assert (ours["p50_s"], ours["p99_s"], ours["max_s"], ours["late_ratio"]) == (0.1, 0.1, 0.6, 0.005)
    assert (ours["core_seconds"], ours["core_seconds_with_idle"]) == (30, 40)
    assert (ours["used_core_seconds"], ours["used_core_seconds_with_idle"]) == (10, 15)
    assert (ours["failed"], ours["requests"], ours["scale_events"], ours["start_s"]) == (0, 200, 2, 2)
    # 198 of its 200 latencies count (a timeout's does, a 429's does not); the failed ones are late.
    assert (hpa70["p99_s"], hpa70["late_ratio"], hpa70["failed"]) == (5, 0.05, 3)
    assert (hpa70["core_seconds"], hpa70["core_seconds_with_idle"], hpa70["scale_events"], hpa70["start_s"]) == (40, 60, 0, None)
    assert (hpa90["late_ratio"], hpa90["core_seconds"]) == (0, 20)


def test_the_words_are_true_whichever_way_the_numbers_are(result):
    said = report(result).stdout
    assert "Kept by ours and HPA 90 %: 99 % of the requests within 0.5 s. Missed by HPA 70 %: 99 %" in said
    assert "HPA 70 %'s p99 is 50.0 times ours (5.00 s against 0.100 s)" in said
    assert "late or failed: 0.500 % with ours, 5.00 % with HPA 70 %" in said
    assert "ours was allocated 25.0 % fewer core-seconds (×0.750)" in said
    assert "ours used 100 % more core-seconds (×2.00)" in said
    assert "with the idle time after the trace ours was allocated 33.3 % fewer core-seconds (×0.667)" in said
    assert "the same p99 within 1 % (0.100 s and 0.100 s)" in said
    assert "ours was allocated 50.0 % more core-seconds (×1.50)" in said
    assert "ours used as many core-seconds within 1 %" in said
    assert figures.times_as_long(3.0, 1.5, "X") == "our p99 is 2.00 times that of X (3.00 s against 1.50 s)"


def test_the_page_stands_alone_and_holds_all_that_belongs_to_the_result(result):
    assert report(result).returncode == 0
    text = (result / "report.html").read_text()
    page = Page(text)
    assert page.open == []
    assert [link for link in page.links if not link.startswith(("#", "data:image/png;base64,"))] == []
    assert "<script" not in text and "@import" not in text and "url(http" not in text
    assert text.count("<svg ") == 3  # overview, requests, cores
    for part in ("A & B <compared>", "Both cores were busy <too>.", "kind: InferenceService # 70 % & <more>", "rate 10 | needs 2",
                 "HorizontalPodAutoscaler", "1.35.4", "2 cores", "20 s, 200 requests, at most 10 in a second"):
        assert part in page.text.replace("\u00a0", " "), part
    # Not a colour is left that would not follow the reader's.
    assert not re.search(r"(?:stroke|fill): #(?!ffffff)", text)


def test_of_two_equal_sentences_each_has_its_own_list(result, monkeypatch):
    monkeypatch.setattr(pages, "findings", lambda *_: ["Alone.", "The same:", ["first"], "The same:", ["second", "third"]])
    text = pages.page(experiment.read(result), [], {})
    assert ("<ul><li>Alone.</li><li>The same:<ul><li>first</li></ul></li>"
            "<li>The same:<ul><li>second</li><li>third</li></ul></li></ul>") in text


def test_the_markdown_shows_the_plots_and_the_manifests(result):
    assert report(result).returncode == 0
    text = (result / "report.md").read_text()
    for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", text):
        assert (result / name).read_text().startswith("<?xml")
    assert "| ours | 0.100 | 0.100 | 0.600 | 0.500 % | 0 | 200 | 30.00 | 40.00 | 10.00 | 15.00 | 2 | 2.0 |" in text
    assert "```yaml\nkind: InferenceService # 70 % & <more>\n```" in text
    assert "| 5 | 1 → 2 | LoadRose | rate 10 \\| needs 2 |" in text


def test_the_same_result_gives_the_same_report(result):
    names = ("report.md", "report.html", "plots/overview.svg", "plots/requests.svg", "plots/cores.svg")
    report(result)
    before = [(result / name).read_bytes() for name in names]
    report(result)
    assert [(result / name).read_bytes() for name in names] == before


def test_a_simulated_run_is_drawn_beside_the_real_one(result):
    # The wanted number comes two seconds later in ten of twenty seconds' changes: 2 + 2 seconds differ.
    simulated = [(second, 2 if 7 <= second < 17 else 1, 2 if 9 <= second < 19 else 1, 0) for second in range(SECONDS)]
    write(result / "sim/ours.csv", ("time_s", "desired", "ready", "queue"), simulated)
    assert report(result).returncode == 0
    assert (result / "plots/simulated.svg").exists()
    text = (result / "report.md").read_text()
    assert "ours: the simulator wanted the same number of workers in 80.0 % of the seconds of the trace (on average 0.20 apart)" in text


def test_simulated_rows_stand_apart_and_those_not_run_are_named_in_the_last_line(result):
    about = json.loads((result / "experiment.json").read_text())
    row = {"p50_s": 0.1, "p99_s": 0.75, "late_ratio": 0.02, "core_seconds": 31.5, "core_seconds_with_idle": 40, "scale_events": 3.0}
    about["simulated"] = [{"scaler": "ours", **row}, {"scaler": "kpa", **row, "p99_s": 1.5}]
    (result / "experiment.json").write_text(json.dumps(about))
    done = report(result)
    assert list(runs_of(done)) == ["ours", "hpa70", "hpa90"]
    assert json.loads(done.stdout.splitlines()[-1])["simulated_peers"] == [about["simulated"][1]]
    assert "| Knative KPA | 0.100 | 1.50 | 2.00 % | 31.50 | 3 |" in (result / "report.md").read_text()
    page = Page((result / "report.html").read_text())
    assert page.open == [] and "Not measured" in page.text


def test_what_is_missing_is_said_and_the_rest_reported(result):
    shutil.rmtree(result / "hpa90")
    (result / "hpa70/series.csv").unlink()
    write(result / "ours/requests.csv", REQUESTS, requests()[:-5])
    done = report(result)
    assert done.returncode == 0
    assert "note: hpa90/requests.csv is missing. This run is left out." in done.stderr
    assert "note: hpa70/series.csv is missing." in done.stderr
    assert "note: ours: the trace holds 200 requests, 195 were sent." in done.stderr
    runs = runs_of(done)
    assert list(runs) == ["ours", "hpa70"]
    assert runs["hpa70"]["core_seconds"] is None and runs["hpa70"]["p99_s"] == 5
    assert "was allocated cannot be compared" not in done.stdout and "allocated core-seconds cannot be compared" in done.stdout
    assert "hpa90/requests.csv is missing" in Page((result / "report.html").read_text()).text


def test_empty_cells_are_held_over_and_a_long_silence_is_told(result):
    rows = series(lambda second: 2 if 5 <= second < 15 else 1)
    holes = [(*row[:6], "", row[7]) if row[0] in (3, 10) else row for row in rows]
    write(result / "ours/series.csv", SERIES, holes)
    done = report(result)
    assert done.stderr == "" and runs_of(done)["ours"]["core_seconds"] == 30
    write(result / "ours/series.csv", SERIES, [(*row[:6], "" if 6 <= row[0] < 12 else row[6], row[7]) for row in rows])
    done = report(result)
    assert "ours/series.csv: allocated_cores is unknown for 7 s at a stretch during the trace." in done.stderr
    write(result / "ours/series.csv", SERIES, [(*row[:6], "", "") for row in rows])
    assert runs_of(report(result))["ours"]["core_seconds"] is None


@pytest.mark.parametrize("break_it, says", [
    (lambda folder: (folder / "experiment.json").unlink(), "is missing: this is not the folder of a comparison"),
    (lambda folder: (folder / "experiment.json").write_text("{"), "cannot be read"),
    (lambda folder: (folder / "experiment.json").write_text('{"title": "x"}'), "lacks trace, latency_target_s"),
    (lambda folder: [shutil.rmtree(folder / name) for name in ("ours", "hpa70", "hpa90")], "holds no run that can be read"),
])
def test_a_folder_without_a_result_is_refused_in_one_sentence(result, break_it, says):
    break_it(result)
    done = report(result)
    assert done.returncode == 1
    assert says in done.stderr and "Traceback" not in done.stderr


def test_broken_tables_are_named(result):
    (result / "hpa70/requests.csv").write_text("a,b\n1,2\n")
    (result / "hpa90/requests.csv").write_text(",".join(REQUESTS) + "\n1,a.jpg,,,,,,,,\n")
    (result / "ours/series.csv").write_bytes(b"\xff\xfe\x00")
    done = report(result)
    assert done.returncode == 0
    assert "hpa70/requests.csv has no column intended_s, latency_ms, fault" in done.stderr
    assert "hpa90/requests.csv holds a line without intended_s or latency_ms" in done.stderr
    assert "ours/series.csv cannot be read" in done.stderr


def test_a_path_of_lines_is_written_in_short_steps_and_stays_where_it_is():
    for why, data, short in (
            ("steps along one axis need one number", "M 0 592.53 \nL 629.72 592.53 \nL 629.72 0 \nz\n", "M0 592.5h629.7v-592.5z"),
            ("rounding does not add up", "M 0 0 L 0.04 1 L 0.08 2 L 0.12 3", "M0 0v1l0.1 1v1"),
            ("a step that is not seen is left out", "M 1 1 L 1.01 1.02 L 2 1", "M1 1h1"),
            ("a second part begins at its own place", "M 1 1 L 2 2 M 5 5 L 5 6", "M1 1l1 1M5 5v1"),
            ("curves stay as they are", "M 0 0 C 1 1 2 2 3 3", "M 0 0 C 1 1 2 2 3 3")):
        assert svg.compact_path(data) == short, why
        assert svg.compact(f'<g id="a"><path d="{svg.compact_path(data)}"/></g>') == f'<g id="a"><path d="{short}"/></g>', why
