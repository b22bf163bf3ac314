"""A crowd of TLS handshakes, which computes, beside clients that are connected."""
import contextlib
import socket
import time

import requests

from bench.waiting import wait_until
from tests.process.certificates import Authority, Secret
from tests.process.fake_worker import WorkingWorker
from tests.process.tls_clients import Asker, Handshakers


def test_a_crowd_of_handshakes_leaves_half_of_the_time_to_requests(start_dispatcher, link, tmp_path):
    """With RSA-3072, of which this many clients ask for more than the half can do."""
    authority = Authority(tmp_path, "authority")
    dear = authority.issue("dear", "IP:127.0.0.1", rsa_bits=3072)
    dispatcher = start_dispatcher(*Secret(tmp_path / "dear", dear, authority).flags(), "--header-timeout", "5s")
    context = authority.trusting()
    link(WorkingWorker, dispatcher=dispatcher, tls=context)

    def spent():
        """(seconds that handshakes have taken, when)"""
        return dispatcher.metrics().get("dispatcher_tls_handshake_seconds_total"), time.monotonic()

    askers = [Asker(dispatcher, context, True) for _ in range(2)]
    wait_until(lambda: all(asker.answers for asker in askers), 30, "the first answers")
    spent_before, begin = spent()
    crowd = Handshakers(dispatcher, context, 16, 64)
    try:
        wait_until(lambda: dispatcher.metrics().get("dispatcher_tls_handshakes_waiting") > 0, 20, "a line")
        before = [asker.answers for asker in askers]
        for _ in range(10):
            for path in ("/healthz", "/readyz", "/metrics"):
                assert requests.get(f"http://127.0.0.1:{dispatcher.ports['metrics']}{path}", timeout=10).status_code == 200
            # Another address has its turn after one handshake of the crowd's.
            raw = socket.create_connection(("127.0.0.1", dispatcher.http), 10, source_address=("127.0.0.2", 0))
            with contextlib.closing(raw), context.wrap_socket(raw, server_hostname="127.0.0.1") as connection:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert connection.recv(12) == b"HTTP/1.1 200"
            time.sleep(0.2)
        wait_until(lambda: all(asker.answers > count + 20 for asker, count in zip(askers, before)), 30, "answers")
        spent_after, end = spent()
    finally:
        crowd.close()
        for asker in askers:
            asker.stop()
    assert [asker.faults for asker in askers] == [[], []]
    assert sum(crowd.counts) > 0
    # Half of the time that has passed, what a quiet while allows at once, and the one step that is under way.
    assert spent_after - spent_before <= 0.5 * (end - begin) + 0.05 + 0.5
    assert not dispatcher.log("worker_unlinked")
