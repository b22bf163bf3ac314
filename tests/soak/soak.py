"""Runs a service of two real workers for --minutes: load that changes, workers that are killed, manifests that are edited. Every
answer is checked as in the chaos tests, and memory, descriptors and threads of the processes that live on must stay flat.
Writes OUT/soak.md, a page that can be checked in as docs/soak.md, OUT/soak.csv, OUT/soak.json and the operator's folder with all
logs; fails when an answer was wrong or missing, or a process grew, or the worker that nobody kills ended."""
import argparse
import csv
import json
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

from bench.waiting import wait_until
from tests.chaos import report
from tests.chaos.scene import HONEST, Auditor, Scene
from tests.process.local import alive
from tests.soak import judge

SLICE_SECONDS = 12
# After a slice: connections that were kept have been closed by then (Client keeps them for seconds), and no scrape is late.
REST_SECONDS = 4


def sample(role, pid):
    process = pathlib.Path(f"/proc/{pid}")
    return {"role": role, "pid": pid,
            "rss_mib": int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20,
            "descriptors": len(list((process / "fd").iterdir())), "threads": len(list((process / "task").iterdir()))}


class Soak:
    def __init__(self, scene, minutes, dice):
        self.scene, self.seconds, self.dice = scene, 60 * minutes, dice
        self.samples, self.totals, self.faults = [], {"requests": 0, "ok": 0, "errors": {}, "kills": 0, "edits": 0, "replaced": 0, "audited": 0}, []
        # One worker is never killed, so that there is one to see the whole time through.
        self.spared = sorted(scene.workers().values())[0]

    def disturb(self, late):
        """One thing that happens to services; a dispatcher is replaced in the first half only, as one must be seen for long."""
        what = self.dice.choice(["nothing", "kill", "kill", "scaling", "scaling" if late else "dispatcher"])
        if what == "kill" and self.scene.kill_worker(spared={self.spared}):
            self.totals["kills"] += 1
        if what == "scaling":
            self.scene.edit("scaling", queueTarget=self.dice.randint(10, 90), cooldown=f"{self.dice.randint(5, 200)}s")
            self.totals["edits"] += 1
        if what == "dispatcher":
            old = self.scene.dispatcher()
            # requestTimeout would replace the workers too, and with them the one that is to be seen for long.
            self.scene.edit("dispatcher", queueCapacity=1001 + self.totals["replaced"])
            wait_until(lambda: self.scene.dispatcher() not in (old, None) and not alive(old), 60, "a new dispatcher")
            self.totals["edits"] += 1
            self.totals["replaced"] += 1

    def slice(self, capacity_rps, late):
        load = self.scene.load(self.dice.choice([0.1, 0.3, 0.6]) * capacity_rps, SLICE_SECONDS)
        time.sleep(self.dice.uniform(1, SLICE_SECONDS / 2))
        self.disturb(late)
        outcome = load.result().check(allowed=HONEST)
        self.totals["requests"] += len(outcome.rows)
        self.totals["ok"] += outcome.ok
        for fault, count in outcome.faults.items():
            self.totals["errors"][fault] = self.totals["errors"].get(fault, 0) + count
        self.scene.wait_whole()
        time.sleep(REST_SECONDS)

    def run(self, capacity_rps):
        begin = time.monotonic()
        auditor = Auditor(self.scene, pause_seconds=0.5)
        while (passed := time.monotonic() - begin) < self.seconds:
            self.slice(capacity_rps, late=passed > self.seconds / 2)
            now = round(time.monotonic() - begin, 1)
            self.spare_another_where_it_ended()
            for role, pid in (("operator", self.scene.operator.process.pid), ("dispatcher", self.scene.dispatcher()), ("worker", self.spared)):
                self.samples.append({"second": now, **sample(role, pid)})
            print(f"{now:7.0f} s  {self.totals['requests']} requests, {self.totals['errors'] or 'no errors'}, "
                  f"{self.totals['kills']} kills, {self.totals['edits']} edits", flush=True)
        audit = auditor.stop()
        self.totals["audited"] = audit["audited"]
        if audit["cuts"]:
            self.faults.append(f"{audit['cuts']} connections were cut")
        return time.monotonic() - begin

    def spare_another_where_it_ended(self):
        if alive(self.spared):
            return
        self.faults.append(f"worker {self.spared} ended, and nobody had killed it: the operator's log says why")
        self.spared = sorted(self.scene.workers().values())[0]

    def verdicts(self):
        """(role, pid) -> verdict, of all that were seen long enough."""
        found = {}
        for each in self.samples:
            found.setdefault((each["role"], each["pid"]), []).append(each)
        return {key: said for key, samples in found.items() if (said := judge.verdict(samples))}


