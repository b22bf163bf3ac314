"""What goes wrong, one thing at a time, and what must hold meanwhile. Each function takes a Scene and how long, asserts the
promises, and gives figures for the report. No promise here depends on how fast the machine is; what does, is only measured."""
import contextlib
import os
import pathlib
import resource
import signal
import socket
import subprocess
import time

from bench.waiting import wait_until
from tests.chaos.scene import HONEST, WORKERS, Auditor
from tests.process import hostile
from tests.process.local import alive

# A connection that a killed dispatcher held has no answer; its client is told so by its end.
CUT = HONEST | {"unavailable"}


def metrics(scene):
    return scene.operator.dispatcher_metrics()


def books_balance(scene):
    """Every picture that came has ended, answered or dropped for a stated reason; one whose client had left while a worker
    had it counts as both."""
    def balanced():
        now = metrics(scene)
        quiet = now.get("dispatcher_queue_size") == 0 and now.get("dispatcher_in_flight") == 0
        arrivals = now.get("dispatcher_arrivals_total")
        ended = now.get("dispatcher_completions_total") + sum(
            now.get("dispatcher_dropped_total", reason=reason) or 0
            for reason in ("deadline", "no_worker", "client_gone", "worker_died", "full", "draining", "too_large"))
        return quiet and (arrivals, ended)
    arrivals, ended = wait_until(balanced, 60, "an empty queue")
    assert arrivals <= ended, f"{arrivals - ended} pictures came and never ended"
    return {"arrivals": arrivals, "ended": ended}


def calm(scene, rate, seconds):
    outcome = scene.load(rate, seconds).result().check(allowed=set())
    return outcome.figures()


def workers_die(scene, rate, seconds, every=3.0):
    """SIGKILL to a worker every few seconds: requests wait or are tried again; one that two workers died under is told so."""
    auditor, load = Auditor(scene), scene.load(rate, seconds)
    begin, kills, recoveries = time.monotonic(), 0, []
    while load.running() and time.monotonic() - begin < seconds:
        time.sleep(every)
        if scene.kill_worker():
            kills += 1
            recoveries.append(scene.seconds_to_answer())
    outcome = load.result().check()
    audit = auditor.stop()
    assert audit["cuts"] == 0, "a worker's death cut a client's connection"
    scene.wait_whole()
    return {**outcome.figures(), **audit, "kills": kills, "longest_recovery_s": max(recoveries, default=0)}


def dispatcher_restarts(scene, rate, seconds):
    """First in good order, which nobody may notice; then by SIGKILL, which costs at most what was on its connections."""
    auditor, load = Auditor(scene), scene.load(rate, seconds)
    time.sleep(seconds / 4)
    old = scene.dispatcher()
    scene.edit("dispatcher", requestTimeout="21s")
    wait_until(lambda: scene.dispatcher() not in (old, None) and not alive(old), 60, "a new dispatcher")
    outcome = load.result().check()
    audit = auditor.stop()
    assert audit["cuts"] == 0, "a connection was cut though the dispatcher was replaced in good order"

    load = scene.load(rate, max(3, seconds / 2))
    time.sleep(1)
    os.kill(scene.dispatcher(), signal.SIGKILL)
    recovery = scene.seconds_to_answer()
    killed = load.result().check(allowed=CUT)
    scene.wait_whole()
    return {**outcome.figures(), **audit, "kill_recovery_s": recovery, "cut_by_kill": killed.faults.get("unavailable", 0),
            "requests_around_kill": len(killed.rows)}


def overload(scene, capacity_rps, seconds, factor=10):
    """Many times what can be served: it serves what it can, and tells the others at once."""
    auditor = Auditor(scene, pause_seconds=1)
    outcome = scene.load(factor * capacity_rps, seconds, connections=4000).result().check()
    audit = auditor.stop()
    recovery = scene.seconds_to_answer()
    assert outcome.ok > 0, "nothing was served under overload"
    return {**outcome.figures(), **audit, "capacity_rps": capacity_rps, "goodput_rps": outcome.answered_rps(seconds),
            "goodput_ratio": outcome.answered_rps(seconds) / capacity_rps, "recovery_s": recovery, **books_balance(scene)}


class SlowClients:
    """Connections that send their request a byte a second, from many addresses of the loopback network. Clients that know
    nothing of each other do not send at the same moment: they take turns, spread evenly over each second."""

    TURNS = 50  # a second; 10,000 clients are 200 a turn, some 1 ms of this process

    def __init__(self, port, count):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        room = hard - 500  # for the test itself
        self.wanted, self.refused, self.sockets = count, 0, []
        for number in range(min(count, room)):
            client = socket.socket()
            client.setblocking(False)
            # 32 of one address: a limit for each client address is another test's.
            client.bind((f"127.1.{number // 32 // 250 + 1}.{number // 32 % 250 + 1}", 0))
            with contextlib.suppress(BlockingIOError):
                client.connect(("127.0.0.1", port))
            self.sockets.append(client)
            if number % 64 == 63:
                time.sleep(0.01)  # or the listener's backlog overflows, and the kernel tries again after a second
        self.text = b"POST /predict HTTP/1.1\r\nHost: slow\r\nX-Slow: "
        self.turn = 0

    def trickle(self):
        """One more byte from those whose turn it is; those that were closed are counted and leave."""
        second, turn = divmod(self.turn, self.TURNS)
        self.turn += 1
        byte = self.text[second:second + 1] or b"a"
        for at in range(turn, len(self.sockets), self.TURNS):
            client = self.sockets[at]
            try:
                if client:
                    client.send(byte)
            except BlockingIOError:
                pass
            except OSError:
                self.refused += 1
                client.close()
                self.sockets[at] = None

    def held(self):
        return sum(client is not None for client in self.sockets)

    def close(self):
        for client in filter(None, self.sockets):
            client.close()


