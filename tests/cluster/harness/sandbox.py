"""The node's own namespaces: processes, mounts and network, gone with one process.

Everything of a full cluster runs inside them, so two clusters never meet, the
host's firewall, routes and mounts stay untouched, and killing the namespaces'
first process ends every daemon, containerd shim and pod and drops every mount,
bridge and rule at once. The network has no way out except to the host, so no
packet of a test can reach another machine.
"""

import fcntl
import ipaddress
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from bench.waiting import Failed, wait_until

from .control_plane import SERVICE_RANGE
from .process import NOT_YET, State, start_time

# The documentation networks (RFC 5737), which nobody should route: the host's and
# the node's ends of a veth pair get a /30 of them for each cluster. Not link-local
# and not loopback: the API server refuses both as the address of its own Service.
# Some virtual machines do have their gateway in 192.0.2.0/24, and a /30 laid over
# it cuts the machine off, so a block that overlaps any route or address is passed over.
NETWORKS = ("198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/24")

CGROUPS = pathlib.Path("/sys/fs/cgroup")

# First process of the namespaces: reaps orphans (containerd's shims detach and
# leave theirs to it), sleeps, ends when killed.
INIT = "import os, signal, time\nsignal.signal(signal.SIGCHLD, lambda *_: None)\n" + (
    "while True:\n"
    "    try:\n"
    "        os.wait()\n"
    "    except ChildProcessError:\n"
    "        time.sleep(0.2)\n"
)

# Host folders that kubelet, containerd and CNI insist on, and what hides them.
HIDDEN = ("/var/lib/kubelet", "/var/lib/cni", "/var/log/pods", "/var/log/containers")


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def check_privileges(built: tuple[str, ...]) -> None:
    """Ends where a node cannot be started; what is built here need not be installed."""
    if os.geteuid() != 0:
        raise Failed("a node needs root (namespaces, mounts, cgroups); `cluster up --bare` does not")
    missing = [
        program
        for program in ("containerd", "runc", "ctr", "nft", "unshare", "nsenter", "ip", "openssl")
        if program not in built and not shutil.which(program)
    ]
    if not pathlib.Path("/usr/lib/cni/bridge").exists():
        missing.append("/usr/lib/cni/bridge")
    if missing:
        raise Failed(
            f"missing: {', '.join(missing)}; apt-get install containerd runc "
            "containernetworking-plugins nftables iproute2 util-linux openssl"
        )


def _free_pair() -> tuple[str, str]:
    """Two addresses of a /30 that meets no route and no address of the host."""
    taken = []
    for each in json.loads(_run("ip", "-j", "-4", "route", "show", "table", "all")):
        if each["dst"] != "default":
            taken.append(ipaddress.ip_network(each["dst"], strict=False))
        if "gateway" in each:
            taken.append(ipaddress.ip_network(each["gateway"]))
    for network in NETWORKS:
        for block in ipaddress.ip_network(network).subnets(new_prefix=30):
            if not any(block.overlaps(other) for other in taken):
                outer, inner = block.hosts()
                return str(outer), str(inner)
    raise Failed(f"no free /30 in {', '.join(NETWORKS)}; `cluster down` the clusters that still run")


