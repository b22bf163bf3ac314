"""What a release pushes is signed: with the public key alone everybody sees that it is ours, and that nothing was changed."""

import hashlib
import json
import re
import subprocess
import sys

import pytest
import requests

from tests.cluster import rendered
from tests.cluster.harness import tools
from tests.cluster.test_chart_package import registry, release  # noqa: F401 (a fixture)

COMPONENTS = ("dispatcher", "operator", "worker")


def push(image, content, upload=True):
    """Puts an image that differs from others in `content` under a tag; gives its digest."""
    place, _, tag = image.rpartition(":")
    host, _, path = place.partition("/")
    url = f"http://{host}/v2/{path}"

    def digest_of(blob):
        return "sha256:" + hashlib.sha256(blob).hexdigest()

    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest_of(content)]}}).encode()
    kind = "application/vnd.oci.image"
    parts = [{"mediaType": f"{kind}.{name}", "digest": digest_of(blob), "size": len(blob)}
             for name, blob in (("config.v1+json", config), ("layer.v1.tar", content))]
    manifest = json.dumps({"schemaVersion": 2, "mediaType": f"{kind}.manifest.v1+json", "config": parts[0], "layers": parts[1:]}).encode()
    if upload:
        for blob in (config, content):
            begun = requests.post(f"{url}/blobs/uploads/", timeout=20)
            at = requests.compat.urljoin(url, begun.headers["Location"])
            requests.put(at, params={"digest": digest_of(blob)}, data=blob, timeout=20).raise_for_status()
        headers = {"Content-Type": f"{kind}.manifest.v1+json"}
        requests.put(f"{url}/manifests/{tag}", data=manifest, headers=headers, timeout=20).raise_for_status()
    return digest_of(manifest)


def build(words):
    """A builder whose images have one layer without a file. `push` and `image inspect` do what docker's and podman's do."""
    if words[0] == "run":
        print("Package: app\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64")
    elif words[0] == "push" and words[-1] != "--help":
        push(words[-1], b"of the release")
    elif words[:2] == ["image", "inspect"]:
        digest = push(words[-1], b"of the release", upload=False)
        print(digest if "Id" in words[3] else words[-1].rpartition(":")[0] + "@" + digest)


@pytest.fixture(scope="module")
def cosign():
    return tools.ensure(["cosign"])["cosign"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """cosign keeps what it knows of the public log in the home folder, even where it is not asked for."""
    monkeypatch.setenv("TUF_ROOT", str(tmp_path / "log"))


@pytest.fixture
def keys(tmp_path):
    """Makes a pair of keys: the private key's file and the public one's."""

    def make(name, *kind):
        private, public = tmp_path / f"{name}.pem", tmp_path / f"{name}.pub"
        for command in (["genpkey", *kind, "-out", private], ["pkey", "-in", private, "-pubout", "-out", public]):
            subprocess.run(["openssl", *command], check=True, capture_output=True, timeout=60)
        return private, public

    return make


EC = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


def verify(cosign, key, reference):
    """As docs/security.md says."""
    command = [cosign, "verify", "--key", key, "--insecure-ignore-tlog", "--allow-http-registry", reference]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=rendered.DEADLINE_S)


@pytest.mark.parametrize("kind", [EC, ("-algorithm", "RSA")], ids=["EC", "RSA"])
def test_the_images_and_the_chart_that_are_pushed_are_signed_and_changed_ones_are_refused(tmp_path, registry, cosign, keys, kind):
    key, public = keys("own", *kind)
    _, stranger = keys("stranger", *EC)
    builder = tmp_path / "builder"
    builder.write_text(f'#!/bin/sh\nPYTHONPATH={rendered.ROOT} exec {sys.executable} -m tests.cluster.test_signatures "$@"\n')
    builder.chmod(0o755)
    release("images", "chart", "--version", "1.2.3", "--push", f"oci://{registry}/charts", "--plain-http", "--builder", builder,
            "--image-registry", f"{registry}/team", "--push-images", "--sign", key, "--cosign", cosign, "--out", tmp_path / "dist")
    images = [f"{registry}/team/elastic-inference/{component}:1.2.3" for component in COMPONENTS]
    for pushed in (*images, f"{registry}/charts/elastic-inference:1.2.3"):
        done = verify(cosign, public, pushed)
        assert done.returncode == 0, done.stderr
        assert verify(cosign, stranger, pushed).returncode != 0
    # Somebody who may push puts another image under the tag. The signed one is still there by its digest.
    signed = f"{images[1].rpartition(':')[0]}@{push(images[1], b'of the release', upload=False)}"
    push(images[1], b"of somebody else")
    done = verify(cosign, public, images[1])
    assert done.returncode != 0 and re.search("no (matching )?signatures", done.stderr), done.stderr
    assert verify(cosign, public, signed).returncode == 0
    # No key stays behind in a form that another could use.
    assert not [file for file in (tmp_path / "dist").iterdir() if file.suffix in (".key", ".pem")]


def sign(*words):
    done = subprocess.run([rendered.ROOT / ".ci/sign", *map(str, words)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    "reference, says",
    [
        ("registry.example.com/team/operator:1.2.3", "allowed: HOST/PATH@sha256:DIGEST"),
        ("operator@" + DIGEST, "allowed: HOST/PATH@sha256:DIGEST"),
        (None, "nothing to sign is named"),
        ("127.0.0.1:1/team/operator@" + DIGEST, "was not signed"),
    ],
)
def test_what_cannot_be_signed_is_refused(cosign, keys, reference, says):
    key, _ = keys("own", *EC)
    code, told = sign("--key", key, "--cosign", cosign, "--plain-http", *([reference] if reference else []))
    assert code != 0 and says in told


def test_what_is_no_key_is_refused(tmp_path):
    (tmp_path / "key").write_text("secret\n")
    code, told = sign("--key", tmp_path / "key", "registry.example.com/a/b@" + DIGEST)
    assert code != 0 and "allowed: a private key in PEM" in told and "secret" not in told


@pytest.mark.parametrize(
    "words, says",
    [
        (["--push", "oci://127.0.0.1:1/charts", "--cosign", "/nowhere/cosign"], "--cosign is '/nowhere/cosign', which is not there"),
        (["--push-images"], "--push-images needs --image-registry"),
        (["--arch", "riscv64"], "--arch is 'riscv64'; allowed: amd64, arm64"),
    ],
)
def test_a_release_that_could_not_push_or_sign_makes_nothing(tmp_path, keys, words, says):
    key, _ = keys("own", *EC)
    done = release("images", "chart", "--version", "1.2.3", "--sign", key, *words, "--out", tmp_path / "dist", check=False)
    assert done.returncode != 0 and says in done.stderr and not (tmp_path / "dist").exists()


if __name__ == "__main__":
    build(sys.argv[1:])
