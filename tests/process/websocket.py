"""A WebSocket client for tests."""
import base64
import os
import socket
import struct
import time


class WebSocketClosed(Exception):
    """The other side closed; args: code, reason."""


class WebSocket:
    """A blocking WebSocket client (RFC 6455) that can also misbehave."""

    def __init__(self, port, path, headers=(), timeout=10, tls=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade",
                 f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *(f"{n}: {v}" for n, v in headers)]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError(f"no answer to the upgrade: {self.buffer!r}")
            self.buffer += more
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        self.status = int(head.split(b" ", 2)[1])
        self.head = head.decode()

    def _read(self, count):
        while len(self.buffer) < count:
            more = self.socket.recv(1 << 16)
            if not more:
                raise WebSocketClosed(1006, "end of stream")
            self.buffer += more
        out, self.buffer = self.buffer[:count], self.buffer[count:]
        return out

    def send(self, data, opcode=2):
        mask = os.urandom(4)
        size = len(data)
        head = bytes([0x80 | opcode])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 1 << 16:
            head += bytes([0x80 | 126]) + struct.pack(">H", size)
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", size)
        repeated = mask * (size // 4 + 1)
        body = (int.from_bytes(data, "big") ^ int.from_bytes(repeated[:size], "big")).to_bytes(size, "big")
        self.socket.sendall(head + mask + body)

    def receive(self, timeout=10):
        """The next message's bytes; pings are answered on the way, and do not prolong the wait."""
        end = time.monotonic() + timeout
        whole = b""
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no message within {timeout} s")
            self.socket.settimeout(left)
            first, second = self._read(2)
            size = second & 0x7F
            if size == 126:
                size, = struct.unpack(">H", self._read(2))
            elif size == 127:
                size, = struct.unpack(">Q", self._read(8))
            data = self._read(size)
            opcode = first & 0x0F
            if opcode == 8:
                code = struct.unpack(">H", data[:2])[0] if len(data) >= 2 else 1005
                raise WebSocketClosed(code, data[2:].decode(errors="replace"))
            if opcode == 9:
                self.send(data, opcode=10)
            elif opcode in (0, 1, 2):
                whole += data
                if first & 0x80:
                    return whole

    def die(self):
        """Ends the connection as a crashed process does: reset, without a word."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()
