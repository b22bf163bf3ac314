#!/usr/bin/python3
"""Workers that answer at once, so that what is measured is the one in front of them.

    null_workers.py http COUNT         COUNT HTTP servers on ports of their own; prints the ports as JSON
    null_workers.py link PORT COUNT    COUNT workers on a dispatcher's link; prints [] once all of them are linked

Ends with its standard input."""
import asyncio
import json
import os
import struct
import sys

ANSWER = json.dumps({"prediction": "tabby: 93.1%", "queue_size": 0, "top": [{"label": "tabby", "index": 1, "probability": 0.931}],
                     "timing": {"queue_ms": 0, "inference_ms": 0, "total_ms": 0}}).encode()
HTTP_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)


class HttpServer(asyncio.Protocol):
    """Reads a head and as many bytes as it announces, and answers."""

    def connection_made(self, transport):
        self.transport, self.head, self.left = transport, b"", None

    def data_received(self, data):
        while data:
            if self.left is None:
                self.head += data
                end = self.head.find(b"\r\n\r\n")
                if end < 0:
                    return
                lines = self.head[:end].lower().split(b"\r\n")
                data, self.head = self.head[end + 4:], b""
                self.left = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            taken = min(self.left, len(data))
            self.left -= taken
            data = data[taken:]
            if self.left == 0:
                self.left = None
                self.transport.write(HTTP_ANSWER)


class LinkWorker(asyncio.Protocol):
    """One worker of one slot on the link (dispatcher/contract/link/protocol.hpp)."""

    def __init__(self, name, port, linked):
        self.name, self.port, self.linked = name, port, linked
        self.upgraded = False
        self.buffer, self.message = bytearray(), bytearray()

    def connection_made(self, transport):
        self.transport = transport
        transport.write(b"GET /link HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n" % self.port)

    def data_received(self, data):
        self.buffer += data
        if not self.upgraded:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            assert self.buffer.startswith(b"HTTP/1.1 101"), bytes(self.buffer[:end])
            del self.buffer[:end + 4]
            self.upgraded = True
            self.tell({"type": "hello", "worker": self.name, "model": "resnet18", "classes": 3, "labels_sha256": "", "slots": 1})
            self.tell({"type": "ready"})
            self.linked.set()
        while self.take_frame():
            pass

    def take_frame(self):
        have = len(self.buffer)
        if have < 2:
            return False
        size, head = self.buffer[1] & 0x7F, 2
        if size == 126:
            head = 4
        elif size == 127:
            head = 10
        if have < head:
            return False
        if size >= 126:
            size = int.from_bytes(self.buffer[2:head], "big")
        if have < head + size:
            return False
        opcode, last = self.buffer[0] & 0x0F, self.buffer[0] & 0x80
        if opcode == 9:
            self.send(bytes(self.buffer[head:head + size]), 10)
        elif opcode in (0, 1, 2):
            self.message += memoryview(self.buffer)[head:head + size]
            if last:
                self.take_job()
                self.message.clear()
        del self.buffer[:head + size]
        return True

    def take_job(self):
        size, = struct.unpack_from(">I", self.message)
        header = json.loads(self.message[4:4 + size])
        if header["type"] != "job":
            return
        item = {"top": [{"label": "tabby", "index": 1, "probability": 0.931}]}
        self.tell({"type": "result", "id": header["id"], "items": [item] * len(header["items"]), "preprocess_ms": 0,
                   "inference_ms": 0, "probabilities": False})
        self.tell({"type": "ready"})

    def tell(self, header):
        text = json.dumps(header).encode()
        self.send(struct.pack(">I", len(text)) + text, 2)

    def send(self, data, opcode):
        # Masked with zeros, which changes nothing and is allowed.
        size = len(data)
        head = struct.pack(">BB", 0x80 | opcode, 0x80 | size) if size < 126 else struct.pack(">BBH", 0x80 | opcode, 0x80 | 126, size)
        self.transport.write(head + bytes(4) + data)


async def until_stdin_ends():
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), lambda: os.read(sys.stdin.fileno(), 4096) or ended.set())
    await ended.wait()


async def serve_http(count):
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(HttpServer, "127.0.0.1", 0) for _ in range(count)]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await until_stdin_ends()


async def serve_link(port, count):
    loop = asyncio.get_running_loop()
    for number in range(count):
        linked = asyncio.Event()
        await loop.create_connection(lambda: LinkWorker(f"null-{number}", port, linked), "127.0.0.1", port)
        await asyncio.wait_for(linked.wait(), 20)
    print("[]", flush=True)
    await until_stdin_ends()


if sys.argv[1] == "http":
    asyncio.run(serve_http(int(sys.argv[2])))
else:
    asyncio.run(serve_link(int(sys.argv[2]), int(sys.argv[3])))
