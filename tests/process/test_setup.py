"""bench/setup.sh: which packages are missing, and which of several names a release of Debian has."""
import subprocess

import pytest

from tests.process.programs import ROOT

APT = """#!/bin/sh
[ "$1" = policy ] || exit 1
case " {there} " in
*" $2 "*) printf "%s:\\n  Candidate: 1.0\\n" "$2" ;;
*) printf "%s:\\n  Candidate: (none)\\n" "$2" ;;
esac
"""
DPKG = """#!/bin/sh
for last; do :; done
case " {installed} " in *" $last "*) printf 'ii ' ;; *) exit 1 ;; esac
"""


def ask(tmp_path, function, *names, installed="", there=""):
    """What a function of the set-up prints on a machine that has some packages and whose apt knows some."""
    for program, text in (("apt-cache", APT), ("dpkg-query", DPKG)):
        (tmp_path / program).write_text(text.format(installed=installed, there=there))
        (tmp_path / program).chmod(0o755)
    script = f'PATH={tmp_path}:$PATH; source "$0"; {function} "$@"'
    done = subprocess.run(
        ["bash", "-c", script, ROOT / "bench/setup.sh", *names], capture_output=True, text=True, timeout=20, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    "installed, missing",
    [
        ("", ["a", "old|new"]),
        ("a old", []),
        ("a new", []),
        ("old new", ["a"]),
    ],
)
def test_a_package_is_missing_when_no_alternative_is_installed(tmp_path, installed, missing):
    assert ask(tmp_path, "missing_packages", "a", "old|new", installed=installed) == missing


@pytest.mark.parametrize(
    "why, there, chosen",
    [
        ("the older release has the first", "a old", ["a", "old"]),
        ("the newer has the second", "a new", ["a", "new"]),
        ("where both are, the first", "a old new", ["a", "old"]),
        ("one that no release has stays as it is written, to be named in the error", "a", ["a", "old|new"]),
    ],
)
def test_the_first_alternative_that_a_release_has_is_taken(tmp_path, why, there, chosen):
    assert ask(tmp_path, "choose_packages", "a", "old|new", there=there) == chosen, why
