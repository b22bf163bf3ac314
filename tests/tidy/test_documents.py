"""The documents agree with the repository: links, paths, commands, fields and values."""
import os
import re
import subprocess

import pytest
import yaml

import api_reference
import values_reference
from tests.tidy import documents
from tests.tidy.documents import ROOT

# One page that a reader takes in at once; what is longer has its own page in docs/.
README_WORDS = 1100
CRD = ROOT / "crds/elasticinference.dev_inferenceservices.yaml"
# bench/run reads this one itself.
OF_THE_SCRIPT = {"bench/run cluster --local": {"--local"}}


def shown(page):
    return page.relative_to(ROOT).as_posix()


def test_every_relative_link_resolves():
    broken = []
    for page in documents.pages():
        for target in documents.links(page.read_text()):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            if not file.exists():
                broken.append(f"{shown(page)}: {target} does not exist")
            elif anchor and anchor not in documents.anchors(file.read_text()):
                broken.append(f"{shown(page)}: {target}: no such heading; there are {sorted(documents.anchors(file.read_text()))}")
    assert not broken, "\n".join(broken)


def test_the_architecture_names_files_that_exist():
    named = set(re.findall(r"`([\w.-]+(?:/[\w.-]+)*/?)`", documents.blocks((ROOT / "docs/architecture.md").read_text())[0]))
    paths = {name for name in named if "/" in name}
    assert len(paths) > 30, "the page lost its paths"
    missing = sorted(path for path in paths if not (ROOT / path).exists())
    assert not missing, missing


def test_the_readme_is_one_page():
    words = len((ROOT / "README.md").read_text().split())
    assert words <= README_WORDS, f"README.md has {words} words; allowed: {README_WORDS}. Move what is longer to docs/"


def test_the_readme_shows_a_small_picture():
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert len(pictures) == 1
    # What a slow line loads in a second or two.
    assert (ROOT / pictures[0]).stat().st_size < 100_000


def test_every_script_in_a_command_exists_and_runs():
    wrong = []
    for page in documents.pages():
        for program, *_ in documents.commands(page.read_text()):
            path = ROOT / program
            if not program.startswith("inference-") and not (path.is_dir() or path.is_file() and os.access(path, os.X_OK)):
                wrong.append(f"{shown(page)}: {program}")
    assert not wrong, wrong


def script_of(command):
    """The key of documents.HELP for a command, or None for a program that tests/process asks."""
    program, *words = command
    if program == "bench/run" and words[:1] == ["cluster"] and "--local" in words:
        return "bench/run cluster --local"
    return next((key for key in (" ".join([program, *words[:1]]), program) if key in documents.HELP), None)


