"""Starting, waiting for and stopping the cluster's processes by their ids."""

import json
import os
import pathlib
import signal
import subprocess
import time

from bench.processes import spawn
from bench.waiting import Failed, wait_until

# What a part of a cluster says while it starts: no connection, a command that fails, half an answer.
NOT_YET = (OSError, subprocess.SubprocessError, ValueError, KeyError)


def start_time(pid: int) -> str | None:
    """The kernel's start time of a process: with the id it names one process for ever."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


class State:
    """The state folder: state.json names every process, so that `down` needs nothing else."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.file = folder / "state.json"
        self.data = {"processes": {}}
        if self.file.exists():
            self.data = json.loads(self.file.read_text())

    def save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps(self.data, indent=1))
        fresh.rename(self.file)

    def path(self, *parts: str) -> pathlib.Path:
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def log_tail(self, name: str, lines: int = 15) -> str:
        path = self.path("logs", f"{name}.log")
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def start(self, name: str, argv: list[str], *, prefix: list[str] = (), env=None) -> int:
        """Starts a program in its own session and records it; `prefix` enters namespaces."""
        process = spawn(
            [*prefix, *argv],
            log=self.path("logs", f"{name}.log"),
            append=True,
            outlives=True,  # `down` ends it
            cwd=self.folder,
            env=dict(os.environ, **(env or {})),
        )
        pid = process.pid
        if prefix and "--pid" in " ".join(prefix):
            # nsenter forks to enter a pid namespace; the program is its only child.
            pid = wait_until(lambda: children(process.pid), 10, f"{name}'s start in its namespaces")[0]
        self.data["processes"][name] = {
            "pid": pid,
            "start_time": start_time(pid),
            "argv": argv,
            "prefix": list(prefix),
            "env": env,
        }
        self.save()
        return pid

    def pid(self, name: str) -> int | None:
        """The id of a recorded process while it runs, else None."""
        record = self.data["processes"].get(name)
        if record and record["start_time"] and start_time(record["pid"]) == record["start_time"]:
            return record["pid"]
        return None

    def must_live(self, name: str) -> None:
        if self.pid(name) is None:
            raise Failed(f"{name} died; the end of its log:\n{self.log_tail(name)}")

    def stop(self, name: str, grace_s: float = 5) -> None:
        """SIGTERM, then SIGKILL after the grace; returns when the process is gone."""
        for number, patience in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 10)):
            pid = self.pid(name)
            if pid is None:
                return
            os.kill(pid, number)
            end = time.monotonic() + patience
            while self.pid(name) is not None and time.monotonic() < end:
                time.sleep(0.02)
        if self.pid(name) is not None:
            raise Failed(f"{name} (process {self.pid(name)}) survives SIGKILL")

    def start_again(self, name: str) -> int:
        record = self.data["processes"].get(name)
        if record is None:
            raise Failed(f"no process {name!r}; there are: {', '.join(self.data['processes'])}")
        return self.start(name, record["argv"], prefix=record["prefix"], env=record["env"])
