"""Child processes that never outlive this one."""
import concurrent.futures
import contextlib
import ctypes
import pathlib
import random
import signal
import socket
import subprocess

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LIBC = ctypes.CDLL(None)

# The kernel sends that signal when the thread ends that started the child. This one ends with the process.
STARTER = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")


def end_with_parent():
    """In a child: SIGTERM when this process ends, however it ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def spawn(command, log=None, append=False, stdin=subprocess.DEVNULL, in_child=None, outlives=False, **options):
    """A child in a session of its own, so that Ctrl-C reaches this process alone, which ends the child in order.

    Both outputs go to the file `log`, behind what is there if `append`. `in_child` is called in the child before the program.
    One that `outlives` this process is ended by somebody else; the others end with it, whichever thread asks for them.
    """
    def begin():
        if not outlives:
            end_with_parent()
        if in_child:
            in_child()

    with open(log, "ab" if append else "wb") if log else contextlib.nullcontext() as file:
        outputs = {"stdout": file, "stderr": file} if log else {}
        return STARTER.submit(subprocess.Popen, [str(word) for word in command], stdin=stdin, start_new_session=True,
                              preexec_fn=begin, **outputs, **options).result()


def end(process, patience_seconds=5):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port():
    """A TCP port that nobody listens on, on any IPv4 address, for a child that has to be told one.

    It is below the range from which the kernel takes the ports of outgoing connections and of listeners on port 0:
    nothing else is given it before the child listens, nor while a program that listens there is started again.
    """
    first_ephemeral = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    # From 10000: fixed ports of this project and of what runs beside it are below. Up to 30000: Kubernetes' node ports follow.
    candidates = range(10_000, min(first_ephemeral, 30_000))
    for port in random.sample(candidates, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port
    raise OSError(f"100 ports of {candidates.start} to {candidates.stop - 1} are taken")