def test_scripts_know_the_options_that_the_documents_name():
    used = {}
    for page in documents.pages():
        for command in documents.commands(page.read_text()):
            if (script := script_of(command)) is not None:
                used.setdefault(script, []).extend((shown(page), flag) for flag in documents.flags_of(command[1:]))
    assert {"bench/demo", "bench/run cluster", "bench/run cluster --local", "bench/run dispatcher", "bench/run inference",
            "tests/cluster/cluster up", "tests/run"} <= set(used)
    wrong = []
    for script, flags in used.items():
        if not flags:
            continue
        text = subprocess.run(documents.HELP[script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
        known = set(documents.FLAG.findall(text)) | OF_THE_SCRIPT.get(script, set())
        wrong += [f"{page}: {script} knows no {flag}" for page, flag in flags if flag not in known]
    assert not wrong, wrong


def levels_of_the_tests():
    return set(re.search(r'all_levels="([^"]+)"', (ROOT / "tests/run").read_text())[1].split(", "))


def test_the_documents_name_levels_and_fuzz_targets_that_exist():
    levels = levels_of_the_tests()
    targets = {path.name.removesuffix("_fuzz.cpp") for path in (ROOT / "tests/fuzz").glob("*_fuzz.cpp")}
    wrong = []
    for page in documents.pages():
        for program, *words in documents.commands(page.read_text()):
            if program == "tests/run":
                # In capitals is what a reader replaces, and a number is an option's value.
                named = [word for word in words if re.fullmatch(r"[a-z][a-z_-]*", word)]
                wrong += [f"{shown(page)}: {word}" for word in named if word not in levels | targets]
    assert not wrong, wrong


def test_the_table_of_levels_has_each_level():
    table = re.search(r"^\| level \|.*\n\|[-|]+\n((?:\|.*\n)+)", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)[1]
    # `\|` within a cell is no border.
    first_cells = [re.split(r"(?<!\\)\|", row)[1] for row in table.splitlines()]
    assert {code.split()[0] for cell in first_cells for code in documents.INLINE.findall(cell)} == levels_of_the_tests()


def test_a_release_to_run_the_tests_on_is_named_first():
    done = subprocess.run(["tests/run", "unit", "--on", "nowhere"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "--on stands behind other words" in done.stderr


def field(schema, path):
    """Whether the schema has this field; below what is free anything is allowed."""
    for name in path:
        if schema.get("type") == "array":
            schema = schema["items"]
        if schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema:
            return True
        if name not in schema.get("properties", {}):
            return False
        schema = schema["properties"][name]
    return True


def test_the_documents_name_fields_of_the_resource():
    schema = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    wrong = []
    for page in documents.pages():
        for code in documents.INLINE.findall(documents.blocks(page.read_text())[0]):
            for path in re.findall(r"(?<![\w.])(?:spec|status)(?:\.[A-Za-z0-9]+)+", code):
                if not field(schema, path.split(".")):
                    wrong.append(f"{shown(page)}: {path}")
    assert not wrong, wrong


def test_the_documents_name_values_of_the_chart():
    values = yaml.safe_load((ROOT / "helm/values.yaml").read_text())
    wrong = []
    for page in documents.pages():
        if shown(page) == "docs/api.md":  # whose names are those of the resource, without their group
            continue
        for code in documents.INLINE.findall(documents.blocks(page.read_text())[0]):
            named = re.fullmatch(r"([a-zA-Z]+(?:\.[a-zA-Z]+)+)(?:=\S*)?", code)
            if named is None or named[1].split(".")[0] not in values or named[1].endswith((".cpp", ".hpp", ".py")):
                continue
            place = values
            for name in named[1].split("."):
                place = place.get(name) if isinstance(place, dict) else None
            if place is None:
                wrong.append(f"{shown(page)}: {named[1]}")
    assert not wrong, wrong


def test_the_scaling_page_explains_every_reason():
    code = (ROOT / "operator/scaling/decision.hpp").read_text()
    reasons = re.findall(r"^\s*(\w+),", re.search(r"enum class Reason \{(.*?)\};", code, re.DOTALL)[1], re.MULTILINE)
    assert len(reasons) > 15
    page = (ROOT / "docs/scaling.md").read_text()
    assert not [reason for reason in reasons if f"`{reason}`" not in page]


def test_the_operations_page_explains_every_event():
    code = (ROOT / "operator/plan/plan.cpp").read_text()
    events = set(re.findall(r'(?:warn|say)\("(\w+)"', code)) | set(re.findall(r'EventType::\w+,\s*"(\w+)"', code))
    events |= set(re.search(r'"(ScaledUp)" : "(ScaledDown)"', code).groups())
    # What stalls a service is told under the condition's reason.
    stalls = (ROOT / "operator/plan/rollout.cpp").read_text()
    events |= set(re.search(r'"(Refused)" : "(WriteFails)"', stalls).groups()) | set(re.findall(r'"(CannotStart)"', stalls))
    assert len(events) > 10
    page = (ROOT / "docs/operations.md").read_text()
    assert not [event for event in events if f"`{event}`" not in page]


def test_the_http_page_has_every_route_that_the_dispatcher_lists():
    routes = re.findall(r'"(?:GET|POST|PUT) (/[^"]*)"', (ROOT / "dispatcher/routes/routes.cpp").read_text())
    assert len(routes) > 8
    page = (ROOT / "docs/http.md").read_text()
    assert not [route for route in routes if route not in page]


def test_the_api_reference_is_what_the_crd_says():
    assert (ROOT / "docs/api.md").read_text() == api_reference.page(), "run docs/api_reference.py"


def test_the_charts_page_lists_every_value_as_it_is():
    assert (ROOT / "helm/README.md").read_text() == values_reference.page(), "run docs/values_reference.py"
    listed = {path for path, *_ in values_reference.rows(values_reference.VALUES.read_text())}

    def paths(values, above=""):
        for name, value in values.items():
            yield above + name
            if isinstance(value, dict):
                yield from paths(value, f"{above}{name}.")

    # What is written on one line has one row.
    missing = [path for path in paths(yaml.safe_load((ROOT / "helm/values.yaml").read_text())) if path not in listed]
    assert not [path for path in missing if path.rsplit(".", 1)[0] not in listed], missing
    # It is the chart's own to fill in what an older chart's values lack.
    assert (ROOT / "helm/files/defaults.yaml").read_text() == (ROOT / "helm/values.yaml").read_text(), "copy helm/values.yaml to helm/files/defaults.yaml"


def test_the_charts_crd_is_the_crd():
    assert (ROOT / "helm/files/inferenceservices.yaml").read_text() == CRD.read_text(), "copy crds/ to helm/files/"


@pytest.mark.parametrize("name", [".pre-commit-config.yaml", ".devcontainer/devcontainer.json"])
def test_a_first_hour_downloads_no_more_than_the_packages(name):
    text = (ROOT / name).read_text()
    setup = (ROOT / "bench/setup.sh").read_text()
    if name.endswith(".json"):
        groups = re.search(r"setup_packages ([a-z ]+)", yaml.safe_load(text)["postCreateCommand"])[1].split()
        assert not [group for group in groups if f"packages_{group}=(" not in setup]
        return
    for repository in yaml.safe_load(text)["repos"]:
        assert repository["repo"] == "local"
        for hook in repository["hooks"]:
            assert hook["language"] == "system"
            program = hook["entry"].split()[0]
            assert program.startswith("/usr/bin/") or re.search(rf"^.*\b{program}\b.*$", setup, re.MULTILINE), program
