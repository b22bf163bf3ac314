"""The Debian packages: what is in them, that it runs from where they put it, and the list of what they are made of."""
import base64
import hashlib
import json
import os
import re
import subprocess
import sys

import pytest

from tests.process.clients import environment_with
from tests.process.programs import BIN, ROOT

BUILD = BIN.parent
PROGRAMS = ("inference-bench", "inference-dispatcher", "inference-operator", "inference-worker")
SBOM = ROOT / ".ci/packaging/sbom.py"
# Stripping and reading the libraries of four programs takes seconds; other tests run beside it.
PACKING_SECONDS = 300


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=PACKING_SECONDS, **options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The packages by their programs' names, and a folder into which all of them are unpacked."""
    folder = tmp_path_factory.mktemp("packages")
    run("ninja", "-C", BUILD, "man")
    run("cpack", "-G", "DEB", "-B", folder, cwd=BUILD)
    found = {run("dpkg-deb", "-f", file, "Package").strip(): file for file in folder.glob("*.deb")}
    for file in found.values():
        run("dpkg-deb", "-x", file, folder / "root")
    return found, folder / "root"


def field(packages, name, what):
    return run("dpkg-deb", "-f", packages[0][name], what).strip()


def test_each_program_has_a_package(packages):
    assert sorted(packages[0]) == sorted(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_package_brings_the_program_its_page_and_its_completion(packages, name):
    listed = set(re.findall(r"\./(\S+[^/\s])$", run("dpkg-deb", "-c", packages[0][name]), re.MULTILINE))
    assert listed == {
        f"usr/bin/{name}", f"usr/share/man/man1/{name}.1", f"usr/share/doc/{name}/copyright",
        f"usr/share/bash-completion/completions/{name}", f"usr/share/zsh/site-functions/_{name}"}


def test_a_package_asks_for_the_libraries_that_its_program_needs(packages):
    for name in PROGRAMS:
        assert "of Elastic Inference" in field(packages, name, "Description")
        assert "libc6" in field(packages, name, "Depends"), name
    worker, dispatcher = (field(packages, name, "Depends") for name in ("inference-worker", "inference-dispatcher"))
    assert "libtorch" in worker and "libopenblas0-pthread" in worker
    assert "libtorch" not in dispatcher
    assert "inference-worker" in field(packages, "inference-operator", "Recommends")


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_unpacked_program_tells_its_version_and_commit(packages, name):
    said = run(packages[1] / "usr/bin" / name, "--version").strip()
    version = field(packages, name, "Version")
    built = re.fullmatch(rf"{re.escape(version)} \(([0-9a-f]{{12}})\)", said)
    assert built, said
    run("git", "cat-file", "-e", f"{built[1]}^{{commit}}", cwd=ROOT)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_page_for_man_has_every_option(packages, name):
    page = (packages[1] / f"usr/share/man/man1/{name}.1").read_text().replace("\\-", "-")
    options = set(re.findall(r"--[a-z][a-z0-9-]+", run(packages[1] / "usr/bin" / name, "--help")))
    assert len(options) > 1 and not {option for option in options if option not in page}


@pytest.mark.parametrize(
    "typed, offered",
    [("--kubec", ["--kubeconfig"]), ("--vers", ["--version"]), ("--nothing-like-this", []), ("crds/", [])],
)
def test_bash_completes_options_and_leaves_files_to_itself(packages, typed, offered):
    script = packages[1] / "usr/share/bash-completion/completions/inference-operator"
    ask = f"source {script}; _elastic_inference inference-operator {typed}; printf '%s\\n' \"${{COMPREPLY[@]}}\"; complete -p inference-operator"
    path = f"{packages[1]}/usr/bin:{os.environ['PATH']}"
    *words, registered = run("bash", "-c", ask, env={**os.environ, "PATH": path}).strip().split("\n")
    assert [word for word in words if word] == offered
    assert registered == "complete -o default -F _elastic_inference inference-operator"


def sbom(*arguments):
    return json.loads(run(SBOM, *arguments, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}))


