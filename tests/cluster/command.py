"""A real Kubernetes on this machine, for the tests: up, down, status, kubeconfig.

  cluster up [--bare]          etcd and the API server on 127.0.0.1, in seconds
  cluster up                   a node with kubelet, containerd, Services, DNS and metrics
  cluster load COMPONENT…      builds operator, dispatcher or worker images and gives them to the node
  cluster exec -- COMMAND      runs a command on the node's network (Services and pods by address)
  cluster kubectl -- ARGS      the pinned kubectl on this cluster; likewise `helm`
  cluster stop|start|restart NAME   one process, for failure tests
  cluster tools                builds the programs into the cache and nothing else
  cluster down                 ends everything it started and removes the folder

EI_KUBERNETES chooses among the versions of Kubernetes that are pinned here: 1.35 or 1.37.
With KUBECONFIG set, `up` starts nothing and the tests use that cluster.
"""

import argparse
import fcntl
import os
import pathlib
import shutil
import sys
import time

from bench.waiting import Failed
from tests.cluster.harness import images, tools
from tests.cluster.harness.control_plane import ControlPlane, Endpoint, loopback_endpoint
from tests.cluster.harness.node import Node
from tests.cluster.harness.process import State
from tests.cluster.harness.sandbox import Sandbox, check_privileges
from tests.cluster.harness.tools import log


def default_folder() -> pathlib.Path:
    return pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / f"elastic-inference-cluster-{os.getuid()}"


def endpoint_of(state: State) -> Endpoint:
    saved = state.data["endpoint"]
    prefix = Sandbox(state).prefix if state.data["mode"] == "full" else []
    return Endpoint(saved["address"], saved["api_port"], saved["etcd_client_port"], saved["etcd_peer_port"], prefix)


def remember(state: State, mode: str, endpoint: Endpoint) -> None:
    state.data["mode"] = mode
    state.data["endpoint"] = {
        key: getattr(endpoint, key) for key in ("address", "api_port", "etcd_client_port", "etcd_peer_port")
    }
    state.save()


def running(state: State) -> bool:
    names = state.data["processes"]
    return bool(state.data.get("ready")) and bool(names) and all(state.pid(name) for name in names)


def up(state: State, args) -> None:
    given = os.environ.get("KUBECONFIG")
    if given:
        log(f"KUBECONFIG is set: the cluster of {given} is used and nothing is started")
        return
    mode = "bare" if args.bare else "full"
    if running(state) and state.data["mode"] == mode:
        log(f"already up: {state.folder}")
        return
    if not args.bare:
        check_privileges(tools.runtime())
    programs = tools.ensure(tools.BARE if args.bare else [name for name in tools.packages() if name not in tools.ON_DEMAND])
    if state.data["processes"]:
        down(state)  # the rest of a cluster that died or of another mode
        state.data = {"processes": {}}
    started = time.monotonic()
    try:
        if args.bare:
            start_bare(state, programs, args)
        else:
            start_full(state, programs, args)
    except BaseException:
        if not args.keep:
            end_processes(state)
        raise
    state.data["ready"] = True
    state.save()
    log(f"{mode} cluster up in {time.monotonic() - started:.1f} s; KUBECONFIG={state.path('admin.kubeconfig')}")


def start_bare(state: State, programs, args) -> None:
    endpoint = loopback_endpoint()
    remember(state, "bare", endpoint)
    control = ControlPlane(state, programs, endpoint)
    control.start_etcd()
    control.start_api_server(args.apiserver_arg, args.audit)
    control.wait_ready()


def start_full(state: State, programs, args) -> None:
    pause = images.pause()
    sandbox = Sandbox(state)
    sandbox.start()
    endpoint = Endpoint(sandbox.node_address, 6443, 2379, 2380, sandbox.prefix)
    remember(state, "full", endpoint)
    control = ControlPlane(state, programs, endpoint)
    node = Node(state, programs, sandbox, control)
    control.start_etcd()
    control.start_api_server(args.apiserver_arg, args.audit)
    node.start_containerd()
    node.load_image(pause)
    control.wait_ready()
    log("API server ready")
    control.start_controllers(args.controller_manager_arg)
    node.start_kubelet(args.cfs_period)
    node.start_kube_proxy()
    node.start_dns()
    node.start_metrics_server()
    node.wait_ready()


