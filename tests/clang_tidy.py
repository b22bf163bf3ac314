"""Runs clang-tidy on the C++ sources that differ from a commit, or on all of them.

    python3 -m tests.clang_tidy BUILD [--since COMMIT | --all] [--junit FILE]

BUILD is a build folder of the preset `clang-tidy`: configured, nothing compiled. A changed header counts as the sources of the same
name; what else includes it is looked at by --all."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
# The largest file took 20 s on a quiet core; a busy one may be ten times slower.
DEADLINE_S = 600


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()


def changed(since):
    """Sources and headers that differ from `since`, those included that git does not track yet."""
    return {*git("diff", "--name-only", "--diff-filter=d", since, "--", "*.cpp", "*.hpp"),
            *git("ls-files", "--others", "--exclude-standard", "--", "*.cpp", "*.hpp")}


def compiled(build):
    """What the build compiles of ours, as paths from the root. Messages that protoc wrote are not among it."""
    commands = json.loads((build / "compile_commands.json").read_text())
    files = (pathlib.Path(command["directory"], command["file"]).resolve() for command in commands)
    return {file.relative_to(ROOT).as_posix() for file in files if ROOT in file.parents and build not in file.parents}


def check(build, name):
    """What clang-tidy says of a file; empty when it is clean."""
    command = ["clang-tidy", "-p", str(build), "--quiet", name]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S)
    except subprocess.TimeoutExpired:
        return f"{name}: not done within {DEADLINE_S} s"
    return "" if done.returncode == 0 else done.stdout + done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--since", default="HEAD~1", help="a commit; default: the one before the last")
    which.add_argument("--all", action="store_true")
    parser.add_argument("--junit", type=pathlib.Path)
    options = parser.parse_args()
    build = options.build.resolve()
    known = compiled(build)
    names = known if options.all else {source for name in changed(options.since) for source in (name, name[:-4] + ".cpp")} & known
    print(f"{len(names)} of {len(known)} files", flush=True)
    suite = ElementTree.Element("testsuite", name="clang-tidy", tests=str(len(names)))
    unclean = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, said in zip(sorted(names), pool.map(lambda name: check(build, name), sorted(names))):
            case = ElementTree.SubElement(suite, "testcase", classname="clang-tidy", name=name)
            if said:
                unclean += 1
                print(said, flush=True)
                ElementTree.SubElement(case, "failure", message=said[:2000])
    if options.junit:
        ElementTree.ElementTree(suite).write(options.junit, encoding="utf-8", xml_declaration=True)
    return 1 if unclean else 0


if __name__ == "__main__":
    sys.exit(main())
