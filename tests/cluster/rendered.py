"""The chart as the real helm renders it, without a cluster."""

import pathlib
import subprocess

import yaml

from tests.cluster.harness import tools

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm"
# Enough for helm to read the chart on two busy cores.
DEADLINE_S = 60


def helm(*args, check=True, **options):
    done = subprocess.run([tools.ensure(["helm"])["helm"], *map(str, args)], capture_output=True, text=True, timeout=DEADLINE_S, **options)
    assert not check or done.returncode == 0, f"helm {' '.join(map(str, args))}: {done.stdout}{done.stderr}"
    return done


def template(folder, values, *args, release="eis", namespace="default", chart=CHART, check=True):
    """helm template with these values; the completed process."""
    file = pathlib.Path(folder) / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    return helm("template", release, chart, "--namespace", namespace, "-f", file, *args, check=check)


def objects(folder, values, *args, **options):
    return [each for each in yaml.safe_load_all(template(folder, values, *args, **options).stdout) if each]


def only(found, kind):
    """The one object of a kind."""
    (one,) = [each for each in found if each["kind"] == kind]
    return one