def end_processes(state: State) -> None:
    sandbox = Sandbox(state)
    if "id" in state.data:
        sandbox.stop()
    for name in reversed(list(state.data["processes"])):
        state.stop(name)


def down(state: State) -> None:
    end_processes(state)
    shutil.rmtree(state.folder, ignore_errors=True)
    log(f"down: {state.folder} removed")


def status(state: State) -> int:
    if not state.data["processes"]:
        print(f"no cluster in {state.folder}")
        return 1
    print(f"{state.data.get('mode')} cluster in {state.folder}, {'ready' if running(state) else 'not ready'}")
    for name in state.data["processes"]:
        pid = state.pid(name)
        print(f"  {name:24} {f'process {pid}' if pid else 'not running'}")
    return 0 if running(state) else 1


def load(state: State, components: list[str]) -> None:
    # What was just built on this machine need not be compiled again inside a container.
    binaries = pathlib.Path(os.environ["EI_BIN"]).resolve() if os.environ.get("EI_BIN") else None
    archives = [path if (path := pathlib.Path(each)).suffix == ".tar" else images.build(each, binaries) for each in components]
    sandbox = Sandbox(state)
    endpoint = endpoint_of(state)
    programs = tools.ensure(["kubectl", *tools.runtime()])
    node = Node(state, programs, sandbox, ControlPlane(state, programs, endpoint))
    for archive in archives:
        node.load_image(archive)
        log(f"loaded {archive.name}")


def client(state: State, program: str, rest: list[str]) -> None:
    """Becomes the client, so that a signal to this process reaches it."""
    os.environ.setdefault("KUBECONFIG", str(state.path("admin.kubeconfig")))
    path = tools.ensure([program])[program]
    os.execv(path, [path, *rest])


def parse(argv: list[str]):
    parser = argparse.ArgumentParser(prog="cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=pathlib.Path, default=default_folder(), help="state folder (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("up", help="start, or find running")
    starting.add_argument("--bare", action="store_true", help="etcd and the API server only")
    starting.add_argument("--audit", action="store_true", help="write logs/audit.log, one line for each API request")
    starting.add_argument("--apiserver-arg", action="append", default=[], help="one more API server flag; repeatable")
    starting.add_argument(
        "--controller-manager-arg", action="append", default=[], help="one more controller manager flag; the last one counts"
    )
    starting.add_argument("--cfs-period", default="", help="of the kubelet's CPU limits, such as 10ms (its default is 100ms)")
    starting.add_argument("--keep", action="store_true", help="leave a failed start as it is, to look at")
    for name in ("down", "status", "kubeconfig", "tools"):
        commands.add_parser(name)
    commands.add_parser("load").add_argument("components", nargs="+", help="operator, dispatcher, worker or an image archive (.tar)")
    for name in ("stop", "start", "restart"):
        commands.add_parser(name).add_argument("name")
    for name in ("exec", "kubectl", "helm"):
        commands.add_parser(name).add_argument("rest", nargs=argparse.REMAINDER)
    return parser.parse_args(argv)


def run(args) -> int:
    state = State(args.dir.resolve())
    rest = getattr(args, "rest", [])
    rest = rest[1:] if rest[:1] == ["--"] else rest
    match args.command:
        case "up":
            state.folder.parent.mkdir(parents=True, exist_ok=True)
            with open(f"{state.folder}.lock", "w", encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                up(State(state.folder), args)
        case "down":
            down(state)
            pathlib.Path(f"{state.folder}.lock").unlink(missing_ok=True)
        case "status":
            return status(state)
        case "kubeconfig":
            print(os.environ.get("KUBECONFIG") or state.path("admin.kubeconfig"))
        case "tools":
            for name, path in tools.ensure(tools.packages()).items():
                print(f"{name} {path}")
        case "load":
            load(state, args.components)
        case "stop":
            state.stop(args.name)
        case "start":
            state.start_again(args.name)
        case "restart":
            state.stop(args.name)
            state.start_again(args.name)
        case "exec":
            command = [*Sandbox(state).network_prefix, *rest]
            os.execvp(command[0], command)
        case "kubectl" | "helm":
            client(state, args.command, rest)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(run(parse(sys.argv[1:])))
    except Failed as error:
        log(f"error: {error}")
        sys.exit(2)
