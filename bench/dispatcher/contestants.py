"""What stands between clients and workers, each as a started program with a URL and processes to look at."""
import json
import pathlib
import select
import shutil
import socket
import subprocess
import sys

from bench import processes
from bench.waiting import Failed, wait_until

HERE = pathlib.Path(__file__).resolve().parent
# Loading Python on a busy machine takes seconds.
START_SECONDS = 30
CONNECTIONS = 12_000  # the idle ones and the load's

HAPROXY = """
global
    nbthread 1
    # It counts two descriptors for each connection, of which idle ones need one.
    no strict-limits
    maxconn {connections}
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout queue 30s
    http-reuse always
frontend clients
    bind 127.0.0.1:{port}
    default_backend workers
backend workers
    balance leastconn
{servers}
"""

NGINX = """
worker_processes 1;
worker_rlimit_nofile {connections};
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    client_max_body_size 16m;
    client_body_buffer_size 256k;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream workers {{
        least_conn;
{servers}
        keepalive 16;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://workers;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering off;
        }}
    }}
}}
"""


def wait_until_started(process, ready, what, log=None, passing=()):
    """Ends the process where it does not get ready."""
    def alive():
        if process.poll() is not None:
            raise Failed(f"{what} ended with {process.returncode}{f': see {log}' if log else ''}")
    try:
        wait_until(ready, START_SECONDS, f"the start of {what}", interval=0.02, passing=passing, alive=alive)
    except Failed:
        processes.end(process)
        raise


def wait_for_port(port, process, what, log=None):
    def listens():
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    wait_until_started(process, listens, what, log, OSError)


def null_workers(core, *arguments):
    """The process, and what it printed when it was ready."""
    process = processes.spawn(["taskset", "-c", core, sys.executable, HERE / "null_workers.py", *arguments],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    line = process.stdout.readline() if ready else b""
    if not line:
        processes.end(process)
        raise Failed("the null workers did not start")
    return process, json.loads(line)


class Contestant:
    def __init__(self, name, port, process, beside=()):
        self.name, self.port, self.process, self.beside = name, port, process, beside
        self.url = f"http://127.0.0.1:{port}/predict"

    def pids(self):
        """The process and its children."""
        found = [self.process.pid]
        for pid in found:
            found += map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found

    def cpu_seconds(self):
        """What all its threads have computed so far, to the nanosecond."""
        return sum(int((task / "schedstat").read_text().split()[0])
                   for pid in self.pids() for task in pathlib.Path(f"/proc/{pid}/task").iterdir()) / 1e9

    def resident_bytes(self):
        text = "".join(pathlib.Path(f"/proc/{pid}/status").read_text() for pid in self.pids())
        return 1024 * sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS:"))

    def end(self):
        for process in (self.process, *self.beside):
            processes.end(process)


def ours(binaries, folder, core, others, workers):
    ports = folder / "ports.json"
    ports.unlink(missing_ok=True)
    process = processes.spawn(
        ["taskset", "-c", core, binaries / "inference-dispatcher", "--address", "127.0.0.1", "--port", 0, "--metrics-port", 0,
         "--link-port", 0, "--grpc-port", 0, "--max-connections", CONNECTIONS, "--max-connections-per-address", 0,
         "--ports-file", ports], stdout=subprocess.DEVNULL, stderr=open(folder / "dispatcher.log", "wb"))
    wait_until_started(process, ports.exists, "the dispatcher", folder / "dispatcher.log")
    found = json.loads(ports.read_text())
    null, _ = null_workers(others, "link", str(found["link"]), str(workers))
    return Contestant("ours", found["http"], process, [null])


def configured(name, folder, core, text, command):
    path, log, port = folder / f"{name}.conf", folder / f"{name}.log", processes.free_port()
    path.write_text(text(port))
    process = processes.spawn(["taskset", "-c", core, *command(path)], stdout=subprocess.DEVNULL,
                              stderr=open(log, "wb"))
    wait_for_port(port, process, name, log)
    return Contestant(name, port, process)


def haproxy(folder, core, ports):
    servers = "\n".join(f"    server w{port} 127.0.0.1:{port} maxconn 1" for port in ports)
    return configured("haproxy", folder, core, lambda port: HAPROXY.format(port=port, connections=CONNECTIONS, servers=servers),
                      lambda path: ["haproxy", "-db", "-f", path])


def nginx(folder, core, ports):
    servers = "\n".join(f"        server 127.0.0.1:{port};" for port in ports)
    return configured("nginx", folder, core,
                      lambda port: NGINX.format(port=port, connections=CONNECTIONS, servers=servers, folder=folder.resolve()),
                      lambda path: ["nginx", "-c", path.resolve()])


def aiohttp(core, ports):
    port = processes.free_port()
    urls = [f"http://127.0.0.1:{one}/predict" for one in ports]
    process = processes.spawn(["taskset", "-c", core, sys.executable, HERE / "aiohttp_dispatcher.py", port, *urls])
    wait_for_port(port, process, "aiohttp")
    return Contestant("aiohttp", port, process)


def installed(program):
    # Debian keeps both where only root's PATH leads.
    return shutil.which(program, path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
