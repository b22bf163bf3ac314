"""The long form of the chaos tests: every fault for --seconds, a table of what was kept and what was measured. Writes
OUT/chaos.md, a page that can be checked in as docs/chaos.md, and OUT/chaos.json with all figures. ./tests/run chaos builds
first and then runs this; the short form is tests/process/test_chaos.py.

What must hold is asserted, and a phase that breaks it fails. Figures that depend on the machine (goodput at ten times the
capacity, recovery, the p99 of honest clients beside slow ones) are put beside their goals and fail nothing: on a machine that
does other work they say little."""
import argparse
import contextlib
import json
import os
import pathlib
import random
import sys
import tempfile
import time
import traceback
import xml.etree.ElementTree as ElementTree

from tests.chaos import phases, report
from tests.chaos.scene import Scene

# Of the phases whose figure is a ratio to a calm one. A worker has a core for itself, and so the dispatcher and the clients
# need one that is no worker's: else the figure tells what the clients of the test take from the workers.
RATIO_WORKERS = max(1, len(os.sched_getaffinity(0)) - 1)

# Figure, goal and how it is read: measured, never asserted.
GOALS = [("overload", "goodput_ratio", 0.95, "at least"), ("overload", "recovery_s", 2.0, "at most"),
         ("workers_die", "longest_recovery_s", 2.0, "at most"), ("dispatcher_restarts", "kill_recovery_s", 2.0, "at most"),
         ("slow_clients", "p99_ratio", 1.10, "at most"), ("hostile_pictures", "worker_memory_ratio", 2.0, "at most")]


class Run:
    def __init__(self, options, scratch):
        self.options, self.scratch, self.results = options, scratch, {}
        self.scenes = 0

    @contextlib.contextmanager
    def scene(self, home_disk=False, **settings):
        self.scenes += 1
        folder = self.scratch / f"scene{self.scenes}"
        (folder / "operator").mkdir(parents=True)
        with phases.small_disk(folder / "operator") if home_disk else contextlib.nullcontext():
            scene = Scene(folder, self.options.seed + self.scenes, **settings)
            try:
                yield scene
            finally:
                scene.close()

    def phase(self, function, *arguments, **named):
        name = function.__name__
        if self.options.only and name not in self.options.only:
            return
        print(f"==> {name}", flush=True)
        begin = time.monotonic()
        try:
            figures, fault = function(*arguments, **named), None
        except Exception as error:  # told, and the other phases run
            traceback.print_exc()
            figures, fault = {}, f"{type(error).__name__}: {error}"
        self.results[name] = {"seconds": round(time.monotonic() - begin, 1), "fault": fault, "figures": figures}
        print(f"    {'FAILED: ' + fault if fault else 'kept'}  {json.dumps(figures)}", flush=True)

    def all(self):
        seconds, slow = self.options.seconds, self.options.slow_clients
        with self.scene() as scene:
            capacity = scene.capacity_rps(8)
            rate = 0.4 * capacity
            print(f"capacity {capacity:.1f} pictures/s with two workers; load {rate:.1f}/s", flush=True)
            self.results["capacity"] = {"seconds": 8, "fault": None, "figures": {"capacity_rps": capacity}}
            self.phase(phases.calm, scene, rate, seconds)
            self.phase(phases.workers_die, scene, rate, seconds)
            self.phase(phases.dispatcher_restarts, scene, rate, seconds)
            self.phase(phases.hostile_pictures, scene, rate, seconds)
            self.phase(phases.memory_runs_out, scene, rate, seconds)
        with self.scene(workers=RATIO_WORKERS) as scene:
            spared = scene.capacity_rps(8)
            print(f"capacity {spared:.1f} pictures/s with {RATIO_WORKERS} workers", flush=True)
            self.phase(phases.overload, scene, spared, seconds)
            self.phase(phases.slow_clients, scene, 0.4 * spared, seconds, slow)
        if os.geteuid() == 0:
            with self.scene(home_disk=True) as scene:
                self.phase(phases.disk_fills, scene, rate, seconds)
        else:
            print("not run: disk_fills (mounting a small disk takes root)", flush=True)
        clock = self.scratch / "clock"
        with self.scene(environment=phases.clock_environment(clock)) as scene:
            self.phase(phases.clock_jumps, scene, clock, rate, seconds)


def goals(results):
    lines = []
    for phase, figure, goal, how in GOALS:
        value = results.get(phase, {}).get("figures", {}).get(figure)
        if value is not None:
            kept = value >= goal if how == "at least" else value <= goal
            lines.append({"phase": phase, "figure": figure, "value": round(value, 3), "goal": f"{how} {goal}", "met": kept})
    return lines


def print_table(results):
    print(f"\n{'phase':22} {'requests':>9} {'right':>8} {'p99 ms':>8}  errors, each honest")
    for name, result in results.items():
        figures = result["figures"]
        if "requests" in figures:
            p99 = figures.get("p99_ms")
            faults = ", ".join(f"{count} {fault}" for fault, count in sorted(figures["faults"].items())) or "none"
            print(f"{name:22} {figures['requests']:9} {figures['ok']:8} {p99 if p99 is not None else 0:8.0f}  {faults}")
        if result["fault"]:
            print(f"{name:22} FAILED: {result['fault'][:300]}")
    print(f"\n{'figure':44} {'value':>9}  goal")
    for line in goals(results):
        print(f"{line['phase'] + ': ' + line['figure']:44} {line['value']:9}  {line['goal']}{'' if line['met'] else '  (missed)'}")


def write_junit(results, path):
    suite = ElementTree.Element("testsuite", name="chaos")
    for name, result in results.items():
        case = ElementTree.SubElement(suite, "testcase", classname="chaos", name=name, time=str(result["seconds"]))
        if result["fault"]:
            ElementTree.SubElement(case, "failure", message=result["fault"])
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=120, help="of each fault")
    parser.add_argument("--only", choices=sorted(report.PHASES), action="append", help="this phase and no other; may be given again")
    parser.add_argument("--slow-clients", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--junit", type=pathlib.Path)
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.seconds} s for each fault, {len(os.sched_getaffinity(0))} cores", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos.") as scratch:
        run = Run(options, pathlib.Path(scratch))
        run.all()
    print_table(run.results)
    command = f"./tests/run chaos --seconds {options.seconds}"
    if options.only:
        command = f"python3 -m tests.chaos.chaos --seconds {options.seconds} --only {' --only '.join(options.only)} --out build/chaos"
    opening = report.provenance((time.monotonic() - begin) / 60, options.seed, command)
    page = report.chaos_page(run.results, goals(run.results), opening, options.seconds, options.slow_clients)
    (options.out / "chaos.md").write_text(page)
    (options.out / "chaos.json").write_text(json.dumps({"seed": options.seed, "seconds": options.seconds, "phases": run.results,
                                                      "goals": goals(run.results)}, indent=1) + "\n")
    if options.junit:
        write_junit(run.results, options.junit)
    return 1 if any(result["fault"] for result in run.results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
