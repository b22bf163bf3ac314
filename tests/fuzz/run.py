"""Runs fuzz targets that were built into BIN, two side by side, each for so many seconds of its own, and tells what each did.

    python3 -m tests.fuzz.run --bin build/fuzz/bin --work build/fuzz --junit FILE [--seconds 20] [--jobs N] [TARGET…]

A target starts from its checked-in inputs (tests/fuzz/corpus, tests/fuzz/regressions) and from what earlier runs here found
worth keeping (WORK/corpus). An input that breaks a promise is kept in WORK/findings; put it into tests/fuzz/regressions, and
into a unit test, when it is mended."""
import argparse
import concurrent.futures
import os
import pathlib
import re
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree

from bench.processes import spawn

HERE = pathlib.Path(__file__).resolve().parent
# Per input. Far over what any may take, as sanitizers and a busy machine cost a factor of ten each.
INPUT_SECONDS = 10
# What reaches the parsers is bounded by their callers at a few kilobytes up to some megabytes; short inputs find more.
INPUT_BYTES = {"picture": 65536, "torch_file": 16384, "websocket": 1024, "http_request": 8192, "http_response": 8192}
# Sanitizers' own memory included; one allocation over the second is a length that was believed before it was checked.
MEMORY_MIB, ALLOCATION_MIB = 1024, 256


def all_targets():
    return sorted(path.name.removesuffix("_fuzz.cpp") for path in HERE.glob("*_fuzz.cpp"))


class Outcome:
    def __init__(self, target, code, text, cpu_seconds, seconds):
        self.target, self.text, self.cpu_seconds, self.seconds = target, text, cpu_seconds, seconds

        def figure(pattern):
            found = re.findall(pattern, text)
            return int(found[-1]) if found else 0
        self.runs = figure(r"stat::number_of_executed_units: (\d+)")
        self.coverage = figure(r" cov: (\d+)")
        self.memory_mib = figure(r"stat::peak_rss_mb: +(\d+)")
        self.input = next(iter(re.findall(r"Test unit written to (\S+)", text)), None)
        self.fault = None
        if code != 0:
            said = re.findall(r"^broken: .*|^SUMMARY: .*|^==\d+== ?ERROR: .*|runtime error: .*", text, re.MULTILINE)
            self.fault = said[0] if said else f"exit code {code}"
        elif self.runs == 0:
            self.fault = "it ran no input"

    def last_words(self):
        """The log's end without what libFuzzer found on the way."""
        lines = [line for line in self.text.splitlines() if not re.match(r"#\d+\t|\tNEW_FUNC|.* in fuzzer::", line)]
        return "\n".join(line[:300] for line in lines[-60:])


def run(target, options):
    corpus = options.work / "corpus" / target
    findings = options.work / "findings"
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    checked_in = [folder for folder in (HERE / "corpus" / target, HERE / "regressions" / target) if folder.is_dir()]
    command = [str(options.bin / f"fuzz_{target}"), f"-max_total_time={options.seconds}", f"-timeout={INPUT_SECONDS}",
               f"-rss_limit_mb={MEMORY_MIB}", f"-malloc_limit_mb={ALLOCATION_MIB}", f"-max_len={INPUT_BYTES.get(target, 4096)}",
               f"-artifact_prefix={findings}/{target}-", "-print_final_stats=1", *([f"-seed={options.seed}"] if options.seed else []),
               str(corpus), *map(str, checked_in)]
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=1:quarantine_size_mb=32",
                   "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}
    log_path = options.work / f"{target}.log"
    begin = time.monotonic()
    child = spawn(command, log=log_path, env=environment)
    # A target that hangs where libFuzzer's own alarm does not reach is ended, and says so by its exit code.
    alarm = threading.Timer(options.seconds + 300, child.kill)
    alarm.start()
    _, status, usage = os.wait4(child.pid, 0)
    alarm.cancel()
    child.returncode = os.waitstatus_to_exitcode(status)
    text = log_path.read_text(errors="replace")
    return Outcome(target, child.returncode, text, usage.ru_utime + usage.ru_stime, time.monotonic() - begin)


def write_junit(outcomes, path):
    suite = ElementTree.Element("testsuite", name="fuzz", tests=str(len(outcomes)))
    for outcome in outcomes:
        case = ElementTree.SubElement(suite, "testcase", classname="fuzz", name=outcome.target, time=f"{outcome.seconds:.1f}")
        if outcome.fault:
            ElementTree.SubElement(case, "failure", message=outcome.fault).text = outcome.last_words()
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--junit", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("targets", nargs="*")
    options = parser.parse_args()
    known = all_targets()
    targets = options.targets or known
    for target in targets:
        if target not in known:
            parser.error(f"unknown target '{target}'; allowed: {', '.join(known)}")
    outcomes = []
    print(f"{'target':14} {'inputs':>10} {'edges':>7} {'CPU s':>8} {'MiB':>6}")
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for outcome in pool.map(lambda target: run(target, options), targets):
            outcomes.append(outcome)
            print(f"{outcome.target:14} {outcome.runs:10} {outcome.coverage:7} {outcome.cpu_seconds:8.1f} {outcome.memory_mib:6}"
                  + (f"  FAILED: {outcome.fault}" if outcome.fault else ""), flush=True)
    for outcome in outcomes:
        if outcome.fault:
            print(f"\n--- {outcome.target}: {outcome.fault}; input: {outcome.input}\n{outcome.last_words()}")
    print(f"all targets together: {sum(outcome.cpu_seconds for outcome in outcomes):.0f} CPU seconds")
    if options.junit:
        write_junit(outcomes, options.junit)
    return 1 if any(outcome.fault for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
