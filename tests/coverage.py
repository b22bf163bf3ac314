"""Says which share of the pure rooms' lines the unit tests run, and fails below the goal.

    python3 -m tests.coverage BUILD [--junit FILE]

BUILD is a build folder of the preset `coverage` in which the pure rooms' unit tests have run. The pure rooms are those of
tests/layering: they decide and do no I/O, so a line that no unit test runs is a decision that nobody has checked.
gcovr reads gcov's counts; a room's share is the sum over its files."""
import argparse
import collections
import json
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

from tests.layering.test_layering import PURE, within

ROOT = pathlib.Path(__file__).resolve().parents[1]

# The last twentieth is what a test cannot reach: `default:` labels that the compiler asks for, and printing.
GOAL = 0.95
# gcovr starts one gcov for each object file: about 400 of them, a tenth of a second each.
DEADLINE_S = 600


def counts(build):
    """File -> (lines, lines that ran), of every source that was compiled."""
    command = ["gcovr", "--root", str(ROOT), "--object-directory", str(build), "--json-summary", "-", "--exclude-unreachable-branches",
               "--exclude", "tests/", "--exclude", "build/", "-j", "2", str(build)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S)
    if done.returncode != 0:
        raise SystemExit(f"error: gcovr failed: {done.stderr[-2000:]}")
    return {entry["filename"]: (entry["line_total"], entry["line_covered"]) for entry in json.loads(done.stdout)["files"]}


def room(name):
    """The pure room that a file belongs to (of single files, their folder); None for a file that does I/O."""
    found = [entry for entry in PURE if within(name, entry)]
    if not found:
        return None
    longest = max(found, key=len)
    return longest if longest != name else str(pathlib.PurePosixPath(name).parent)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--junit", type=pathlib.Path)
    options = parser.parse_args()
    rooms = collections.defaultdict(list)
    for name, (total, covered) in sorted(counts(options.build.resolve()).items()):
        if room(name) and total:
            rooms[room(name)].append((name, total, covered))
    if not rooms:
        raise SystemExit(f"error: no file of a pure room has counts in {options.build}")
    suite = ElementTree.Element("testsuite", name="coverage", tests=str(len(rooms)))
    below = 0
    print(f"{'room':34}{'lines':>8}{'run':>8}   least")
    for name, files in sorted(rooms.items()):
        total, covered = sum(file[1] for file in files), sum(file[2] for file in files)
        least = min(files, key=lambda file: file[2] / file[1])
        print(f"{name:34}{total:8}{covered / total:8.1%}   {least[0]} {least[2] / least[1]:.1%}")
        case = ElementTree.SubElement(suite, "testcase", classname="coverage", name=name)
        if covered / total < GOAL:
            below += 1
            ElementTree.SubElement(case, "failure", message=f"{covered / total:.1%} of {total} lines; the goal is {GOAL:.0%}")
    if options.junit:
        ElementTree.ElementTree(suite).write(options.junit, encoding="utf-8", xml_declaration=True)
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