STATUS = """Package: app
Status: install ok installed
Version: 1
Architecture: amd64
Depends: one (>= 1) | other, virtual
Pre-Depends: first

Package: one
Status: install ok installed
Version: 2:1.5-1
Architecture: amd64
Source: one-source (1.5)

Package: real
Status: install ok installed
Version: 3
Architecture: all
Provides: virtual (= 3), more

Package: first
Status: install ok installed
Version: 4
Architecture: amd64
Depends: app

Package: removed
Status: deinstall ok config-files
Version: 5
Architecture: amd64

Package: unrelated
Status: install ok installed
Version: 6
Architecture: amd64
"""


@pytest.mark.parametrize(
    "why, more, wanted",
    [
        ("an image has all that is installed", [], {"app", "one", "real", "first", "unrelated"}),
        ("a package has what it needs, and what that needs", ["--depends", "app"], {"app", "one", "real", "first"}),
        ("the first alternative that is there", ["--depends", "absent | one (>= 9)"], {"one"}),
        ("nothing", ["--depends", ""], set()),
    ],
)
def test_a_list_of_parts_has_what_a_program_runs_on(tmp_path, why, more, wanted):
    (tmp_path / "status").write_text(STATUS)
    told = sbom("app", "1.0.0", "--status", tmp_path / "status", "--commit", "abc", *more)
    own, *others = told["packages"]
    assert own["sourceInfo"] == "built from commit abc"
    assert {each["name"] for each in others} == wanted, why
    assert told == sbom("app", "1.0.0", "--status", tmp_path / "status", "--commit", "abc", *more), "one commit, one document"
    for each in others:
        if each["name"] == "one":
            assert each["externalRefs"][0]["referenceLocator"] == "pkg:deb/debian/one@2%3A1.5-1?arch=amd64"
            assert each["sourceInfo"] == "built from one-source 1.5"


def test_a_list_of_parts_has_what_was_built_into_the_program(tmp_path):
    (tmp_path / "status").write_text(STATUS)
    digest = "a" * 64
    told = sbom("app", "1.0.0", "--status", tmp_path / "status", "--depends", "", "--contains", "pkg:npm/%40own/charts@2.0.1", "MIT", digest)
    own, part = told["packages"]
    assert part["name"] == "@own/charts" and part["versionInfo"] == "2.0.1" and part["licenseDeclared"] == "MIT"
    assert part["downloadLocation"] == "https://registry.npmjs.org/@own/charts/-/charts-2.0.1.tgz"
    assert part["checksums"] == [{"algorithm": "SHA256", "checksumValue": digest}]
    assert {"spdxElementId": own["SPDXID"], "relationshipType": "CONTAINS", "relatedSpdxElement": part["SPDXID"]} in told["relationships"]


@pytest.mark.parametrize("purl, digest, told", [("pkg:pypi/a@1", "a" * 64, "allowed: pkg:npm/NAME@VERSION"), ("pkg:npm/a", "a" * 64, "pkg:npm/a;"),
                                                ("pkg:npm/a@1", "A" * 64, "allowed: a SHA-256")])
