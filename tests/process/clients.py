"""Clients that others wrote, from the Python package index, in an environment of their own that is kept in the user's cache."""
import fcntl
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What one release of Triton's client does; the newest that was tried.
PACKAGES = ["tritonclient[http,grpc]==2.73.0"]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "elastic-inference"


def environment_with(*packages):
    """A Python with these packages; made at the first use, which takes a minute. Fails where the index cannot be reached."""
    name = re.sub(r"[^\w.]+", "-", packages[0].replace("[http,grpc]", ""))
    home = CACHE / name
    python = home / "bin/python"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            shutil.rmtree(home, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True, timeout=300)
            (home / "complete").touch()
    return python


def go_program(name):
    """One of those that the cluster tests build of Go modules; made at the first use, which takes a minute or two."""
    spec = importlib.util.spec_from_file_location("cluster_tools", ROOT / "tests/cluster/harness/tools.py")
    tools = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tools)
    return tools.ensure([name])[name]


def triton_python():
    return environment_with(*PACKAGES)


def run_in(python, code, arguments, timeout):
    """Runs `code` there with `arguments` (as JSON) in `args`; what it assigns to `out` comes back. An exception fails the test."""
    program = "import json, sys\nargs = json.loads(sys.argv[1])\n" + textwrap.dedent(code) + "\nprint(json.dumps(out))\n"
    done = subprocess.run([str(python), "-c", program, json.dumps(arguments)], capture_output=True, text=True,
                          timeout=timeout, env={**os.environ, "GRPC_VERBOSITY": "ERROR"})
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def run_triton(code, *arguments, timeout=60):
    """run_in() with Triton's client."""
    return run_in(triton_python(), code, arguments, timeout)


# Drives Debian's Chromium, and judges how accessible a page is.
BROWSER = ["playwright==1.65.2", "axe-playwright-python==0.1.8"]
OPENED = """
import time
from playwright.sync_api import expect, sync_playwright
with sync_playwright() as playwright:
    # Everything here runs as root in a container, where Chromium's sandbox cannot be set up.
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
    page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="en-GB")
    page.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    faults = []
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
"""


def run_browser(code, *arguments, timeout=120):
    """run_in() with `page` of a headless Chromium; `faults` collects what its console calls an error."""
    return run_in(environment_with(*BROWSER), OPENED + textwrap.indent(textwrap.dedent(code), "    ") + "\n    browser.close()", arguments, timeout)