def page(soak, minutes, capacity_rps, verdicts, seed):
    totals = soak.totals
    errors = ", ".join(f"{count} {fault}" for fault, count in sorted(totals["errors"].items())) or "none"
    lines = [
        "# Soak", "",
        report.provenance(minutes, seed, f"./tests/run soak --minutes {minutes:.0f}"), "",
        f"One operator (`--local`), one dispatcher, two real workers; 10, 30 or 60 % of the {capacity_rps:.0f} pictures a second that two "
        f"workers answered before, in slices of {SLICE_SECONDS} s with {REST_SECONDS} s of rest, when the processes were measured.", "",
        f"- {totals['requests']} requests, {totals['ok']} right answers, errors: {errors}; {totals['audited']} more asked under names of "
        f"their own on one kept connection at a time, each answered once",
        f"- {totals['kills']} workers killed (SIGKILL), {totals['edits']} edits of the manifest, {totals['replaced']} of which replaced the dispatcher", "",
        "| process | samples | memory, MiB | descriptors | threads | flat |", "|---|---|---|---|---|---|"]
    for (role, pid), said in verdicts.items():
        arrow = {name: f"{said[name][0]:.1f} → {said[name][1]:.1f}" if name == "rss_mib" else f"{said[name][0]:g} → {said[name][1]:g}"
                 for name in ("rss_mib", "descriptors", "threads")}
        lines.append(f"| {role} | {said['samples']} | {arrow['rss_mib']} | {arrow['descriptors']} | {arrow['threads']} | "
                     f"{'; '.join(said['faults']) or 'yes'} |")
    lines += ["", f"Medians of the first and the last third after a warm-up of {judge.WARM_UP_SHARE:.0%}. Allowed: memory "
              f"{judge.MEMORY_SHARE:.0%} or {judge.MEMORY_MIB} MiB more, {judge.DESCRIPTORS} descriptors more, no thread more. Processes that "
              f"were killed or replaced before {judge.LEAST_SAMPLES} such samples are left out.", ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--junit", type=pathlib.Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="soak.") as scratch:
        scene = Scene(scratch, options.seed)
        try:
            capacity = scene.capacity_rps(8)
            soak = Soak(scene, options.minutes, random.Random(options.seed))
            seconds = soak.run(capacity)
        finally:
            scene.close()
            shutil.copytree(scene.home, options.out / "operator", dirs_exist_ok=True, ignore=shutil.ignore_patterns("bin"))
    verdicts = soak.verdicts()
    faults = [*soak.faults, *(f"{role} {pid}: {fault}" for (role, pid), said in verdicts.items() for fault in said["faults"])]
    missing = {"operator", "dispatcher", "worker"} - {role for role, _ in verdicts}
    if missing:
        faults.append(f"too short to say anything of: {', '.join(sorted(missing))}")
    text = page(soak, seconds / 60, capacity, verdicts, options.seed)
    print("\n" + text)
    (options.out / "soak.md").write_text(text)
    (options.out / "soak.json").write_text(json.dumps({"seed": options.seed, "seconds": seconds, "capacity_rps": capacity, "totals": soak.totals,
                                                       "faults": faults}, indent=1) + "\n")
    with open(options.out / "soak.csv", "w", newline="") as table:
        rows = csv.DictWriter(table, ["second", "role", "pid", "rss_mib", "descriptors", "threads"], lineterminator="\n")
        rows.writeheader()
        rows.writerows({**each, "rss_mib": round(each["rss_mib"], 2)} for each in soak.samples)
    if options.junit:
        suite = ElementTree.Element("testsuite", name="soak")
        case = ElementTree.SubElement(suite, "testcase", classname="soak", name=f"{options.minutes:g} minutes", time=f"{seconds:.0f}")
        if faults:
            ElementTree.SubElement(case, "failure", message="; ".join(faults))
        ElementTree.ElementTree(suite).write(options.junit, encoding="utf-8", xml_declaration=True)
    for fault in faults:
        print(f"FAILED: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