def test_a_part_without_a_name_a_version_or_a_digest_is_refused(tmp_path, purl, digest, told):
    done = subprocess.run([sys.executable, SBOM, "a", "1", "--status", "/var/lib/dpkg/status", "--contains", purl, "MIT", digest],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and told in done.stderr


def test_a_file_that_is_no_status_is_refused(tmp_path):
    (tmp_path / "status").write_text("nothing\n")
    done = subprocess.run([sys.executable, SBOM, "a", "1", "--status", tmp_path / "status"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and "allowed: a status file of dpkg" in done.stderr


def test_spdx_own_reader_takes_the_list(packages, tmp_path):
    depends = field(packages, "inference-operator", "Depends")
    told = run(SBOM, "inference-operator", "0.1.0", "--status", "/var/lib/dpkg/status", "--depends", depends)
    (tmp_path / "operator.spdx.json").write_text(told)
    names = {each["name"] for each in json.loads(told)["packages"]}
    assert {"inference-operator", "libc6"} <= names
    found = {re.sub("[0-9.]+(t64)?$", "", name) for name in names}  # their numbers are the release's of Debian
    assert {"libssl", "libyaml-cpp"} <= found and "libtorch" not in found
    reader = environment_with("spdx-tools==0.8.5").parent / "pyspdxtools"
    run(reader, "-i", tmp_path / "operator.spdx.json")


@pytest.fixture
def builder(tmp_path):
    """Makes a builder that notes what it is asked, and whose images have the packages of STATUS."""

    def make(flags=""):
        (tmp_path / "status").write_text(STATUS)
        program = tmp_path / "builder"
        program.write_text(f"""#!/bin/sh
case "$*" in
"build --help") echo "{flags}" ;;
build*) echo "$*" >>{tmp_path}/asked ;;
run*) cat {tmp_path}/status ;;
"image inspect"*) printf sha256:; printf %s "$5" | sha256sum | cut -c1-64 ;;
esac
""")
        program.chmod(0o755)
        return program

    return make


@pytest.fixture
def key(tmp_path):
    run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", tmp_path / "key.pem")
    run("openssl", "pkey", "-in", tmp_path / "key.pem", "-pubout", "-out", tmp_path / "public.pem")
    return tmp_path / "key.pem"


def release(*arguments):
    return run(ROOT / ".ci/release", "--version", "1.2.3", "--image-registry", "registry.example.com/team", *arguments)


def head(*how):
    return run("git", *how, cwd=ROOT).strip()


@pytest.mark.parametrize(
    "flags, stamp", [("--timestamp seconds", "--timestamp {time}"), ("--pull", "--build-arg SOURCE_DATE_EPOCH={time}")]
)
def test_a_release_builds_each_image_for_its_commit_and_lists_its_parts(tmp_path, builder, flags, stamp):
    release("images", "--builder", builder(flags), "--out", tmp_path / "dist", "--suite", "bookworm")
    commit, time = head("rev-parse", "--short=12", "HEAD"), head("log", "-1", "--format=%ct")
    created = run("date", "-u", "-d", f"@{time}", "+%FT%TZ").strip()
    built = (tmp_path / "asked").read_text().splitlines()
    assert len(built) == 3
    name = "registry.example.com/team/elastic-inference/operator:1.2.3"
    assert built[0] == (
        f"build -f operator/Dockerfile --build-arg VERSION=1.2.3 --build-arg COMMIT={commit} --build-arg CREATED={created}"
        f" --build-arg SUITE=bookworm {stamp.format(time=time)} -t {name} .")
    lists = sorted((tmp_path / "dist").glob("*.spdx.json"))
    assert [file.name for file in lists] == [f"image-{each}-1.2.3.spdx.json" for each in ("dispatcher", "operator", "worker")]
    own, *others = json.loads(lists[1].read_text())["packages"]
    assert own["sourceInfo"] == f"built from commit {commit}"
    assert [each["name"] for each in others] == ["uplot", "app", "first", "one", "real", "unrelated"]
    assert "uplot" not in lists[0].read_text() + lists[2].read_text()
    sums = (tmp_path / "dist/SHA256SUMS").read_text().splitlines()
    assert [line.split()[1] for line in sums] == [*(file.name for file in lists), "images-1.2.3.intoto.json"]


def test_images_for_an_architecture_are_built_for_it_and_named_after_it(tmp_path, builder):
    release("images", "--builder", builder(), "--out", tmp_path / "dist", "--arch", "arm64")
    for built, component in zip((tmp_path / "asked").read_text().splitlines(), ("operator", "dispatcher", "worker")):
        assert " --platform linux/arm64 " in built
        assert built.endswith(f" -t registry.example.com/team/elastic-inference/{component}:1.2.3-arm64 .")
    names = sorted(file.name for file in (tmp_path / "dist").iterdir())
    lists = [f"image-{each}-1.2.3-arm64.spdx.json" for each in ("dispatcher", "operator", "worker")]
    assert names == ["SHA256SUMS", *lists, "images-arm64-1.2.3.intoto.json"]


@pytest.mark.parametrize("component", ["operator", "dispatcher", "inference"])
def test_an_image_for_another_architecture_is_cross_compiled_on_this_one(component):
    build, _, runtime = (ROOT / component / "Dockerfile").read_text().partition("\nFROM debian:")
    assert "\nFROM --platform=$BUILDPLATFORM debian:" in build and "\nARG TARGETARCH\n" in build
    # Each group of libraries is of the image's architecture.
    assert all("libraries \"$TARGETARCH\"" in step for step in build.split("\nRUN ")[1:] if "-dev" in step)
    assert "BUILDPLATFORM" not in runtime


def test_the_provenance_names_each_image_and_list_the_commit_and_the_source(tmp_path, builder):
    dist = tmp_path / "dist"
    release("images", "--builder", builder(), "--out", dist, "--source", "https://git.example.com/ei")
    told = json.loads((dist / "images-1.2.3.intoto.json").read_text())
    assert (told["_type"], told["predicateType"]) == ("https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1")
    made = {each["name"]: each["digest"]["sha256"] for each in told["subject"]}
    wanted = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in dist.glob("*.spdx.json")}
    for component in ("dispatcher", "operator", "worker"):
        image = f"registry.example.com/team/elastic-inference/{component}:1.2.3"
        wanted[image] = hashlib.sha256(image.encode()).hexdigest()
    assert made == wanted
    build = told["predicate"]["buildDefinition"]
    assert build["externalParameters"] == {"part": "images", "version": "1.2.3"}
    assert build["resolvedDependencies"] == [
        {"uri": "git+https://git.example.com/ei", "digest": {"gitCommit": head("rev-parse", "HEAD")}}]


def test_a_signed_release_is_checked_with_the_public_key_alone(tmp_path, builder, key):
    dist, public = tmp_path / "dist", tmp_path / "public.pem"
    release("images", "--builder", builder(), "--out", dist, "--sign", key)

    def verified(content, signature):
        (tmp_path / "content").write_bytes(content)
        (tmp_path / "signature").write_bytes(base64.b64decode(signature))
        check = ["openssl", "dgst", "-sha256", "-verify", public, "-signature", tmp_path / "signature", tmp_path / "content"]
        return subprocess.run(check, capture_output=True, timeout=20).returncode == 0

    sums, signature = (dist / "SHA256SUMS").read_bytes(), (dist / "SHA256SUMS.sig").read_bytes()
    assert verified(sums, signature) and not verified(sums.replace(b"operator", b"operat0r"), signature)
    envelope = json.loads((dist / "images-1.2.3.intoto.json").read_text())
    kind, payload = envelope["payloadType"], base64.b64decode(envelope["payload"])
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    assert kind == "application/vnd.in-toto+json" and json.loads(payload)["subject"]
    assert verified(signed, envelope["signatures"][0]["sig"]) and not verified(payload, envelope["signatures"][0]["sig"])


def test_a_release_that_cannot_sign_makes_nothing(tmp_path, builder):
    done = subprocess.run(
        [ROOT / ".ci/release", "images", "--version", "1.2.3", "--builder", builder(), "--out", tmp_path / "dist",
         "--sign", tmp_path / "status"], capture_output=True, text=True, timeout=20)
    assert done.returncode != 0 and "allowed: a private key in PEM" in done.stderr and not (tmp_path / "dist").exists()


@pytest.mark.parametrize("component", ["operator", "dispatcher", "inference"])
def test_an_image_takes_its_labels_from_the_release(component):
    text = (ROOT / component / "Dockerfile").read_text()
    last = text.split("\nFROM ")[-1]
    for label, argument in (("version", "VERSION"), ("revision", "COMMIT"), ("created", "CREATED"), ("source", "SOURCE")):
        assert f'org.opencontainers.image.{label}="${argument}"' in last and f"ARG {argument}=" in last
    assert text.count("debian:$SUITE-slim AS ") == 2 and 'image.base.name="docker.io/library/debian:$SUITE-slim"' in last
    assert '-DEI_COMMIT="$COMMIT"' in text
