"""Clients of a dispatcher under TLS: who sends one request after the other, and who only shakes hands."""
import contextlib
import http.client
import socket
import threading

from tests.process.picture_files import picture
from tests.process.raw_client import RawClient

PICTURE = picture()


class Asker:
    """Sends pictures one after the other, on one kept connection or on a new one each time; every fault is kept."""

    def __init__(self, dispatcher, context, keep):
        self.answers, self.faults, self.done = 0, [], threading.Event()
        self.thread = threading.Thread(target=self._run, args=(dispatcher, context, keep), daemon=True)
        self.thread.start()

    def _run(self, dispatcher, context, keep):
        connection = None
        while not self.done.is_set():
            try:
                connection = connection or http.client.HTTPSConnection("127.0.0.1", dispatcher.http, context=context,
                                                                       timeout=10)
                connection.auto_open = self.answers == 0 or not keep
                connection.request("POST", "/predict", PICTURE, {"Content-Type": "image/jpeg"})
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.faults.append(answer.status)
            except (OSError, http.client.HTTPException) as fault:
                self.faults.append(repr(fault))
                connection = None
            self.answers += 1
            if not keep and connection:
                connection.close()
                connection = None

    def stop(self):
        self.done.set()
        self.thread.join(20)


class Handshakers:
    """Clients that shake hands and leave, as many as there are threads, and others that begin and do not go on."""

    def __init__(self, dispatcher, context, count, half_open):
        self.done, self.port, self.context = threading.Event(), dispatcher.http, context
        self.counts = [0] * count
        self.half_open = [RawClient(dispatcher.http) for _ in range(half_open)]
        for i, one in enumerate(self.half_open):
            one.send(b"\x16\x03\x01\x02\x00\x01"[:i % 7])
        self.threads = [threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self, which):
        while not self.done.is_set():
            with contextlib.suppress(OSError):
                raw = socket.create_connection(("127.0.0.1", self.port), 10)
                with contextlib.closing(raw), self.context.wrap_socket(raw, server_hostname="127.0.0.1"):
                    self.counts[which] += 1

    def close(self):
        self.done.set()
        for thread in self.threads:
            thread.join(30)
        for one in self.half_open:
            one.close()
