"""Child processes that never outlive this one."""
import ctypes
import signal
import socket
import subprocess

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LIBC = ctypes.CDLL(None)


def end_with_parent():
    """In a child: SIGTERM when this process ends, however it ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def spawn(command, stdin=subprocess.DEVNULL, **options):
    """A child in a session of its own, so that Ctrl-C reaches this process alone, which ends the child in order."""
    return subprocess.Popen([str(word) for word in command], stdin=stdin, start_new_session=True,
                            preexec_fn=end_with_parent, **options)


def end(process, patience_seconds=5):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port():
    """A TCP port of loopback that nobody listens on, for a child that has to be told one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
