"""Rules of the house that a program can check in seconds: form, size, shell and Python mistakes."""
import functools
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from tests.process.clients import environment_with
from tests.tidy import declarations

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLANG_FORMAT = "14.0.6"
# A file of this length still holds one thing that a reader can keep in mind.
MAX_LINES = 400
# What is longer, and why it is still one thing.
LONGER = {
    "tests/process/test_operator_local.py": "one list of what a person may do to a local operator",
}
# What a test needs to see or to set, and no program does.
CALLED_BY_TESTS = {
    "append_pixels": "a picture behind the decoder",
    "panicking": "the state of a simulated autoscaler",
    "tracked": "that a table stays small",
    "use_clock": "virtual time",
}
# Words that say who worked, not what the code does, and marks of work that is not finished.
BANNED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def tracked(*patterns):
    """What git tracks or would: a checkout's own files, whatever is built beside them."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
                            cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    return [name for name in listed if name and (ROOT / name).is_file()]


def run(*command):
    """(exit code, output) of a checker; a missing one is a failure that names its package."""
    if shutil.which(command[0]) is None:
        pytest.fail(f"{command[0]} is not installed; it is in packages_test of bench/setup.sh")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def shell_scripts():
    for name in tracked():
        path = ROOT / name
        if path.suffix == ".sh" or (not path.suffix and path.read_bytes()[:64].startswith((b"#!/usr/bin/env bash", b"#!/bin/sh", b"#!/bin/bash"))):
            yield name


@functools.cache
def clang_format():
    """The program of that release which sets the form here: others break some lines differently. Debian 12 has it."""
    told = run("clang-format", "--version")[1]
    if f"version {CLANG_FORMAT.split('.')[0]}." in told:
        return "clang-format"
    return str(environment_with(f"clang-format=={CLANG_FORMAT}").parent / "clang-format")


def test_cpp_has_the_form_of_clang_format():
    code, output = run(clang_format(), "--dry-run", "--Werror", *tracked("*.cpp", "*.hpp"))
    assert code == 0, output[:4000]


def test_shell_scripts_pass_shellcheck():
    scripts = list(shell_scripts())
    assert "tests/run" in scripts and "bench/setup.sh" in scripts
    code, output = run("shellcheck", "-x", *scripts)
    assert code == 0, output[:4000]


def test_python_has_no_plain_mistakes():
    """Undefined, unused and misspelt names, and what does not parse; form is left to the writer."""
    # Also the programs without an ending.
    programs = [name for name in tracked() if not pathlib.Path(name).suffix and (ROOT / name).read_bytes().startswith(b"#!/usr/bin/python3")]
    # F811: a test names the fixture that it imported.
    code, output = run("flake8", "--select=F,E9", "--extend-ignore=F811", *tracked("*.py"), *programs)
    assert code == 0, output[:4000]


def test_python_finds_its_modules_by_their_path_from_the_root():
    """No program edits sys.path: bench and tests are packages (pyproject.toml)."""
    own = {pathlib.Path(name).stem for name in tracked("bench/*.py", "tests/*.py")} - {"__init__"} - sys.stdlib_module_names
    beside = re.compile(rf"^\s*(?:from|import) ({'|'.join(sorted(own))})\b", re.MULTILINE)
    wrong = []
    for name in tracked("bench/*.py", "tests/*.py"):
        text = (ROOT / name).read_text()
        wrong += [f"{name}: sys.path" for _ in re.findall(r"^\s*sys\.path[.\[]", text, re.MULTILINE)]
        wrong += [f"{name}: import {module}: say from which package" for module in beside.findall(text)]
        named = re.findall(r"^\s*from ((?:bench|tests)\.[\w.]+) import", text, re.MULTILINE)
        wrong += [f"{name}: there is no {module}" for module in named
                  if not (ROOT / f"{module.replace('.', '/')}.py").exists() and not (ROOT / module.replace(".", "/")).is_dir()]
    assert not wrong, "\n".join(wrong)


def test_ctest_runs_each_unit_test_by_its_name():
    """CMake splits a name at a semicolon, brackets are Catch2's tags: the test would pass without having run."""
    name = re.compile(r'TEST_CASE\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)')
    wrong = [f"{file}: {case}" for file in tracked("tests/*.cpp") for case in name.findall((ROOT / file).read_text())
             if re.search(r"[;\[\]\\]", case)]
    assert not wrong, "no ; [ ] or backslash in the name of a test: " + ", ".join(wrong)


def test_children_are_started_in_one_place():
    """bench/processes.py: no child outlives its program by mistake. serve.py is a user's own, and stands alone."""
    allowed = {"bench/processes.py", "bench/policies/serve.py", "tests/process/test_contestants.py"}  # the last writes programs
    starts = re.compile(r"\bsubprocess" + r"\.Popen\(")
    wrong = [name for name in tracked("bench/*.py", "tests/*.py") if name not in allowed and starts.search((ROOT / name).read_text())]
    assert not wrong, "start children with bench.processes.spawn: " + ", ".join(wrong)


def test_no_file_has_grown_past_one_thing():
    sizes = {name: len((ROOT / name).read_text().splitlines()) for name in tracked("*.cpp", "*.hpp", "*.py", "*.sh")}
    too_long = {name: lines for name, lines in sizes.items() if lines > MAX_LINES and name not in LONGER}
    assert not too_long, f"past {MAX_LINES} lines (split them, or say in this test why not): {too_long}"
    assert not [name for name in LONGER if sizes.get(name, 0) <= MAX_LINES], "no longer an exception"


def test_nothing_is_marked_as_unfinished():
    this = pathlib.Path(__file__).relative_to(ROOT).as_posix()
    marked = []
    for name in tracked("*.cpp", "*.hpp", "*.py", "*.sh", "*.yaml", "*.md", "*CMakeLists.txt"):
        for number, line in enumerate((ROOT / name).read_text(errors="replace").splitlines(), 1):
            if name != this and BANNED.search(line):
                marked.append(f"{name}:{number}: {line.strip()}")
    assert not marked, "\n".join(marked)


def test_every_function_of_a_header_is_called():
    sources = {name: (ROOT / name).read_text() for name in tracked("*.hpp", "*.cpp") if not name.startswith("tests/")}
    found = declarations.uncalled(sources)
    assert set(CALLED_BY_TESTS) <= {name for _, name in found}, "no longer an exception"
    wrong = [f"{name}: {function}" for name, function in found if function not in CALLED_BY_TESTS]
    assert not wrong, "nobody calls these, or only a test does: " + ", ".join(wrong)


def test_an_uncalled_function_is_found_and_a_called_one_is_not():
    header = "int called(int x);\nint uncalled(int x);\n[[nodiscard]] bool asked() const { return called(1) > 0; }\n"
    source = "int called(int x) {\n  return x;\n}\nint uncalled(int x) {\n  return called(x) + asked();\n}\n"
    assert declarations.uncalled({"a.hpp": header, "a.cpp": source}) == [("a.hpp", "uncalled")]


def test_every_header_is_guarded_once():
    unguarded = [name for name in tracked("*.hpp") if (ROOT / name).read_text().count("#pragma once") != 1]
    assert not unguarded, unguarded