def slow_clients(scene, rate, seconds, count):
    """Honest clients before, then beside many slow ones; their answers are the same, and the metrics answer."""
    before = scene.load(rate, seconds).result().check(allowed=set())
    slow = SlowClients(int(scene.url.rsplit(":", 1)[1]), count)
    try:
        load = scene.load(rate, seconds)
        while load.running():
            for _ in range(slow.TURNS):
                slow.trickle()
                time.sleep(1 / slow.TURNS)
            assert metrics(scene).get("dispatcher_workers", state="total") != 0, "the metrics answer under attack"
        beside = load.result().check(allowed=set())
        held = slow.held()
    finally:
        slow.close()
    p99 = before.summary["p99_ms"], beside.summary["p99_ms"]
    return {**beside.figures(), "slow": count, "held_to_the_end": held, "closed_by_us": slow.refused,
            "p99_before_ms": p99[0], "p99_ratio": p99[1] / p99[0]}


def rss_mib(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except FileNotFoundError:
        return 0


def hostile_pictures(scene, rate, seconds):
    """Bombs among good pictures: clients that send good ones do not notice."""
    import requests
    idle = {pid: rss_mib(pid) for pid in scene.workers().values()}
    auditor, load = Auditor(scene), scene.load(rate, seconds)
    told = {}
    while load.running():
        for name, data in hostile.hostile_pictures().items():
            kind = "image/jpeg" if "JPEG" in name or "scans" in name else "image/png"
            answer = requests.post(scene.url + "/predict", data=data, headers={"Content-Type": kind}, timeout=60)
            # A picture that decodes within its budget may have its answer.
            assert answer.status_code in (200, 400, 413, 415, 422, 429, 502, 503, 504), (name, answer.status_code, answer.text)
            told.setdefault(name, set()).add(answer.status_code)
        time.sleep(0.5)
    outcome = load.result().check()
    audit = auditor.stop()
    most = max((rss_mib(pid) / idle[pid] for pid in scene.workers().values() if idle.get(pid)), default=0)
    scene.wait_whole()
    return {**outcome.figures(), **audit, "answers": {name: sorted(statuses) for name, statuses in told.items()},
            "worker_memory_ratio": most, "workers_lost": sum(not alive(pid) for pid in idle)}


def disk_fills(scene, rate, seconds):
    """The disk of logs, status and temporary files is full for a while (it must be a file system of its own, see
    small_disk). What runs goes on; what could not start meanwhile starts afterwards."""
    auditor, load = Auditor(scene), scene.load(rate, seconds)
    ballast = scene.home / "ballast"
    with open(ballast, "wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
            file.flush()
    free = os.statvfs(scene.home)
    assert free.f_bavail == 0, "the disk is not full"
    scene.operator.lossy_log = True
    scene.kill_worker()
    outcome = load.result().check()
    audit = auditor.stop()
    ballast.unlink()
    return {**outcome.figures(), **audit}


@contextlib.contextmanager
def small_disk(folder, megabytes=64):
    """A file system of its own at `folder`; only root may mount."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def memory_runs_out(scene, rate, seconds):
    """One worker may allocate almost nothing any more (RLIMIT_AS, as an allocation fails at once; a control group's limit
    kills instead, which is what workers_die does): its jobs fail or move on, and it is replaced if it dies."""
    auditor, load = Auditor(scene), scene.load(rate, seconds)
    victim = sorted(scene.workers().values())[0]
    size = int(pathlib.Path(f"/proc/{victim}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    # The soft limit alone: to raise a hard one again takes more than being root in a container.
    resource.prlimit(victim, resource.RLIMIT_AS, (size + (1 << 20), resource.RLIM_INFINITY))
    # A picture that does not fit into the memory that a worker has left is not its client's fault.
    outcome = load.result().check(allowed=HONEST | {"http_500"})
    audit = auditor.stop()
    lost = not alive(victim)
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(victim, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    with contextlib.suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL)
    scene.seconds_to_answer()
    scene.wait_whole()
    return {**outcome.figures(), **audit, "worker_lost": lost}


FAKETIME = next(iter(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)


def clock_environment(clock):
    """Programs with these see the wall clock that the file `clock` says, and the true monotonic one."""
    clock.write_text("+0\n")
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1"}


def clock_jumps(scene, clock, rate, seconds):
    """The wall clock goes a day ahead, then two back, under load."""
    auditor, load = Auditor(scene), scene.load(rate, seconds)
    for offset in ("+86400", "-86400", "+0"):
        time.sleep(seconds / 4)
        clock.write_text(offset + "\n")
    outcome = load.result().check()
    audit = auditor.stop()
    assert audit["cuts"] == 0, "a connection was cut because the clock jumped"
    scene.seconds_to_answer()
    assert len(scene.workers()) == WORKERS, "a worker was given up because the clock jumped"
    return {**outcome.figures(), **audit}

