"""Clients that ask and do not take their answers, over HTTP and over gRPC."""
import contextlib
import socket
import struct
import threading

import pytest

from bench.waiting import wait_until
from tests.process.test_limits import ask, status_kib

ASK = b"GET /v2/models/resnet18 HTTP/1.1\r\nHost: x\r\n\r\n"
# The least rate's grace is 5 s, and what the systems between hold goes first; a loaded machine takes longer.
GIVEN_UP_SECONDS = 60


class Hoarder:
    """Asks again and again on one connection and reads nothing."""

    def __init__(self, port):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(0.5)
        self.socket.connect(("127.0.0.1", port))
        self.given_up = False

    def push(self):
        """Asks as often as the other side listens."""
        with contextlib.suppress(TimeoutError):
            try:
                while not self.given_up:
                    self.socket.sendall(ASK * 100)
            except ConnectionError:
                self.given_up = True


def test_who_asks_and_takes_no_answer_is_given_up_and_costs_little(start_dispatcher):
    dispatcher = start_dispatcher()
    assert ask(dispatcher.http, path="/v2/models/resnet18") == 200
    before = status_kib(dispatcher.process, "VmRSS")
    hoarders = [Hoarder(dispatcher.http) for _ in range(20)]
    pushing = [threading.Thread(target=one.push) for one in hoarders]
    for thread in pushing:
        thread.start()
    for thread in pushing:
        thread.join(60)
        assert ask(dispatcher.http, path="/v2/models/resnet18") == 200
    assert (status_kib(dispatcher.process, "VmRSS") - before) / len(hoarders) < 256

    def all_given_up():
        for one in hoarders:
            one.push()
        return all(one.given_up for one in hoarders)
    wait_until(all_given_up, GIVEN_UP_SECONDS, "the end of every connection that takes nothing")
    left = dispatcher.metrics().get("dispatcher_requests_total", method="GET", endpoint="/v2/models/{model}", status="499")
    assert left >= len(hoarders)
    for one in hoarders:
        one.socket.close()


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


DATA, HEADERS, RST_STREAM, SETTINGS, PING = 0, 1, 3, 4, 6
ACK = END_STREAM = 1
END_HEADERS = 4
INITIAL_WINDOW_SIZE = 4


def call(path, stream):
    """A gRPC call with an empty message."""
    fields = ((b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x"), (b"te", b"trailers"),
              (b"content-type", b"application/grpc"))
    block = b"".join(literal(name, value) for name, value in fields)
    return frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, b"\0\0\0\0\0")


def frames(connection):
    """What comes, answering what has to be answered, until the connection ends."""
    buffer = b""
    while True:
        while len(buffer) >= 9 and len(buffer) >= 9 + int.from_bytes(buffer[:3], "big"):
            size, kind, flags = int.from_bytes(buffer[:3], "big"), buffer[3], buffer[4]
            payload, stream = buffer[9:9 + size], int.from_bytes(buffer[5:9], "big")
            buffer = buffer[9 + size:]
            if kind in (SETTINGS, PING) and not flags & ACK:
                connection.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
            yield kind, stream, payload
        data = connection.recv(65536)
        if not data:
            return
        buffer += data


@pytest.fixture
def grpc_port(start_dispatcher):
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        dispatcher = start_dispatcher("--grpc-fd", str(listening.fileno()), pass_fds=(listening.fileno(),))
    return dispatcher.ports["grpc"]


def test_a_grpc_call_whose_answer_is_not_taken_is_ended(grpc_port):
    path = b"/inference.GRPCInferenceService/ServerMetadata"
    with socket.create_connection(("127.0.0.1", grpc_port), 10) as client:
        client.settimeout(GIVEN_UP_SECONDS)
        no_room = struct.pack(">HI", INITIAL_WINDOW_SIZE, 0)
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, no_room))
        client.sendall(call(path, 1) + call(path, 3))
        taken, ended = [], []
        for kind, stream, payload in frames(client):
            taken += [payload] if kind == DATA and payload else []
            ended += [stream] if kind == RST_STREAM else []
            if len(ended) == 2:
                break
        assert sorted(ended) == [1, 3] and not taken
