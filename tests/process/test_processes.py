"""How benchmarks and tests start programs."""
import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest

from bench import processes
from bench.waiting import wait_until
from tests.process.programs import ROOT


def test_a_child_lives_on_when_the_thread_that_asked_for_it_ends():
    children = []
    thread = threading.Thread(target=lambda: children.append(processes.spawn(["sleep", "60"])))
    thread.start()
    thread.join()
    # Python is done with the thread a little before the kernel is, which sends the signal then.
    wait_until(lambda: not os.path.exists(f"/proc/self/task/{thread.native_id}"), 10, "the thread's end")
    child, = children
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.5)
    processes.end(child)
    assert child.returncode == -signal.SIGTERM


def test_a_child_ends_with_the_process_that_asked_for_it_however_that_ends():
    code = "from bench import processes; print(processes.spawn(['sleep', '60']).pid, flush=True); input()"
    with processes.spawn([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        assert os.path.exists(f"/proc/{child}")
        parent.kill()
    # A child without a parent is the init's, which may be slow to reap it.
    wait_until(lambda: not os.path.exists(f"/proc/{child}") or ") Z " in pathlib.Path(f"/proc/{child}/stat").read_text(), 20, "the child's end")


def test_a_free_port_is_none_that_the_kernel_gives_out():
    first = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert 10_000 <= processes.free_port() < first