class Sandbox:
    def __init__(self, state: State):
        self.state = state
        self.id = state.data.get("id", "")

    @property
    def prefix(self) -> list[str]:
        """What to put before a command to run it on the node."""
        # --net from a file, not `ip netns exec`: that would mount a fresh /sys
        # over the cgroups that kubelet and runc need.
        return ["nsenter", f"--target={self.state.pid('init')}", "--pid", "--mount", "--net", "--ipc"]

    @property
    def network_prefix(self) -> list[str]:
        """The node's network with the host's files and processes: for clients and load."""
        return ["nsenter", f"--target={self.state.pid('init')}", "--net"]

    @property
    def node_address(self) -> str:
        return self.state.data["node_address"]

    @property
    def cgroup(self) -> str:
        return f"/ei-{self.id}"

    def start(self) -> None:
        self.id = self.state.data["id"] = os.urandom(3).hex()
        self.state.start(
            "init",
            ["unshare", "--pid", "--mount", "--net", "--ipc", "--fork", "--mount-proc", sys.executable, "-c", INIT],
        )
        # `unshare --fork` stays outside as a waiting parent; the first process
        # of the namespaces is its child, and that is the one to record.
        outer = self.state.data["processes"].pop("init")
        self.state.data["processes"]["unshare"] = outer
        pid = wait_until(lambda: self._first_process(outer["pid"]), 10, "the start in namespaces", passing=NOT_YET)
        self.state.data["processes"]["init"] = {"pid": pid, "start_time": start_time(pid)}
        self.state.save()
        self._mounts()
        self._network(pid)
        self._cgroups()

    @staticmethod
    def _first_process(outer: int) -> int | None:
        found = pathlib.Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
        return int(found[0]) if found else None

    def _inside(self, *command: str) -> None:
        _run(*self.prefix, *command)

    def _mounts(self) -> None:
        # Kubelet asks that volumes can propagate; the group is this sandbox alone.
        self._inside("mount", "--make-rshared", "/")
        # containerd puts shim sockets in /run/containerd and CNI its network
        # namespaces in /run/netns, wherever its own state folder is.
        self._inside("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
        made = []
        for target in HIDDEN:
            if not os.path.isdir(target):
                os.makedirs(target)
                made.append(target)
            source = self.state.path("host", target.strip("/").replace("/", "-"))
            source.mkdir(exist_ok=True)
            self._inside("mount", "--bind", str(source), target)
        self.state.data["made_folders"] = made
        # No pod may inherit the host's resolver.
        resolv = self.state.path("resolv.conf")
        resolv.write_text("")
        self.state.save()

    def _network(self, pid: int) -> None:
        link = f"ei-{self.id}"
        with open("/tmp/.elastic-inference-cluster.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            outer, address = _free_pair()
            _run("ip", "link", "add", link, "type", "veth", "peer", "name", "node0", "netns", str(pid))
            _run("ip", "addr", "add", f"{outer}/30", "dev", link)
        _run("ip", "link", "set", link, "up")
        self.state.data["node_address"] = address
        self.state.data["link"] = link
        self.state.save()
        self._inside("ip", "link", "set", "lo", "up")
        self._inside("ip", "addr", "add", f"{address}/30", "dev", "node0")
        self._inside("ip", "link", "set", "node0", "up")
        # There is no default route on purpose. But a connection from the node
        # to a Service is routed before it is translated: without any route it
        # fails with ENETUNREACH and kube-proxy never sees it.
        self._inside("ip", "route", "add", SERVICE_RANGE, "dev", "node0", "src", address)
        self._inside("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        # Pod -> Service -> pod on the same bridge: the answer would go straight
        # over the bridge, untranslated, unless bridged packets pass the firewall.
        self._inside(
            "sh", "-c", "if test -e /proc/sys/net/bridge; then echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables; fi"
        )

    def _hierarchies(self) -> list[pathlib.Path]:
        """cgroup v1: one folder for each controller; v2: the one tree."""
        if (CGROUPS / "cgroup.controllers").exists():
            return [CGROUPS]
        return [folder for folder in CGROUPS.iterdir() if folder.is_dir() and not folder.is_symlink()]

    def _cgroups(self) -> None:
        for hierarchy in self._hierarchies():
            if hierarchy.name == "unified":
                continue
            group = hierarchy / self.cgroup.strip("/")
            group.mkdir(exist_ok=True)
            # A v1 cpuset starts empty, and no process may enter an empty one.
            for file in ("cpuset.cpus", "cpuset.mems"):
                if (group / file).exists():
                    (group / file).write_text((hierarchy / file).read_text())
            # Kubelet gives a node's pods the weight of all its cores, but inside this group: without the same here, all
            # pods together would weigh as much as one process of this machine.
            cores = len(os.sched_getaffinity(0))
            for file, one_core in (("cpu.shares", 1024), ("cpu.weight", 100)):
                if (group / file).exists():
                    (group / file).write_text(str(min(one_core * cores, 10_000 if file == "cpu.weight" else 262_144)))

    def stop(self) -> None:
        """Ends everything inside, then removes what outlives namespaces: cgroups and folders."""
        pid = self.state.pid("init")
        if pid:
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: start_time(pid) is None, 30, "the end of the node's processes")
        self.state.stop("unshare")
        if "link" in self.state.data:
            subprocess.run(["ip", "link", "del", self.state.data["link"]], capture_output=True, timeout=30)
        if self.id:
            for hierarchy in self._hierarchies():
                self._remove_group(hierarchy / self.cgroup.strip("/"))
        for folder in self.state.data.get("made_folders", []):
            try:
                os.rmdir(folder)
            except OSError:
                pass  # another cluster hides it too, or the host began to use it

    @staticmethod
    def _remove_group(group: pathlib.Path) -> None:
        if not group.is_dir():
            return
        for folder, _, _ in os.walk(group, topdown=False):
            end = time.monotonic() + 10
            while True:
                try:
                    os.rmdir(folder)
                    break
                except FileNotFoundError:
                    break
                except OSError:  # busy until the kernel has reaped the group's last process
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.05)
